"""Why a row is strange: the features whose repair makes it usual, and the values that do."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from contractive.core.errors import InvalidValue, check_at_least
from contractive.estimators._scaling import Scaling
from contractive.estimators._surprise import Ranks

_QUANTILES, _NEIGHBOURS = 15, 5
_MOST_TRIED = 64  # features per row
_FARTHEST = 1e4  # scaled distance in one feature, in the search for near rows
_MOST_NUMBERS = 2**22  # of training rows that are searched for neighbours
_USUAL = 0.5  # p-value from which a row needs no more repair
_SCORED_AT_ONCE = 4096  # rows that are tried, whichever rows they explain
Value = float | tuple[float, ...]


@dataclass(frozen=True)
class Change:
    """One feature set to the value that makes its row most usual.

    Attributes:
        feature: Its name; x0, x1, ... in a table without names.
        observed: What the row has, in the table's unit; a tuple for a group of columns.
        usual: The median of the training rows, of a feature with few values the most frequent one.
        repaired: The value that makes the row most usual.
        fall: How far the evidence falls, with the repaired value: the mean of -log p over the parts of the score, and
            half of that of the residual.
        p_value: Of the row afterwards.
    """

    feature: str
    observed: Value
    usual: Value
    repaired: Value
    fall: float
    p_value: float


@dataclass(frozen=True)
class Explanation:
    """Why a row has its score.

    Attributes:
        score: Higher for stranger rows: the negative of `score_samples`.
        p_value: As `p_values` gives it.
        ranking: The features, each changed alone, by the fall of the evidence.
        repairs: Features changed one after the other, each to the best value after those before.
    """

    score: float
    p_value: float
    ranking: tuple[Change, ...]
    repairs: tuple[Change, ...]


@dataclass(frozen=True, eq=False)  # each is itself: names need not differ, and arrays have no one answer
class Feature:
    """Columns that count as one, and the values that occur there.

    Attributes:
        name: Of the feature.
        columns: Column numbers.
        common: Values to try in every row, (values, columns): quantiles, or the most frequent ones first.
        is_coded: True where only values that occur make sense, not means of them.
    """

    name: str
    columns: np.ndarray
    common: np.ndarray
    is_coded: bool

    @property
    def usual(self) -> np.ndarray:
        """The median, or the most frequent value, (columns,)."""
        return self.common[0 if self.is_coded else len(self.common) // 2]


T = TypeVar("T")
# asks for score and evidence, (rows, 2), of raw rows (rows, features) again and again, and returns what it found
Search = Generator[np.ndarray, np.ndarray, T]


class Explainer:
    """Tries other values in a row and scores what results.

    Args:
        judge: Score and evidence of raw rows, both (rows,) and higher for stranger ones.
        errors: Squared scaled error of each feature of raw rows.
        rows: Raw training rows, (rows, features).
        scaling: In whose units rows are near.
        names: Of the columns.
        groups: Column numbers that count as one feature, with names where it is a mapping.

    Raises:
        InvalidValue: Groups that are not disjoint columns of the rows.
    """

    def __init__(
        self,
        judge: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
        errors: Callable[[np.ndarray], np.ndarray],
        rows: np.ndarray,
        scaling: Scaling,
        names: Sequence[str] | None,
        groups: Any,
    ) -> None:
        self._judge, self._errors, self._scaling = judge, errors, scaling
        few = rows[:: -(-rows.size // _MOST_NUMBERS)]
        self._rows, self._scaled = few, scaling.apply(few)
        self._features = _features(few, names, groups)

    def explain(self, rows: np.ndarray, ranks: Ranks, num_repairs: int) -> list[Explanation]:
        """Explain each of these raw rows, (rows, features).

        Raises:
            InvalidValue: `num_repairs` below 1.
        """
        check_at_least("num_repairs", num_repairs, 1)
        tried = (_QUANTILES + _NEIGHBOURS + 1) * min(len(self._features), _MOST_TRIED)
        count = max(1, _SCORED_AT_ONCE // tried)
        found: list[Explanation] = []
        for start in range(0, len(rows), count):
            found += self._together([self._explained(row, ranks, num_repairs) for row in rows[start : start + count]])
        return found

    def _together(self, searches: Sequence[Search[Explanation]]) -> list[Explanation]:
        """Run all searches, each of whose steps is scored with those of the others."""
        found: dict[int, Explanation] = {}
        asked = {i: next(search) for i, search in enumerate(searches)}
        while asked:
            judged = np.stack(self._judge(np.concatenate([*asked.values()])), axis=1)
            parts = np.split(judged, np.cumsum([len(rows) for rows in asked.values()])[:-1])
            following = {}
            for i, part in zip(asked, parts, strict=True):
                try:
                    following[i] = searches[i].send(part)
                except StopIteration as end:
                    found[i] = end.value
            asked = following
        return [found[i] for i in range(len(searches))]

    def _explained(self, row: np.ndarray, ranks: Ranks, num_repairs: int) -> Search[Explanation]:
        score, before = map(float, (yield row[None])[0])
        found = yield from self._changes(row, before, ranks, self._features)
        ranking = tuple(change for _, change in found)
        repairs, repaired, left = [], row.copy(), [*self._features]
        while found and found[0][1].fall > 0:
            feature, best = found[0]
            left.remove(feature)
            repairs.append(best)
            repaired[feature.columns] = best.repaired
            if len(repairs) == num_repairs or best.p_value >= _USUAL:
                break
            before -= best.fall
            found = yield from self._changes(repaired, before, ranks, left)
        return Explanation(score, float(ranks.p_values(np.array([score]))[0]), ranking, tuple(repairs))

    def _changes(
        self, row: np.ndarray, before: float, ranks: Ranks, features: list[Feature]
    ) -> Search[list[tuple[Feature, Change]]]:
        """Return each feature with its best value, by the fall of the evidence."""
        if not features:
            return []
        if len(features) > _MOST_TRIED:
            error = self._errors(row[None])[0]
            worst = sorted(features, key=lambda feature: -error[feature.columns].sum())[:_MOST_TRIED]
            features = [feature for feature in features if feature in worst]
        # further off, the other features would be lost in rounding when a feature is taken off the sum
        squares = np.square(np.clip(self._scaled - self._scaling.apply(row[None]), -_FARTHEST, _FARTHEST))
        lengths = squares.sum(1)
        tried = [self._values(feature, squares, lengths) for feature in features]
        changed = np.repeat(row[None], sum(map(len, tried)), axis=0)
        ends = np.cumsum([0, *map(len, tried)])
        for feature, values, start, end in zip(features, tried, ends[:-1], ends[1:], strict=True):
            changed[start:end, feature.columns] = values
        scores, evidence = (yield changed).T
        found = []
        for feature, values, start, end in zip(features, tried, ends[:-1], ends[1:], strict=True):
            best = int(evidence[start:end].argmin())
            fall, p_value = before - evidence[start + best], ranks.p_values(scores[start + best : start + best + 1])[0]
            observed, usual, repaired = (_plain(value) for value in (row[feature.columns], feature.usual, values[best]))
            change = Change(feature.name, observed, usual, repaired, float(max(fall, 0.0)), float(p_value))
            found.append((feature, change))
        return sorted(found, key=lambda pair: -pair[1].fall)

    def _values(self, feature: Feature, squares: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return the values to try: common ones, and those of the training rows nearest in the other features."""
        others = lengths - squares[:, feature.columns].sum(1)
        count = min(_NEIGHBOURS, len(others))
        near = self._rows[np.argpartition(others, count - 1)[:count]][:, feature.columns]
        return np.concatenate([feature.common, near, near[:0] if feature.is_coded else near.mean(0, keepdims=True)])


