"""Detection: an outlier detector of a table as a folder, and new rows scored by it in constant memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from contractive.core.artifacts import Artifact
from contractive.core.settings import check_settings, setting
from contractive.data import DataError, Options, Preparation, Split, load, open_rows, writer
from contractive.estimators import Change, ContractiveOutlierDetector
from contractive.studies.documents import versions
from contractive.studies.runs import Files, RunError

KIND, FILE = "detection", "detection"
OWN_FILES = ("detection.json", "detection.npz", "estimator.json", "estimator.npz")
SCORE, P_VALUE, FLAGGED, REASON = "score", "p_value", "flagged", "reason"
_SHOWN_ROWS, _REASONS, _BINS = 10, 3, 20


@dataclass(frozen=True)
class DetectionSettings:
    """Promise, score and training of a detector; the metadata of each field hold its help.

    Raises:
        InvalidValue: A setting out of range.
    """

    false_alarm_rate: float = setting(
        0.05, "Share of new normal rows that may be flagged, from 0 to 0.5.", positive=True
    )
    false_discovery_rate: float | None = setting(
        None, "Share of the flagged rows of one file that may be normal, in its place.", positive=True
    )
    calibration: Literal["cross", "split"] = setting(
        "cross", "Calibrate on all rows by cross-fitting, or on rows held out for it, for which the rate is a theorem."
    )
    support_fraction: float = setting(
        1.0, "Share of the rows to learn from: 0.7 where the rows hold many anomalies.", positive=True
    )
    score_by: Literal["auto", "table", "structured", "trimmed", "reconstruction"] = setting(
        "auto", "Score: of tables, of structured data such as curves and images, or the reconstruction error."
    )
    code: int = setting(128, "Numbers per code.", least=1)
    weight: float | None = setting(None, "Weight of ||J||_F^2.", by_data="0.03; 3 for structured data", least=0)
    max_epochs: int | None = setting(None, "Passes over the rows.", by_data="enough for 600 steps", least=1)
    seed: int = setting(0, "Random seed of split, folds and weights.", least=0)

    def __post_init__(self) -> None:
        check_settings(self)
        self.detector().check_parameters()

    def detector(self) -> ContractiveOutlierDetector:
        """Return the detector, not fitted."""
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


@dataclass(frozen=True)
class Reason:
    """A column whose value makes a row strange, in the user's units."""

    column: str
    observed: str
    usual: str  # the value that makes the row most usual
    fall: float  # of the score, if it had that value

    @property
    def text(self) -> str:
        """The reason in a few words."""
        return f"{self.column} {self.observed} (usual {self.usual})"


@dataclass(frozen=True)
class Row:
    """A row with its score and reasons; `number` is its place among the rows for testing."""

    number: int
    score: float
    p_value: float
    flagged: bool
    is_anomaly: bool | None
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Bound:
    """Values of a numeric column beyond which every row is flagged, whatever the other columns are."""

    column: str
    low: float
    high: float


@dataclass(frozen=True)
class Tested:
    """What the detector says of rows that it has not seen.

    Attributes:
        rows: Their number.
        flagged: Of them.
        normal: Rows with the label 0; all without labels.
        false_alarms: Flagged rows among these.
        histogram: Counts of the p-values of the normal rows in 20 equal bins.
        auroc: Area under the ROC curve; None without both kinds of rows.
        average_precision: Likewise.
        nearest_auroc: Of the mean distance to five neighbours in standardised features, to compare with.
        nearest_average_precision: Likewise.
    """

    rows: int
    flagged: int
    normal: int
    false_alarms: int
    histogram: tuple[int, ...]
    auroc: float | None = None
    average_precision: float | None = None
    nearest_auroc: float | None = None
    nearest_average_precision: float | None = None


