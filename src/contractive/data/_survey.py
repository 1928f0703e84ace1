"""What a pass over the numbers of a source finds: ranges, gaps, values that cannot be used."""

from collections.abc import Iterable, Sequence

import numpy as np

from contractive.data._errors import DataError, listed

LARGEST = 1e30  # its square is still a float64, and float32 holds it


class Survey:
    """Ranges and counts per feature over blocks of float64 numbers, NaN where a value is missing.

    Attributes:
        rows: Seen.
        missing: Missing values per feature.
        unusable: Infinite and too large values per feature.
        low: Least value per feature (NaN before any).
        high: Greatest.
        whole: Whether all values are whole numbers.
    """

    def __init__(self, features: int):
        self.rows = 0
        self.missing, self.unusable = np.zeros(features, np.int64), np.zeros(features, np.int64)
        self.low, self.high = np.full(features, np.nan), np.full(features, np.nan)
        self.whole = True

    def add(self, block: np.ndarray) -> None:
        """Take one block of rows into account."""
        if not len(block):
            return
        self.rows += len(block)
        self.missing += np.isnan(block).sum(0)
        self.unusable += (np.abs(block) > LARGEST).sum(0)
        self.low = np.fmin(self.low, np.fmin.reduce(block, axis=0))
        self.high = np.fmax(self.high, np.fmax.reduce(block, axis=0))
        self.whole = self.whole and bool(((block == np.floor(block)) | np.isnan(block)).all())

    @property
    def within_unit(self) -> bool:
        """Whether all values lie in [0, 1]."""
        return bool((self.low >= 0).all() and (self.high <= 1).all())

    @property
    def constant(self) -> np.ndarray:
        """Which features have one value only."""
        return (self.low == self.high) | np.isnan(self.low)


def survey(blocks: Iterable[np.ndarray], features: int) -> Survey:
    """Look at all blocks."""
    seen = Survey(features)
    for block in blocks:
        seen.add(block)
    return seen


def check_usable(seen: Survey, names: Sequence[str], groups: Sequence[int], what: str) -> None:
    """Refuse infinite and huge values, with their count and column.

    Args:
        seen: What a survey found.
        names: Of the columns.
        groups: First feature of each column.
        what: "column" or "feature".

    Raises:
        DataError: There are such values.
    """
    counts = seen.unusable[list(groups)]
    if counts.any():
        where = _counted(names, counts)
        remedy = " Mend them" + (", or leave the columns out with --drop." if what == "column" else ".")
        raise DataError(f"values must be finite and at most {LARGEST:.0e}, got others in {what} {where}.{remedy}")


def check_missing(seen: Survey, names: Sequence[str], groups: Sequence[int], what: str, remedy: str) -> None:
    """Refuse missing values, with their count and column.

    Raises:
        DataError: There are missing values.
    """
    counts = seen.missing[list(groups)]
    if counts.any():
        raise DataError(f"values must not be missing, got missing ones in {what} {_counted(names, counts)}. {remedy}")


def _counted(names: Sequence[str], counts: np.ndarray) -> str:
    return listed(f"{names[i]} ({counts[i]})" for i in np.flatnonzero(counts).tolist())
