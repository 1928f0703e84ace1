"""What is measured of a detector: the rows it flags among held-out rows, the most unusual ones, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contractive.core.errors import InvalidValue
from contractive.data import Preparation
from contractive.studies.runs._looks import Looks, looks, most_unusual, place_text

if TYPE_CHECKING:
    from contractive.estimators import Change, ContractiveOutlierDetector

MOST_REASONS = 3
_SHOWN_ROWS, _BINS, _CURVE_POINTS = 10, 20, 200


@dataclass(frozen=True)
class Reason:
    """A column whose value makes a row strange, in the user's units."""

    column: str
    observed: str
    usual: str  # the median of the training rows, of a column with few values the most frequent one
    repaired: str  # the value that makes the row most usual
    fall: float  # of the evidence that the row is strange, if it had that value

    @property
    def text(self) -> str:
        """The reason in a few words."""
        return f"{self.column} {self.observed} instead of {self.repaired}"


@dataclass(frozen=True)
class Row:
    """A row with its score and reasons; `number` is its place among the rows for testing, `name` what it is called."""

    number: int
    score: float
    p_value: float
    flagged: bool
    is_anomaly: bool | None
    reasons: tuple[Reason, ...]
    name: str = ""


@dataclass(frozen=True)
class Bound:
    """Values of a numeric column beyond which every row is flagged, whatever the other columns are."""

    column: str
    low: float
    high: float


@dataclass(frozen=True)
class Ranking:
    """How well a score orders anomalies before normal rows."""

    score: str  # whose
    auroc: float  # area under the ROC curve
    average_precision: float
    false_alarms: tuple[float, ...]  # share of the normal rows at or above each threshold, descending
    found: tuple[float, ...]  # share of the anomalies, at the same thresholds
    precision: tuple[float, ...]  # share of anomalies among all rows, at the same thresholds


@dataclass(frozen=True)
class Tested:
    """What the detector says of rows that it has not seen."""

    rows: int
    flagged: int  # of them
    normal: int  # rows with the label 0; all without labels
    false_alarms: int  # flagged rows among these
    histogram: tuple[int, ...]  # counts of the p-values of the normal rows in 20 equal bins
    ranking: tuple[Ranking, ...] = ()  # by the detector and by baselines; none without rows of both kinds


@dataclass(frozen=True)
class DetectorMetrics:
    """Metrics of a finished detector."""

    trained_rows: int  # that the detector learned from
    score_by: str  # the score that was chosen
    smallest_rate: float  # the smallest false-alarm rate that the calibration rows can promise
    tested: Tested  # on held-out rows
    unusual: tuple[Row, ...]  # the most unusual of these
    bounds: tuple[Bound, ...]  # of numeric columns
    looks: Looks | None = None  # what the most unusual rows look like, where they can be drawn
    warnings: tuple[str, ...] = ()  # sentences on what collapsed or cannot be promised
    collapsed: bool = False  # true where all rows have about the same reconstruction


def measured(
    detector: "ContractiveOutlierDetector",
    preparation: Preparation,
    trained: np.ndarray,
    x: np.ndarray,
    anomalies: np.ndarray | None,
    places: Mapping[str, np.ndarray],
    warnings: tuple[str, ...] = (),
) -> DetectorMetrics:
    """Measure the detector on prepared rows that were held out; the most unusual of them come with their reasons.

    `places` says what tells these rows apart, as in `Split`.
    """
    scores = -detector.score_samples(x)
    p_values = detector.p_values_of(scores)
    flagged = scores > detector.flagging_limit(scores)
    normal = np.ones(len(x), bool) if anomalies is None else ~anomalies
    counts, _ = np.histogram(p_values[normal], bins=_BINS, range=(0, 1))
    ranking = () if anomalies is None else _ranking(trained, x, anomalies, scores)
    false_alarms = int(flagged[normal].sum())
    tested = Tested(len(x), int(flagged.sum()), int(normal.sum()), false_alarms, tuple(map(int, counts)), ranking)
    places = places or {"row": np.arange(len(x))}
    most, columns = most_unusual(scores, places, preparation, _SHOWN_ROWS), preparation.place_columns
    why = reasons(detector, preparation, x[most])
    unusual = tuple(
        Row(
            number,
            float(scores[number]),
            float(p_values[number]),
            bool(flagged[number]),
            None if anomalies is None else bool(anomalies[number]),
            found,
            place_text(places, columns, number),
        )
        for number, found in zip(most, why, strict=True)
    )
    look = looks(detector, preparation, x[most], [first[0].column if first else "" for first in why])
    rate, bounds = detector.smallest_false_alarm_rate_, _bounds(detector, preparation)
    return DetectorMetrics(len(trained), detector.score_by_, rate, tested, unusual, bounds, look, warnings)


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


