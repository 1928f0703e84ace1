"""The detector task: rows that are unlike the others, at a false-alarm rate that holds."""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor, nn

from contractive.core.errors import InvalidValue, first_line
from contractive.core.settings import check_settings, setting
from contractive.data import DataError, Split, WindowPreparation
from contractive.models import Autoencoder, Recipe
from contractive.studies.runs._folder import RunError
from contractive.studies.runs._task import Job, RowFunction, Run, Task, TaskSettings, Trained
from contractive.studies.runs._unusual import MOST_REASONS, DetectorMetrics, measured, reasons
from contractive.training import CollapseWarning, History

if TYPE_CHECKING:
    from contractive.estimators import ContractiveOutlierDetector

SCORE, P_VALUE, FLAGGED, REASON = "score", "p_value", "flagged", "reason"
_FOLDER = "detector"
_FILES = ("config.json", "model.safetensors", "estimator.json", "estimator.npz")


@dataclass(frozen=True)
class DetectorSettings(TaskSettings[Autoencoder, DetectorMetrics]):
    """Promise, score and training of a detector; the metadata of each field hold its help.

    Raises:
        InvalidValue: A setting out of range.
    """

    by_data: ClassVar[tuple[str, ...]] = ()

    false_alarm_rate: float = setting(
        0.05, "Share of new normal rows that may be flagged, from 0 to 0.5.", positive=True
    )
    false_discovery_rate: float | None = setting(
        None,
        "Share of the flagged rows of one file that may be normal, in the place of the false-alarm rate.",
        positive=True,
    )
    calibration: Literal["cross", "split"] = setting(
        "cross",
        "Calibrate on all rows by cross-fitting, or on rows held out for it; these guarantee the rate by a theorem.",
    )
    support_fraction: float | None = setting(
        None,
        "Share of the rows to learn from: 1 where all are normal, 0.7 where they hold many anomalies.",
        by_data="1 with a label; else all, of which some may be anomalies",
        positive=True,
    )
    score_by: Literal["auto", "table", "novelty", "structured", "trimmed", "reconstruction"] = setting(
        "auto",
        "Score. table: distances to neighbours and to the learned manifold; novelty: the same where all training rows"
        " are normal; trimmed: where many are not; structured: distance in the code, for images and curves;"
        " reconstruction: the reconstruction error.",
    )
    dates: bool = setting(False, "Columns of dates are features, too.")
    code: int = setting(128, "Numbers per code.", least=1)
    weight: float | None = setting(
        None,
        "Weight of ||J||_F^2.",
        by_data="0.03; for structured data chosen from 3 down to 0.003 by held-out rows",
        least=0,
    )
    max_epochs: int | None = setting(
        None, "Passes over the rows.", by_data="enough for 600 steps; structured data: 1,500", least=1
    )
    seed: int = setting(0, "Random seed of split, folds and weights.", least=0)

    def __post_init__(self) -> None:
        check_settings(self)
        self.detector().check_parameters()

    def detector(self) -> "ContractiveOutlierDetector":
        """Return the detector, not fitted."""
        from contractive.estimators import ContractiveOutlierDetector

        return ContractiveOutlierDetector(
            false_alarm_rate=self.false_alarm_rate,
            false_discovery_rate=self.false_discovery_rate,
            calibration=self.calibration,
            support_fraction=self.support_fraction,
            score_by=self.score_by,
            n_components=self.code,
            weight=self.weight,
            max_epochs=self.max_epochs or "auto",
            random_state=self.seed,
        )

    def prepared(self, split: Split) -> Split:
        """Return the data without columns of dates: a time stamp is unlike all earlier ones."""
        groups = split.preparation.groups if split.preparation else []
        dates = [group.name for group in groups if group.kind == "date" and not self.dates]
        if not dates:
            return split
        if len(dates) == len(groups):
            raise DataError(f"Data must have a column that is no date, got {', '.join(dates)}. Set `dates`.")
        made = split.in_memory().without_columns(dates)
        return replace(made, notes=(*made.notes, f"Columns of dates are no features: {', '.join(dates)}."))

    def completed(self, split: Split) -> Self:
        """Return the settings, checked against the data; with labels only normal rows are learned from.

        Raises:
            DataError: Data on disk, or labels other than 0 and 1.
        """
        has_labels = anomalies(split.in_memory()) is not None
        return replace(self, support_fraction=1.0) if has_labels and self.support_fraction is None else self

    def check_machine(self) -> None:
        """Refuse nothing: a detector is trained on the processor."""


