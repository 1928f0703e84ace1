"""One offset and one scale per feature, learned from the training rows by scikit-learn's scalers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

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

    def invert(self, z: np.ndarray) -> np.ndarray:
        """Rows in the user's units again, float64."""
        x = z * self.scale
        x += self.offset
        return x


def learn(kind: str | None, x: np.ndarray) -> Scaling:
    """The scaling of this kind for the rows x (rows, features); a constant feature keeps the scale 1."""
    if kind == "standard":
        standard = StandardScaler().fit(np.asarray(x, np.float64))
        return Scaling(_array(standard.mean_), _array(standard.scale_))
    if kind == "common":
        standard = StandardScaler().fit(np.asarray(x, np.float64))
        deviation = np.sqrt(_array(standard.var_).mean())
        return Scaling(_array(standard.mean_), np.full(x.shape[1], deviation if deviation > 0 else 1.0))
    if kind == "robust":
        robust = RobustScaler().fit(np.asarray(x, np.float64))
        return Scaling(_array(robust.center_), _array(robust.scale_))
    if kind == "minmax":
        minmax = MinMaxScaler().fit(np.asarray(x, np.float64))
        return Scaling(_array(minmax.data_min_), 1 / _array(minmax.scale_))
    return Scaling(np.zeros(x.shape[1]), np.ones(x.shape[1]))


def _array(values: Any) -> np.ndarray:
    return np.asarray(values, np.float64)
