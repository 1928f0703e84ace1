"""Whether one model is better than another, from seeds that both were trained with."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np


@dataclass(frozen=True)
class Difference:
    """The mean difference between two models over the seeds, and its confidence interval."""

    mean: float
    low: float  # -inf with one seed, whose spread is unknown
    high: float

    @property
    def is_clear(self) -> bool:
        """True where the interval does not hold zero."""
        return self.low > 0 or self.high < 0


def paired_difference(mine: Sequence[float], other: Sequence[float], *, confidence: float = 0.95) -> Difference:
    """Return mine - other, with Student's interval over the seeds.

    Value i of both is of the same seed: split, order and first weights are the same, and what they change cancels.
    """
    from scipy.stats import t

    differences = np.subtract(np.asarray(mine, float), np.asarray(other, float))
    count, mean = len(differences), float(differences.mean())
    if count < 2:
        return Difference(mean, -inf, inf)
    half = float(t.ppf((1 + confidence) / 2, count - 1) * differences.std(ddof=1) / sqrt(count))
    return Difference(mean, mean - half, mean + half)
