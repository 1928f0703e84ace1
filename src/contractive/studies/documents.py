"""Results as documents that JSON can hold."""

import math
from typing import Any

import numpy as np


class ResultsError(ValueError):
    """A results folder that cannot be read, and what to do about it."""


def plain(value: Any) -> Any:
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
