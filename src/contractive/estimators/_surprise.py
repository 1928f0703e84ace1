"""How rare a number is among calibration numbers: by rank, with an order beyond the largest, and as a p-value."""

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.stats import false_discovery_control

_TAIL_SHARE, _TAIL_ROWS = 0.05, 5  # the share of the largest numbers, and the fewest, that the tail is fitted to
_THINNEST = 1e-3  # Pareto index below which log ratios are no longer divided by it


class PromiseWarning(UserWarning):
    """A false-alarm rate that so few calibration rows cannot promise."""


@dataclass(frozen=True)
class Ranks:
    """Calibration numbers in order.

    Attributes:
        values: Distinct, ascending, (distinct,).
        above: Weight of the calibration rows with at least this value, (distinct,).
        index: Mean log excess of the largest numbers over the smallest of them (Hill's estimate).
    """

    values: np.ndarray
    above: np.ndarray
    index: float

    @classmethod
    def of(cls, numbers: np.ndarray, weights: np.ndarray | None = None) -> Self:
        """Rank numbers of at least 0, (rows,); weights count relative to their mean."""
        counted = np.ones(len(numbers)) if weights is None else weights / weights.mean()
        order = np.argsort(numbers, kind="stable")
        found: Any = np.unique(numbers[order], return_index=True)
        values, first = found
        above = np.cumsum(counted[order][::-1])[::-1][first]
        largest = numbers[order][-max(_TAIL_ROWS, int(_TAIL_SHARE * len(numbers))) :]
        index = float(np.log(largest[1:] / largest[0]).mean()) if len(largest) > 1 and largest[0] > 0 else 1.0
        return cls(values, above, max(index, _THINNEST))

    @property
    def rows(self) -> float:
        """Calibration rows, counted by weight."""
        return float(self.above[0])

    @property
    def smallest_rate(self) -> float:
        """The smallest false-alarm rate that so many rows can promise."""
        return 1 / (1 + self.rows)

    def p_values(self, numbers: np.ndarray) -> np.ndarray:
        """Return (1 + calibration rows with at least this number) / (1 + calibration rows), (rows,).

        At most a, with probability at most a, for a row that is exchangeable with the calibration rows (Vovk et al.,
        2005).
        """
        place = np.searchsorted(self.values, numbers, side="left")
        return (1 + np.append(self.above, 0.0)[place]) / (1 + self.rows)

    def limit(self, rate: float) -> float:
        """Return the number above which p-values are at most `rate`; infinite where the rows are too few."""
        # p <= rate for all numbers above v if the rows above v, not counting v itself, are few enough
        beyond = np.append(self.above[1:], 0.0)
        allowed = (1 + beyond) / (1 + self.rows) <= rate * (1 + 1e-12)
        return float(self.values[np.argmax(allowed)]) if allowed.any() else np.inf

    def surprise(self, numbers: np.ndarray) -> np.ndarray:
        """Return -log p, between calibration numbers by a straight line, (rows,).

        Beyond the largest number m all ranks are equal; there it goes on as log(number / m) / index does, the survival
        function of a Pareto tail, so that stranger rows still have higher numbers.
        """
        found = np.interp(numbers, self.values, self.heights)
        most = self.values[-1]
        ratio = np.maximum(numbers, most) / most if most > 0 else 1 + np.maximum(numbers, 0)
        return np.where(numbers > most, self.heights[-1] + np.log(ratio) / self.index, found)

    def inverse(self, surprise: float) -> float:
        """Return the smallest number above which every number has more than this surprise."""
        heights, most = self.heights, self.values[-1]
        if surprise >= heights[-1]:
            ratio = np.exp((surprise - heights[-1]) * self.index)
            return float(most * ratio if most > 0 else ratio - 1)
        return float(np.interp(surprise, heights, self.values))

    @property
    def heights(self) -> np.ndarray:
        """The surprise of each value, (distinct,)."""
        return -np.log((1 + self.above) / (1 + self.rows))


def promised_limit(ranks: Ranks, rate: float) -> float:
    """Return `ranks.limit`, and warn where so few calibration rows cannot promise the rate."""
    limit = ranks.limit(rate)
    if limit == np.inf:
        warnings.warn(
            f"false_alarm_rate={rate} cannot be promised from {ranks.rows:g} calibration rows, and no row will be"
            f" flagged: the smallest rate is {ranks.smallest_rate:.4g}. Give that one, or more rows.",
            PromiseWarning,
            stacklevel=4,
        )
    return limit


def discoveries(p_values: np.ndarray, rate: float) -> np.ndarray:
    """Return which rows to flag so that at most this share of them is normal (Benjamini and Hochberg), (rows,)."""
    return false_discovery_control(p_values) <= rate
