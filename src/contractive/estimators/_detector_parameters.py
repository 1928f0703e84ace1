"""The parameters of the detector, and what they stand for: score, scale, networks, rows held out."""

import math
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Literal

import numpy as np

from contractive.core.errors import InvalidValue, check_choice
from contractive.estimators._autoencoder import ContractiveAutoencoder
from contractive.estimators._crossfit import NOVELTY, STRUCTURED, TABLE, TRIMMED, Part
from contractive.estimators._parameters import Parameters, budget

ScoreBy = Literal["auto", "table", "novelty", "structured", "trimmed", "reconstruction"]
PARTS: dict[str, tuple[Part, ...]] = {
    "table": TABLE, "novelty": NOVELTY, "structured": STRUCTURED, "trimmed": TRIMMED, "reconstruction": ("residual",),
}  # fmt: skip
MOST_ROWS = 20_000  # that are neighbours and calibrate
INNER_SHARE = 0.7  # of the rows that lie well inside
# factors of the penalty, from the largest on: where several, held-out rows choose
_WEIGHTS = {"table": (0.03,), "novelty": (0.03,), "structured": (3.0, 0.3, 0.03, 0.003)}
_WEIGHT = (0.1,)  # of the other scores
_SCALES = {"table": "log", "novelty": "log", "structured": "common"}
_TRUSTED = 0.7  # share of rows to learn from where some are outliers
_STRUCTURED_PASSES = 2.5  # times the usual number of steps
_MANY_FEATURES, _REDUNDANT, _ENOUGH_ROWS = 50, 0.75, 30
_ROWS_FOR_CORRELATIONS, _COLUMNS_FOR_CORRELATIONS = 2_000, 2_000
_CALIBRATION_SHARE, _MOST_CALIBRATION = 0.2, 0.5


@dataclass(kw_only=True, eq=False, repr=False)
class DetectorParameters(Parameters):
    """The parameters of `ContractiveOutlierDetector`, described there."""

    false_alarm_rate: float = 0.05
    false_discovery_rate: float | None = None
    contamination: float | None = None
    calibration: Literal["cross", "split"] = "cross"
    support_fraction: float | None = None
    score_by: ScoreBy = "auto"
    impute: Literal["mean", "median"] | None = None
    n_components: int | Literal["auto"] | None = 128
    objective: Any = "contractive"
    weight: float | Literal["auto"] | None = None
    start: Literal["auto", "pca", "random"] = "random"
    scale: Any = "auto"

    def check_parameters(self) -> None:
        """Refuse parameters that `fit` would refuse.

        Raises:
            InvalidValue: A value out of its range or not among the names known.
        """
        self._check_parameters()

    def _check_parameters(self) -> None:
        for name, most, advice in (
            ("contamination", 0.5, "Try 0.1."),
            ("support_fraction", 1, "1 learns from all rows."),
            ("false_alarm_rate", 0.5, "Try 0.05."),
            ("false_discovery_rate", 0.5, "Try 0.1."),
        ):
            share: Any = getattr(self, name)
            if share is None and name != "false_alarm_rate":
                continue
            if isinstance(share, bool) or not isinstance(share, Real) or not 0 < float(share) <= most:
                raise InvalidValue(name, f"be above 0 and at most {most}", repr(share), advice)
        if self.contamination is not None and self.false_discovery_rate is not None:
            got = f"false_discovery_rate {self.false_discovery_rate}"
            raise InvalidValue("contamination", "come without `false_discovery_rate`", got, "Leave one out.")
        check_choice("calibration", self.calibration, ("cross", "split"))
        check_choice("score_by", self.score_by, ("auto", *PARTS))
        check_choice("impute", self.impute, (None, "mean", "median"))
        if self.warm_start:
            raise InvalidValue("warm_start", "be False", "True: rows seen before cannot calibrate", "Fit anew.")
        own = {each.name: getattr(self, each.name) for each in fields(Parameters)}
        own |= {"scale": "standard" if self.scale == "auto" else self.scale}
        ContractiveAutoencoder(**own)._check_parameters()

    @property
    def learned_share(self) -> float:
        """`support_fraction`, or in its place 0.7 where `contamination` is given, else 1."""
        if self.support_fraction is None:
            return 1.0 if self.contamination is None else _TRUSTED
        return float(self.support_fraction)

    def candidates(self, score_by: str) -> tuple[Any, ...]:
        """Return the weights of the penalty to try for a score, from the largest on; one where it is given."""
        if self.weight is not None:
            return (self.weight,)
        return (None,) if self._decides_instead() else _WEIGHTS.get(score_by, _WEIGHT)

    def worker(self, rows: int, score_by: str, **changed: Any) -> ContractiveAutoencoder:
        """Return an unfitted autoencoder for scaled rows, so many of them, and for a score."""
        own: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(Parameters)}
        weight = self.candidates(score_by)[0]
        epochs = self.max_epochs
        if epochs == "auto" and score_by == "structured":
            size = None if self.batch_size == "auto" else int(self.batch_size)
            epochs = math.ceil(_STRUCTURED_PASSES * (budget(rows, size).max_epochs or 1))
        own |= {"weight": weight, "max_epochs": epochs, "scale": "none", "loss": self._loss_name}
        own |= changed | ({"weight": None} if self._decides_instead() else {})
        return ContractiveAutoencoder(**own)

    def chosen_score(self, x: np.ndarray) -> str:
        """Return the score for rows without missing values."""
        if self.score_by != "auto":
            return self.score_by
        if repeats_itself(x):
            return "structured"
        if self.learned_share < 1:
            return "trimmed"
        return "table" if self.support_fraction is None or self.contamination is not None else "novelty"

    def chosen_scale(self, score_by: str) -> str | None:
        """Return the scaling for a score."""
        return _SCALES.get(score_by, "standard") if self.scale == "auto" else self.scale

    def num_held_out(self, rows: int) -> int:
        """Return how many of the rows calibrate only."""
        if self.calibration == "cross":
            return 0
        rate = float(self.false_discovery_rate or self.false_alarm_rate)
        wanted = max(_CALIBRATION_SHARE * rows, 1 / rate - 1)
        return min(math.ceil(wanted), int(_MOST_CALIBRATION * rows), MOST_ROWS)


def repeats_itself(x: np.ndarray) -> bool:
    """Return whether the features of rows repeat each other, as those of images, spectra and curves do.

    At least 50 features that vary, and the mean over them of the largest absolute correlation with another one is at
    least 0.75, on at most 2,000 rows and 2,000 features, evenly spaced.
    """
    x = x[:: -(-len(x) // _ROWS_FOR_CORRELATIONS)]
    x = x[:, np.ptp(x, axis=0) > 0]
    if x.shape[1] < _MANY_FEATURES or len(x) < _ENOUGH_ROWS:
        return False
    x = x[:, :: -(-x.shape[1] // _COLUMNS_FOR_CORRELATIONS)]
    z = x - x.mean(0)
    lengths = np.linalg.norm(z, axis=0)
    z = z[:, lengths > 0] / lengths[lengths > 0]
    correlations = np.abs(z.T @ z)
    np.fill_diagonal(correlations, 0)
    return bool(correlations.max(0).mean() >= _REDUNDANT)
