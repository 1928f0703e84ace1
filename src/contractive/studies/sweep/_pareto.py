"""Trade-offs: trials that no other beats in every objective, and the one with the best compromise."""

import numpy as np

_TINY = 1e-300
_EVEN = 1e-9


def pareto_front(values: np.ndarray) -> np.ndarray:
    """Which rows no other row dominates, as booleans: none is at least as small in all columns and smaller in one.

    Args:
        values: (points, objectives), all to be minimised, finite. Equal points stand or fall together.
    """
    values = np.asarray(values, dtype=np.float64)
    no_larger = (values[:, None] <= values[None]).all(2)  # (points, points): row against column
    smaller = (values[:, None] < values[None]).any(2)
    return np.logical_not(np.any(no_larger & smaller, axis=0))


def knee(values: np.ndarray) -> int:
    """The knee of a front: the row farthest below the chord between the extremes, on logarithmic scales.

    Logarithms of every column are scaled to run from 0 to 1 over the front. With two objectives the chord joins (0, 1)
    and (1, 0), and the distance of a point below it is (1 - z_1 - z_2) / sqrt(2); so the knee has the smallest sum
    z_1 + z_2, and with more objectives the smallest sum of all. Where several are even, as the two ends of a front of
    two points always are, the smallest product of the objectives decides: 50 % less of the one is worth 20 % more of
    the other, and not the reverse. After that, the first column and then the order do.

    Source: Das (1999), On characterizing the "knee" of the Pareto curve, for the distance to the chord.

    Args:
        values: (points, objectives) of a front, all to be minimised, at least 0.

    Raises:
        ValueError: No point.
    """
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        raise ValueError("front must have at least one point, got none. Was every trial pruned?")
    logs = np.log(np.maximum(values, _TINY))
    extent = np.ptp(logs, axis=0)
    scaled = (logs - logs.min(0)) / np.where(extent > 0, extent, 1)
    sums, products = scaled.sum(1), logs.sum(1)
    even = np.flatnonzero(sums <= sums.min() + _EVEN)
    return int(min(even, key=lambda at: (round(float(products[at]), 9), logs[at, 0], at)))
