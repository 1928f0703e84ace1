"""Ranges, gaps and unusable values of the numbers of a source, found in a pass over its blocks."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from contractive.core.errors import LARGEST_NUMBER
from contractive.data._errors import DataError, join_names


class Group(NamedTuple):
    """The features that belong together: those of one column of a table, or a single feature of an array."""

    name: str
    start: int
    num: int
    kind: str


class Survey:
    """Ranges and counts per feature over blocks of float64 numbers, NaN where a value is missing."""

    def __init__(self, features: int):
        self.rows = 0
        self.missing = np.zeros(features, np.int64)
        self.unusable = np.zeros(features, np.int64)  # infinite or too large
        self.low, self.high = np.full(features, np.nan), np.full(features, np.nan)  # NaN before any row

    def add(self, block: np.ndarray) -> None:
        """Take one block of rows into account."""
        if not len(block):
            return
        self.rows += len(block)
        self.missing += np.isnan(block).sum(0)
        self.unusable += (np.abs(block) > LARGEST_NUMBER).sum(0)
        self.low = np.fmin(self.low, np.fmin.reduce(block, axis=0))
        self.high = np.fmax(self.high, np.fmax.reduce(block, axis=0))

    def only(self, kept: np.ndarray) -> "Survey":
        """Return the survey of some of the features, given by a mask."""
        found = Survey(int(kept.sum()))
        found.rows = self.rows
        for name in ("missing", "unusable", "low", "high"):
            setattr(found, name, getattr(self, name)[kept])
        return found

    @property
    def within_unit(self) -> bool:
        """All values lie in [0, 1]."""
        return bool((self.low >= 0).all() and (self.high <= 1).all())

    @property
    def constant(self) -> np.ndarray:
        """Features that have one value only, as a mask."""
        return (self.low == self.high) | np.isnan(self.low)

    def check_usable(self, groups: Sequence[Group], what: str) -> None:
        """Refuse infinite and huge values, with their count and column."""
        if where := _counted(self.unusable, groups):
            remedy = ", or leave the columns out with `drop`" if what == "column" else ""
            raise DataError(
                f"values must be finite and at most {LARGEST_NUMBER:.0e}, got others in {what} {where}."
                f" Remove or replace these values{remedy}."
            )

    def check_missing(self, groups: Sequence[Group], what: str, remedy: str) -> None:
        """Refuse missing values, with their count and column."""
        if where := _counted(self.missing, groups):
            raise DataError(f"values must not be missing, got missing ones in {what} {where}. {remedy}")


def _counted(counts: np.ndarray, groups: Sequence[Group]) -> str:
    """Return the names of the groups with such values, each with their number in its first feature."""
    found = counts[[group.start for group in groups]]
    return join_names(f"{groups[i].name} ({found[i]})" for i in np.flatnonzero(found).tolist())