def _ranking(trained: np.ndarray, x: np.ndarray, anomalies: np.ndarray, scores: np.ndarray) -> tuple[Ranking, ...]:
    """Return how well the detector and baselines order rows; nothing without both kinds of rows."""
    from sklearn.ensemble import IsolationForest
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import StandardScaler

    if not 0 < anomalies.sum() < len(x):
        return ()
    scaler = StandardScaler().fit(trained)
    search = NearestNeighbors(n_neighbors=min(5, len(trained))).fit(scaler.transform(trained))
    near = search.kneighbors(scaler.transform(x))[0].mean(1)
    forest = -IsolationForest(random_state=0).fit(trained).score_samples(x)
    named = {"detector": scores, "5 neighbours": near, "isolation forest": forest}
    return tuple(_ranked(name, anomalies, values) for name, values in named.items())


def _ranked(name: str, anomalies: np.ndarray, scores: np.ndarray) -> Ranking:
    from sklearn.metrics import average_precision_score, roc_auc_score

    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=np.nan))  # the last of equal scores
    caught, above = np.cumsum(anomalies[order])[ends], ends + 1
    shown = np.unique(np.linspace(0, len(ends) - 1, _CURVE_POINTS).round().astype(int))
    false_alarms, found, precision = (
        tuple(map(float, curve[shown]))
        for curve in ((above - caught) / (~anomalies).sum(), caught / anomalies.sum(), caught / above)
    )
    area, average = roc_auc_score(anomalies, scores), average_precision_score(anomalies, scores)
    return Ranking(name, float(area), float(average), false_alarms, found, precision)


def _reason(preparation: Preparation, row: np.ndarray, columns: range, change: "Change") -> Reason:
    rows = np.stack([row, row, row]).astype(np.float64)
    rows[1, columns], rows[2, columns] = change.usual, change.repaired
    values = preparation.inverse(rows)
    three = values[change.feature] if isinstance(values, dict) else values[:, columns.start]
    observed, usual, repaired = map(_text, three)
    if _may_be_missing(preparation, row, columns):
        observed += " (or missing)"
    return Reason(change.feature, observed, usual, repaired, change.fall)


def _may_be_missing(preparation: Preparation, row: np.ndarray, columns: range) -> bool:
    """Whether a number of a prepared row is the one that is put where a value is missing."""
    if preparation.fill is None or preparation.spectra or len(columns) > 1:
        return False
    raw = row * preparation.scale + preparation.offset
    return bool(np.isclose(raw[columns.start], preparation.fill[columns.start], rtol=1e-6, atol=0))


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):  # of a window
        return " to ".join(dict.fromkeys(_text(each) for each in (value.min(), value.max())))
    return f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)


def _bounds(detector: "ContractiveOutlierDetector", preparation: Preparation) -> tuple[Bound, ...]:
    """Return the bounds of numeric columns in the user's units; none for a network without, or after `spectra`."""
    if preparation.spectra:  # bounds are of what the steps make of a row
        return ()
    try:
        bounds = detector.guaranteed_bounds()
    except InvalidValue:
        return ()
    offset, scale = (np.broadcast_to(each, preparation.features) for each in (preparation.offset, preparation.scale))
    raw = bounds * scale[:, None] + offset[:, None]
    numeric = [group for group in preparation.groups if group.kind == "number"]
    finite = [group for group in numeric if np.isfinite(raw[group.start]).all()]
    return tuple(Bound(group.name, *map(float, raw[group.start])) for group in finite)
