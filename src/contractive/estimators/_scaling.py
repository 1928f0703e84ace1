"""One offset and one scale per feature, learned from the training rows by scikit-learn's scalers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from sklearn.utils import gen_batches

_ROWS_AT_ONCE = 4096  # large tables in parts: temporary arrays that stay in the cache and are not paged in anew
SCALES = ("standard", "common", "robust", "minmax", "none")


@dataclass(frozen=True)
class Scaling:
    """(x - offset) / scale, feature by feature, in double precision.

    Attributes:
        offset: (features,).
        scale: (features,), above 0.
    """

    offset: np.ndarray
    scale: np.ndarray

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Rows in the units the network works in, float64."""
        z = x - self.offset
        z /= self.scale
        return z

    def single(self, x: np.ndarray) -> np.ndarray:
        """The same in single precision, as the network is trained on: computed in double and rounded."""
        z = np.empty(x.shape, np.float32)
        for rows in gen_batches(len(x), _ROWS_AT_ONCE):
            z[rows] = self.apply(x[rows])
        return z

    def mean(self, x: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Mean of the scaled rows, (features,); that of raw rows, scaled, would have the rounding of large numbers."""
        weights = np.ones(len(x)) if weights is None else weights
        parts = (weights[rows] @ self.apply(x[rows]) for rows in gen_batches(len(x), _ROWS_AT_ONCE))
        return np.sum([*parts], axis=0) / weights.sum()

    def invert(self, z: np.ndarray) -> np.ndarray:
        """Rows in the user's units again, float64."""
        x = z * self.scale
        x += self.offset
        return x


def learn(kind: str | None, x: np.ndarray, weights: np.ndarray | None = None) -> Scaling:
    """The scaling of this kind for the rows x (rows, features); a constant feature is 0 and keeps the unit it has."""
    x = np.asarray(x, np.float64)
    learned = _learned(kind, x, weights)
    if kind in (None, "none"):
        return learned
    # the mean of a large number, such as a time in nanoseconds, is not that number
    return Scaling(np.where(x.min(0) == x.max(0), x[0], learned.offset), learned.scale)


def _learned(kind: str | None, x: np.ndarray, weights: np.ndarray | None) -> Scaling:
    if kind in ("standard", "common"):
        standard = StandardScaler()
        for rows in gen_batches(len(x), _ROWS_AT_ONCE):
            standard.partial_fit(x[rows], sample_weight=None if weights is None else weights[rows])
        if kind == "standard":
            return Scaling(_array(standard.mean_), _array(standard.scale_))
        deviation = np.sqrt(_array(standard.var_).mean())
        return Scaling(_array(standard.mean_), np.full(x.shape[1], deviation if deviation > 0 else 1.0))
    if kind == "robust" and weights is not None:
        low, middle, high = (np.array([quantile(column, q, weights) for column in x.T]) for q in (0.25, 0.5, 0.75))
        return Scaling(middle, np.where(high > low, high - low, 1.0))
    if kind == "robust":
        robust = RobustScaler().fit(x)
        return Scaling(_array(robust.center_), _array(robust.scale_))
    if kind == "minmax":
        minmax = MinMaxScaler().fit(x)
        return Scaling(_array(minmax.data_min_), 1 / _array(minmax.scale_))
    return Scaling(np.zeros(x.shape[1]), np.ones(x.shape[1]))


def quantile(values: np.ndarray, q: float, weights: np.ndarray | None = None) -> float:
    """The q quantile of values (rows,), between neighbours by a straight line as numpy's default.

    Weights (rows,) above 0 count from the least one: with 1, 2, 3 it is the quantile of the rows so often repeated.
    """
    if weights is None:
        return float(np.quantile(values, q))
    order = np.argsort(values, kind="stable")
    times = weights[order] / weights.min()
    last = np.cumsum(times)
    first = last - times
    ends = np.stack([first, last - 1], axis=1).ravel()  # a row repeated n times takes n places, from `first` on
    return float(np.interp(q * (last[-1] - 1), ends, np.repeat(values[order], 2)))


def _array(values: Any) -> np.ndarray:
    return np.asarray(values, np.float64)