def anomalies(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return which rows are anomalies, by part; None where no label was asked for.

    Raises:
        DataError: Labels other than 0 for normal rows and 1 for anomalies, or rows without one.
    """
    if split.source is None or split.source.options.label is None:
        return None
    rule, remedy = (
        "be a column of 0 for normal rows and 1 for anomalies",
        "Write 0 and 1 in it, or leave it out with `drop`.",
    )
    if split.labels is None:
        raise DataError(field="label", rule=rule, got="rows without a label", remedy=remedy)
    values = np.unique(np.concatenate(split.labels))
    if not {*values.tolist()} <= {0, 1}:
        got = ", ".join(map(repr, values[:5].tolist()))
        raise DataError(field="label", rule=rule, got=got, remedy=remedy)
    train, validation, test = (part == 1 for part in split.labels)
    return train, validation, test


@dataclass(frozen=True)
class DetectorRun(Run[Autoencoder, DetectorMetrics]):
    """A run on disk: a detector. Its attributes are those of `Run`."""

    settings: DetectorSettings

    @property
    def num_units(self) -> int:
        """Numbers per code."""
        return self.settings.code

    @cached_property
    def detector(self) -> "ContractiveOutlierDetector":
        """The fitted detector; it takes prepared rows.

        Raises:
            RunError: Training has not come to its end, or broken files.
        """
        from contractive.estimators import ContractiveOutlierDetector

        self.check_trained()
        path = self.folder / _FOLDER
        try:
            found = ContractiveOutlierDetector.load(path)
        except ValueError as error:
            raise RunError(
                f"{path} does not hold the detector of the run: {first_line(error)}. Train again."
            ) from error
        if found.n_features_in_ != self.preparation.features:
            raise RunError(f"{path} does not hold a detector of its {self.preparation.features} features. Train again.")
        return found

    def model(self) -> Autoencoder:
        """Return the network of the first fold, in evaluation mode; it takes rows in the detector's own scale."""
        return self.detector.autoencoder_

    def parts(self) -> dict[str, nn.Module]:
        """Refuse: no network alone gives the score, which needs the training rows."""
        got, remedy = f"{self.folder}, which holds a detector", f"Use {self.task.uses}: its score needs training rows."
        raise RunError(field="run", rule="hold one network", got=got, remedy=remedy)

    def scores(self, limit: float) -> RowFunction:
        """Return what gives score, p-value, flag and reasons of prepared rows.

        Args:
            limit: Score above which a row is flagged, as `detector.flagging_limit` returns it.
        """
        names = tuple(f"{REASON}_{number + 1}" for number in range(MOST_REASONS))

        def finish(x: np.ndarray) -> dict[str, np.ndarray]:
            scores = -self.detector.score_samples(x) if len(x) else np.empty(0)
            flagged = scores > limit
            texts = np.full((len(x), MOST_REASONS), "", dtype=object)
            found = reasons(self.detector, self.preparation, x[flagged])
            for row, first in zip(np.flatnonzero(flagged), found, strict=True):
                texts[row, : len(first)] = [reason.text for reason in first]
            made = {SCORE: scores, P_VALUE: self.detector.p_values_of(scores), FLAGGED: flagged.astype(np.int64)}
            return made | dict(zip(names, texts.T.astype(np.str_), strict=True))

        return RowFunction(nn.Identity(), (SCORE, P_VALUE, FLAGGED, *names), finish)


class DetectorTask(Task[DetectorSettings, Autoencoder, DetectorMetrics]):
    """Train an outlier detector on the normal rows, and test it on held-out rows."""

    name, command = "detector", "contractive detect"
    uses = "contractive score, drift and info"
    settings, metrics, run = DetectorSettings, DetectorMetrics, DetectorRun
    own_files = ("metrics.npz", *(f"{_FOLDER}/{name}" for name in _FILES))

    def recipe(self, settings: DetectorSettings, split: Split) -> Recipe:
        """Return the size of the networks."""
        return Recipe(self.name, {"features": split.features, "code": settings.code})

    def fit(self, job: Job[DetectorSettings]) -> Trained[Autoencoder, DetectorMetrics]:
        """Train the networks of all folds, also where the run is resumed: the same seed makes the same detector."""
        from contractive.estimators import PromiseWarning

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("ignore")
            for kind in (PromiseWarning, CollapseWarning):
                warnings.simplefilter("always", kind)
            rows, later = _normal(job.split)
            calibrates = later if isinstance(job.split.preparation, WindowPreparation) else None
            detector = job.settings.detector().fit(rows, calibrates=calibrates)
        detector.save(job.files.folder / _FOLDER)
        sentences = _one_of_each_kind(caught)
        rows = tuple(detector.history_.to_dict("records"))
        return Trained(job.files.folder, detector.autoencoder_, History(rows, len(rows), warnings=sentences))

    def measure(self, job: Job[DetectorSettings], trained: Trained[Autoencoder, DetectorMetrics]) -> DetectorMetrics:
        """Return what the detector, as it was written, says of the rows for testing."""
        from contractive.estimators import ContractiveOutlierDetector

        detector, known = ContractiveOutlierDetector.load(trained.folder / _FOLDER), anomalies(job.split)
        assert job.split.preparation is not None
        found = measured(
            detector,
            job.split.preparation,
            _normal(job.split)[0],
            job.split.test,
            None if known is None else known[2],
            job.split.places,
            trained.history.warnings,
        )

        def network(x: Tensor) -> Tensor:
            return detector.autoencoder_(torch.from_numpy(detector.scaled(x.numpy())).float())

        return replace(found, collapsed=job.is_constant(network))


def _one_of_each_kind(caught: Sequence[warnings.WarningMessage]) -> tuple[str, ...]:
    """Return each sentence once; of networks that collapsed the first of each kind, and how many others did."""
    kinds: dict[str, list[str]] = {}
    for each in caught:
        text = str(each.message)
        kind = re.split(r"\d", text)[0] if issubclass(each.category, CollapseWarning) else text
        kinds.setdefault(kind, []).append(text)
    return tuple(
        texts[0] + (f" So did {len(texts) - 1} more of the networks." if len(texts) > 1 and kind != texts[0] else "")
        for kind, texts in kinds.items()
    )


def _normal(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of training and validation without the known anomalies, and which of them are of validation."""
    from contractive.estimators import FEWEST_ROWS

    rows, known = np.concatenate([split.train, split.validation]), anomalies(split)
    later = np.arange(len(rows)) >= len(split.train)
    normal = np.ones(len(rows), bool) if known is None else ~np.concatenate(known[:2])
    if normal.sum() < FEWEST_ROWS:
        rule, remedy = f"leave at least {FEWEST_ROWS} normal rows to learn from", "Give more of them, or leave it out."
        raise InvalidValue("label", rule, int(normal.sum()), remedy)
    return rows[normal], later[normal]