def _plain(values: np.ndarray) -> Value:
    return float(values[0]) if len(values) == 1 else tuple(map(float, values))


def _features(rows: np.ndarray, names: Sequence[str] | None, groups: Any) -> list[Feature]:
    width = rows.shape[1]
    named = [*names] if names else [f"x{column}" for column in range(width)]
    given: dict[str, list[int]] = {}
    found: Any = groups if isinstance(groups, Mapping) else dict(enumerate(groups or ()))
    for name, columns in found.items():
        numbers = [*columns]
        joined = " + ".join(str(named[i]) for i in numbers if i in range(width))
        given[name if isinstance(name, str) else joined] = numbers
    taken = [column for columns in given.values() for column in columns]
    if len({*taken}) < len(taken) or not {*taken} <= {*range(width)} or not all(given.values()):
        rule = f"be disjoint lists of column numbers from 0 to {width - 1}"
        raise InvalidValue("groups", rule, groups, "Leave columns that stand alone out.")
    whole = {columns[0]: (name, columns) for name, columns in given.items()}
    alone = {column: (named[column], [column]) for column in range(width) if column not in taken}
    return [_feature(rows, *whole.get(i, alone.get(i, ("", [])))) for i in range(width) if i in whole or i in alone]


def _feature(rows: np.ndarray, name: str, columns: list[int]) -> Feature:
    values, counts = np.unique(rows[:, columns], axis=0, return_counts=True)
    if len(columns) == 1 and len(values) > _QUANTILES:
        places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
        values = np.quantile(rows[:, columns], places, axis=0, method="nearest")
        return Feature(name, np.array(columns), values, is_coded=False)
    return Feature(name, np.array(columns), values[np.argsort(-counts, kind="stable")[:_QUANTILES]], is_coded=True)