@dataclass(frozen=True)
class Detection:
    """What `detection.json` holds.

    Attributes:
        command: That repeats it.
        settings: Of the detector.
        data: Name of the data.
        checksum: SHA-256 of what was read.
        label: Column that says which rows are anomalies.
        preparation: As `Preparation.to_dict` returns it.
        trained_rows: That the detector learned from.
        score_by: The score that was chosen.
        smallest_rate: The smallest false-alarm rate that the calibration rows can promise.
        tested: On rows kept apart.
        unusual: The most unusual of these.
        bounds: Of numeric columns.
        notes: Sentences on the data.
        versions: Of what the numbers depend on.
    """

    command: str
    settings: DetectionSettings
    data: str
    checksum: str
    label: str | None
    preparation: Any
    trained_rows: int
    score_by: str
    smallest_rate: float
    tested: Tested
    unusual: tuple[Row, ...]
    bounds: tuple[Bound, ...]
    notes: tuple[str, ...]
    versions: dict[str, str]


@dataclass(frozen=True)
class DetectionRun:
    """A detector on disk.

    Attributes:
        folder: Where its files lie.
        document: What is known of it.
        detector: Fitted; it takes prepared rows.
        preparation: From raw rows to its numbers and back.
    """

    folder: Path
    document: Detection
    detector: ContractiveOutlierDetector
    preparation: Preparation

    def reasons(self, x: np.ndarray) -> list[tuple[Reason, ...]]:
        """Return the reasons of prepared rows, at most three each, those with the largest effect first."""
        return _reasons(self.detector, self.preparation, x)


def detect(
    data: str | Path,
    settings: DetectionSettings,
    out: str | Path,
    *,
    options: Options = Options(),  # noqa: B008
    command: str = "",
    force: bool = False,
) -> DetectionRun:
    """Train a detector of the rows of a table into a folder, test it on rows kept apart, and return it.

    Columns of dates are left out: a time stamp is unlike all earlier ones. With a label, 0 for normal rows and 1 for
    anomalies, only normal rows are learned from.

    Args:
        data: A table, an array, a folder of images or a named set, as for `data.load`.
        settings: Of the detector.
        out: The folder; every file is written whole or not at all.
        options: How to read the data; `validation_share` plays no part.
        command: That repeats it.
        force: Replace what is there.

    Raises:
        DataError: Data that cannot be used, or labels other than 0 and 1.
        RunError: A folder that cannot be used.
    """
    files = Files(out)
    files.check(force=force)
    split, notes = _load(data, settings.seed, options)
    preparation = split.preparation
    assert preparation is not None
    rows, anomalies = np.concatenate([split.train, split.validation]), _anomalies(split)
    known = None if anomalies is None else np.concatenate(anomalies[:2])
    normal = rows if known is None else rows[~known]
    detector = settings.detector().fit(normal)
    test_labels = None if anomalies is None else anomalies[2]
    tested, unusual = _tested(detector, preparation, normal, split.test, test_labels)
    document = Detection(
        command,
        settings,
        split.name,
        split.checksum,
        options.label,
        preparation.to_dict(),
        len(normal),
        detector.score_by_,
        detector.smallest_false_alarm_rate_,
        tested,
        unusual,
        _bounds(detector, preparation),
        (*split.notes, *notes),
        versions("scikit-learn", "scipy"),
    )
    files.prepare(OWN_FILES, force=force)
    detector.save(files.folder)
    Artifact.of(KIND, document).write(files.folder, FILE)
    return DetectionRun(files.folder, document, detector, preparation)


def open_detection(folder: str | Path) -> DetectionRun:
    """Open the folder of a detector.

    Raises:
        RunError: Not such a folder, or broken files.
    """
    folder = Path(folder)
    if not (folder / f"{FILE}.json").exists():
        rule, got = "be a folder that contractive detect wrote", f"{folder} without {FILE}.json"
        raise RunError(field="run", rule=rule, got=got, remedy="Check the path.")
    try:
        document = Artifact.read(folder, FILE, KIND).to(Detection, folder / f"{FILE}.json")
        preparation = Preparation.from_dict(document.preparation)
        detector = ContractiveOutlierDetector.load(folder)
    except ValueError as error:
        raise RunError(str(error)) from error
    if detector.n_features_in_ != preparation.features:
        raise RunError(f"{folder} does not hold a detector of its {preparation.features} features. It was changed.")
    return DetectionRun(folder, document, detector, preparation)


