"""One offset and one scale per feature, learned from the training rows by scikit-learn's scalers."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from sklearn.utils import gen_batches
from sklearn.utils.validation import _check_sample_weight

from contractive.core.columns import is_signal
from contractive.core.errors import InvalidValue

Scale = Literal["auto", "standard", "log", "common", "robust", "minmax", "none"]
_ROWS_AT_ONCE = 4096  # large tables in blocks: temporary arrays that stay in the cache and are not paged in anew


@dataclass(frozen=True)
class Scaling:
    """(x - offset) / scale, feature by feature, in double precision.

    Attributes:
        offset: (features,).
        scale: (features,), above 0.
        logarithmic: True if sign(z) log(1 + |z|) follows: what lies far out is brought nearer, in order.
    """

    offset: np.ndarray
    scale: np.ndarray
    logarithmic: bool = False

    def apply(self, x: np.ndarray) -> np.ndarray:
        """Return rows in the units the network works in, float64."""
        z = x - self.offset
        z /= self.scale
        return np.copysign(np.log1p(np.abs(z)), z) if self.logarithmic else z

    def single(self, x: np.ndarray) -> np.ndarray:
        """Return the same in single precision, as the network is trained on: computed in double and rounded."""
        z = np.empty(x.shape, np.float32)
        for rows in gen_batches(len(x), _ROWS_AT_ONCE):
            z[rows] = self.apply(x[rows])
        return z

    def mean(self, x: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Mean of the scaled rows, (features,); that of raw rows, scaled, would have the rounding of large numbers."""
        weights = np.ones(len(x)) if weights is None else weights
        sums = (weights[rows] @ self.apply(x[rows]) for rows in gen_batches(len(x), _ROWS_AT_ONCE))
        return np.sum([*sums], axis=0) / weights.sum()

    def invert(self, z: np.ndarray) -> np.ndarray:
        """Return rows in the user's units again, float64."""
        x = np.copysign(np.expm1(np.abs(z)), z) if self.logarithmic else z
        x = x * self.scale
        x += self.offset
        return x


def learn(name: str | None, x: np.ndarray, weights: np.ndarray | None = None) -> Scaling:
    """Learn the scaling of this name for the rows x (rows, features); a constant feature is 0 and keeps its unit."""
    x = np.asarray(x, np.float64)
    if name == "auto":
        name = "common" if is_signal(x) else "standard"
    if name in (None, "none"):
        return Scaling(np.zeros(x.shape[1]), np.ones(x.shape[1]))
    if name == "minmax":
        minmax: Any = MinMaxScaler().fit(x)
        offset, scale = minmax.data_min_, 1 / minmax.scale_
    elif name == "robust" and weights is not None:
        low, offset, high = (np.array([quantile(column, q, weights) for column in x.T]) for q in (0.25, 0.5, 0.75))
        scale = np.where(high > low, high - low, 1.0)
    elif name == "robust":
        robust: Any = RobustScaler().fit(x)
        offset, scale = robust.center_, robust.scale_
    else:
        standard: Any = StandardScaler()
        for rows in gen_batches(len(x), _ROWS_AT_ONCE):
            standard.partial_fit(x[rows], sample_weight=None if weights is None else weights[rows])
        offset, scale = standard.mean_, standard.scale_
        if name == "common":
            scale = np.full(x.shape[1], np.sqrt(standard.var_.mean()) or 1.0)
    # the mean of a large number, such as a time in nanoseconds, is not that number
    return Scaling(np.where(x.min(0) == x.max(0), x[0], offset), np.asarray(scale, np.float64), name == "log")


def fills(x: np.ndarray, how: Literal["mean", "median"] | None) -> np.ndarray | None:
    """Return what stands for a missing value of each feature, (features,); None where none may be missing."""
    if how is None:
        return None
    missing = np.isnan(x).all(0)
    if missing.any():
        where = ", ".join(map(str, np.flatnonzero(missing)[:5]))
        raise InvalidValue("X", "have a value in each column", f"none in {where}", "Leave these columns out.")
    return np.nanmedian(x, axis=0) if how == "median" else np.nanmean(x, axis=0)


def quantile(values: np.ndarray, q: float, weights: np.ndarray | None = None) -> float:
    """Return the q quantile of values (rows,), between neighbours by a straight line as numpy's default.

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


def rows_that_count(x: np.ndarray, sample_weight: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the rows of x with a weight above 0, and their weights; None where all count alike."""
    if sample_weight is None:
        return x, None
    weights: np.ndarray = _check_sample_weight(sample_weight, x, dtype=np.float64)
    if weights.min() < 0:
        raise InvalidValue("sample_weight", "be at least 0", f"{weights.min():.4g}", "0 leaves a row out.")
    counts = weights > 0
    if counts.sum() < 2:
        raise InvalidValue("sample_weight", "be above 0 for at least 2 rows", counts.sum(), "Weigh more rows.")
    x, weights = x[counts], weights[counts]
    return (x, None) if np.all(weights == weights[0]) else (x, weights)
