"""What is measured of a detector: the rows it flags among rows kept apart, the most unusual ones, and why."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contractive.data import Preparation

if TYPE_CHECKING:
    from contractive.estimators import Change, ContractiveOutlierDetector

MOST_REASONS = 3
_SHOWN_ROWS, _BINS = 10, 20


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
    """What the detector says of rows that it has not seen."""

    rows: int
    flagged: int  # of them
    normal: int  # rows with the label 0; all without labels
    false_alarms: int  # flagged rows among these
    histogram: tuple[int, ...]  # counts of the p-values of the normal rows in 20 equal bins
    auroc: float | None = None  # area under the ROC curve; None without both kinds of rows
    average_precision: float | None = None  # likewise
    nearest_auroc: float | None = None  # of the mean distance to five neighbours in standardised features
    nearest_average_precision: float | None = None  # likewise


@dataclass(frozen=True)
class DetectorMetrics:
    """Metrics of a finished detector."""

    trained_rows: int  # that the detector learned from
    score_by: str  # the score that was chosen
    smallest_rate: float  # the smallest false-alarm rate that the calibration rows can promise
    tested: Tested  # on rows kept apart
    unusual: tuple[Row, ...]  # the most unusual of these
    bounds: tuple[Bound, ...]  # of numeric columns
    warnings: tuple[str, ...] = ()  # sentences on what collapsed or cannot be promised


def measured(
    detector: "ContractiveOutlierDetector",
    preparation: Preparation,
    trained: np.ndarray,
    x: np.ndarray,
    anomalies: np.ndarray | None,
    warnings: tuple[str, ...] = (),
) -> DetectorMetrics:
    """Measure the detector on prepared rows kept apart; the most unusual of them come with their reasons."""
    scores = -detector.score_samples(x)
    p_values = detector.p_values_of(scores)
    flagged = scores > detector.flagging_limit(scores)
    normal = np.ones(len(x), bool) if anomalies is None else ~anomalies
    counts, _ = np.histogram(p_values[normal], bins=_BINS, range=(0, 1))
    compared = {} if anomalies is None else _compared(trained, x, anomalies, scores)
    false_alarms = int(flagged[normal].sum())
    tested = Tested(len(x), int(flagged.sum()), int(normal.sum()), false_alarms, tuple(map(int, counts)), **compared)
    most = np.argsort(-scores, kind="stable")[:_SHOWN_ROWS]
    unusual = tuple(
        Row(
            int(number),
            float(scores[number]),
            float(p_values[number]),
            bool(flagged[number]),
            None if anomalies is None else bool(anomalies[number]),
            found,
        )
        for number, found in zip(most, reasons(detector, preparation, x[most]), strict=True)
    )
    rate, bounds = detector.smallest_false_alarm_rate_, _bounds(detector, preparation)
    return DetectorMetrics(len(trained), detector.score_by_, rate, tested, unusual, bounds, warnings)


def reasons(
    detector: "ContractiveOutlierDetector", preparation: Preparation, x: np.ndarray
) -> list[tuple[Reason, ...]]:
    """Return the reasons of prepared rows, at most three each, those with the largest effect first."""
    groups = {group.name: range(group.start, group.start + group.num) for group in preparation.groups}
    found = []
    for row, explanation in zip(x, detector.explain(x, groups=groups, num_repairs=1) if len(x) else [], strict=True):
        first = [change for change in explanation.ranking[:MOST_REASONS] if change.fall > 0]
        found.append(tuple(_reason(preparation, row, groups[change.feature], change) for change in first))
    return found


def _compared(trained: np.ndarray, x: np.ndarray, anomalies: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Return how well scores, and distances to neighbours, tell anomalies from normal rows; {} without both kinds."""
    from sklearn.metrics import average_precision_score, roc_auc_score
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import StandardScaler

    if not 0 < anomalies.sum() < len(x):
        return {}
    scaler = StandardScaler().fit(trained)
    search = NearestNeighbors(n_neighbors=min(5, len(trained))).fit(scaler.transform(trained))
    near = search.kneighbors(scaler.transform(x))[0].mean(1)
    found: dict[str, float] = {}
    for name, values in (("", scores), ("nearest_", near)):
        found[f"{name}auroc"] = float(roc_auc_score(anomalies, values))
        found[f"{name}average_precision"] = float(average_precision_score(anomalies, values))
    return found


def _reason(preparation: Preparation, row: np.ndarray, columns: range, change: "Change") -> Reason:
    pair = np.stack([row, row]).astype(np.float64)
    pair[1, columns] = change.usual
    values = preparation.inverse(pair)
    observed, usual = values[change.feature] if isinstance(values, dict) else values[:, columns.start]
    return Reason(change.feature, _text(observed), _text(usual), change.fall)


def _text(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)


def _bounds(detector: "ContractiveOutlierDetector", preparation: Preparation) -> tuple[Bound, ...]:
    """Return the bounds of numeric columns in the user's units; none for a network that has none."""
    try:
        bounds = detector.guaranteed_bounds()
    except ValueError:
        return ()
    offset, scale = (np.broadcast_to(each, preparation.features) for each in (preparation.offset, preparation.scale))
    raw = bounds * scale[:, None] + offset[:, None]
    numeric = [group for group in preparation.groups if group.kind == "number"]
    return tuple(Bound(group.name, *map(float, raw[group.start])) for group in numeric)