@dataclass(frozen=True)
class Scored:
    """How many rows were scored and flagged."""

    rows: int
    flagged: int

    @property
    def share(self) -> float:
        """Share of the rows that was flagged; 0 without any."""
        return self.flagged / self.rows if self.rows else 0.0


def score_rows(
    run: DetectionRun,
    data: str | Path,
    out: str | Path,
    *,
    pass_through: Sequence[str] = (),
    options: Options = Options(),  # noqa: B008
    overwrite: bool = False,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> Scored:
    """Write score, p-value, flag and the first three reasons of every row of `data`.

    Columns: those passed through, `score` (higher is stranger), `p_value`, `flagged` (1 or 0), `reason_1` to `reason_3`
    of flagged rows. Rows are streamed; with a false-discovery rate, which depends on all rows, they are read twice.

    Args:
        run: The detector.
        data: Raw rows, prepared as in training.
        out: File; its ending names the format (.csv, .parquet). Written whole or not at all.
        pass_through: Columns of the data that are copied before the others, an identifier for instance.
        options: How to read the data.
        overwrite: Replace an existing file.
        on_progress: Called with the number of rows done.

    Raises:
        DataError: Data that do not fit the detector, or a file that cannot be written.
    """
    if Path(out).exists() and Path(data).exists() and Path(out).samefile(data):
        raise DataError(field="out", rule="be another file than the data", got=out, remedy="Choose another name.")
    names = tuple(f"{REASON}_{number + 1}" for number in range(_REASONS))
    limit = _limit(run, data, options)
    done, flagged_rows = 0, 0
    with writer(out, (*pass_through, SCORE, P_VALUE, FLAGGED, *names), overwrite=overwrite) as file:
        for block in open_rows(data, run.preparation, pass_through=pass_through, options=options):
            scores = -run.detector.score_samples(block.x)
            flagged = scores > limit
            reasons = np.full((len(scores), _REASONS), "", dtype=object)
            for row, found in zip(np.flatnonzero(flagged), run.reasons(block.x[flagged]), strict=True):
                reasons[row, : len(found)] = [reason.text for reason in found]
            made = {column: block.pass_through[column] for column in pass_through}
            made |= {SCORE: scores, P_VALUE: run.detector.p_values_of(scores), FLAGGED: flagged.astype(np.int64)}
            made |= dict(zip(names, reasons.T.astype(np.str_), strict=True))
            file.write(made)
            done, flagged_rows = done + len(scores), flagged_rows + int(flagged.sum())
            on_progress(done)
    return Scored(done, flagged_rows)


def _limit(run: DetectionRun, data: str | Path, options: Options) -> float:
    """Return the score above which a row of these data is flagged."""
    detector = run.detector
    if detector.false_discovery_rate is None:  # the limit does not depend on the rows, which are not read for it
        return detector.flagging_limit(())
    scores = np.concatenate(
        [-detector.score_samples(block.x) for block in open_rows(data, run.preparation, options=options)]
    )
    return detector.flagging_limit(scores)


def _load(data: str | Path, seed: int, options: Options) -> tuple[Split, tuple[str, ...]]:
    """Load the data without columns of dates; and sentences on what was left out."""
    split = load(data, seed=seed, options=options).in_memory()
    assert split.preparation is not None
    dates = tuple(group.name for group in split.preparation.groups if group.kind == "date")
    if not dates:
        return split, ()
    split = load(data, seed=seed, options=replace(options, drop=(*options.drop, *dates))).in_memory()
    return split, (f"Columns of dates are no features: {', '.join(dates)}.",)


def _anomalies(split: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return which rows are anomalies, by part; None where no label was asked for."""
    label = split.source.options.label if split.source else None
    if split.labels is None or label is None:
        return None
    values = np.unique(np.concatenate(split.labels))
    if not {*values.tolist()} <= {0, 1}:
        rule, got = "be a column of 0 for normal rows and 1 for anomalies", ", ".join(map(repr, values[:5].tolist()))
        raise DataError(field="label", rule=rule, got=got, remedy="Or `drop` the column.")
    train, validation, test = (part == 1 for part in split.labels)
    return train, validation, test


def _tested(
    detector: ContractiveOutlierDetector,
    preparation: Preparation,
    trained: np.ndarray,
    x: np.ndarray,
    anomalies: np.ndarray | None,
) -> tuple[Tested, tuple[Row, ...]]:
    """Measure the detector on rows kept apart; the most unusual of them come with their reasons."""
    scores = -detector.score_samples(x)
    p_values = detector.p_values_of(scores)
    flagged = scores > detector.flagging_limit(scores)
    normal = np.ones(len(x), bool) if anomalies is None else ~anomalies
    counts, _ = np.histogram(p_values[normal], bins=_BINS, range=(0, 1))
    both: dict[str, float] = {}
    if anomalies is not None and 0 < anomalies.sum() < len(x):
        near = _distances(trained, x)
        for name, values in (("", scores), ("nearest_", near)):
            both[f"{name}auroc"] = float(roc_auc_score(anomalies, values))
            both[f"{name}average_precision"] = float(average_precision_score(anomalies, values))
    false_alarms = int(flagged[normal].sum())
    tested = Tested(len(x), int(flagged.sum()), int(normal.sum()), false_alarms, tuple(map(int, counts)), **both)
    most = np.argsort(-scores, kind="stable")[:_SHOWN_ROWS]
    reasons = _reasons(detector, preparation, x[most])
    rows = [
        Row(
            int(number),
            float(scores[number]),
            float(p_values[number]),
            bool(flagged[number]),
            None if anomalies is None else bool(anomalies[number]),
            found,
        )
        for number, found in zip(most, reasons, strict=True)
    ]
    return tested, tuple(rows)


def _distances(trained: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Mean distance to five neighbours among the training rows, in standardised features, (rows,)."""
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(trained)
    search = NearestNeighbors(n_neighbors=min(5, len(trained))).fit(scaler.transform(trained))
    return search.kneighbors(scaler.transform(x))[0].mean(1)


def _reasons(detector: ContractiveOutlierDetector, preparation: Preparation, x: np.ndarray) -> list[tuple[Reason, ...]]:
    groups = {group.name: range(group.start, group.start + group.num) for group in preparation.groups}
    found = []
    for row, explanation in zip(x, detector.explain(x, groups=groups, num_repairs=1) if len(x) else [], strict=True):
        first = [change for change in explanation.ranking[:_REASONS] if change.fall > 0]
        found.append(tuple(_reason(preparation, row, groups[change.feature], change) for change in first))
    return found


def _reason(preparation: Preparation, row: np.ndarray, columns: range, change: Change) -> Reason:
    pair = np.stack([row, row]).astype(np.float64)
    pair[1, columns] = change.usual
    values = preparation.inverse(pair)
    observed, usual = values[change.feature] if isinstance(values, dict) else values[:, columns.start]
    return Reason(change.feature, _text(observed), _text(usual), change.fall)


def _text(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)


def _bounds(detector: ContractiveOutlierDetector, preparation: Preparation) -> tuple[Bound, ...]:
    """Return the bounds of numeric columns in the user's units; none for a network that has none."""
    try:
        bounds = detector.guaranteed_bounds()
    except ValueError:
        return ()
    offset, scale = (np.broadcast_to(each, preparation.features) for each in (preparation.offset, preparation.scale))
    raw = bounds * scale[:, None] + offset[:, None]
    numeric = [group for group in preparation.groups if group.kind == "number"]
    return tuple(Bound(group.name, *map(float, raw[group.start])) for group in numeric)
