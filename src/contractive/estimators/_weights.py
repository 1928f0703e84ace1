"""What `sample_weight` means: rows without weight are left out, the others count by their share."""

from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight


def rows_that_count(x: np.ndarray, sample_weight: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """The rows of x with a weight above 0, and their weights; None where all count alike.

    Raises:
        ValueError: Weights of another shape, below 0, not finite, or above 0 for fewer than 2 rows.
    """
    if sample_weight is None:
        return x, None
    weights: np.ndarray = _check_sample_weight(sample_weight, x, dtype=np.float64)
    if weights.min() < 0:
        raise ValueError(f"sample_weight must be at least 0, got {weights.min():.4g}. 0 leaves a row out.")
    counts = weights > 0
    if counts.sum() < 2:
        raise ValueError(f"sample_weight must be above 0 for at least 2 rows, got {counts.sum()}. Weigh more rows.")
    x, weights = x[counts], weights[counts]
    return (x, None) if np.all(weights == weights[0]) else (x, weights)
