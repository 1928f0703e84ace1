"""Training rows that stay on disk, of .npy and .parquet files."""

from bisect import bisect_right
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from contractive.data._errors import DataError
from contractive.data._npy import Header, read_npy_rows
from contractive.data._preparation import Preparation, rows_at_once
from contractive.data._tables import damage_told


class _Held:
    """Between positions among the training rows and rows of the source, given the sorted rows held out."""

    def __init__(self, num_rows: int, held: np.ndarray):
        self.held = held
        self.num_train = num_rows - len(held)
        self._before = held - np.arange(len(held))  # training rows before each row held out

    def span(self, rows: slice) -> tuple[int, int]:
        """First row of the source and the one after the last, for a slice of training rows."""
        start, stop, step = rows.indices(self.num_train)
        if step != 1:
            raise ValueError(f"rows must be read in steps of 1, got a slice with step {step}. Pick from the block.")
        return (self._source(start), self._source(stop - 1) + 1) if stop > start else (0, 0)

    def kept(self, start: int, stop: int) -> np.ndarray:
        """Which rows of the source from `start` to `stop` are training rows."""
        inside = self.held[np.searchsorted(self.held, start) : np.searchsorted(self.held, stop)]
        mask = np.ones(stop - start, bool)
        mask[inside - start] = False
        return mask

    def _source(self, position: int) -> int:
        return position + int(np.searchsorted(self._before, position, side="right"))


class NpyRows:
    """Training rows of an .npy file, read when asked for.

    Args:
        path: Of the file.
        header: Of the file.
        preparation: Fitted on these rows.
        held: Sorted rows held out for validation and testing.
    """

    def __init__(self, path: Path, header: Header, preparation: Preparation, held: np.ndarray):
        self._path, self._header, self._preparation = path, header, preparation
        self._held = _Held(header.shape[0], held)
        self.block = rows_at_once(preparation.features)

    @property
    def shape(self) -> tuple[int, int]:
        """(training rows, features)."""
        return len(self), self._preparation.features

    def __len__(self) -> int:
        return self._held.num_train

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop = self._held.span(rows)
        raw = read_npy_rows(self._path, self._header, start, stop)
        return self._preparation.transform(raw[self._held.kept(start, stop)])


class ParquetRows:
    """Training rows of a .parquet file, read in row groups; the group last read is kept.

    Args:
        path: Of the file.
        preparation: Fitted on these rows.
        held: Sorted rows held out for validation and testing.
    """

    def __init__(self, path: Path, preparation: Preparation, held: np.ndarray):
        self._path, self._preparation = path, preparation
        sizes = group_sizes(path)
        self._starts = np.cumsum([0, *sizes]).tolist()
        self._held = _Held(self._starts[-1], held)
        self._last: tuple[int, np.ndarray] = (-1, np.empty((0, preparation.features), np.float32))
        self.block = max(1, int(np.median(sizes)))

    @property
    def shape(self) -> tuple[int, int]:
        """(training rows, features)."""
        return len(self), self._preparation.features

    def __len__(self) -> int:
        return self._held.num_train

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop = self._held.span(rows)
        if stop == start:
            return np.empty((0, self._preparation.features), np.float32)
        found = []
        group = bisect_right(self._starts, start) - 1
        while group < len(self._starts) - 1 and self._starts[group] < stop:
            first, last = max(start, self._starts[group]), min(stop, self._starts[group + 1])
            x = self._group(group)[first - self._starts[group] : last - self._starts[group]]
            found.append(x[self._held.kept(first, last)])
            group += 1
        return np.concatenate(found)

    def _group(self, group: int) -> np.ndarray:
        if self._last[0] != group:
            names = [column.name for column in self._preparation.columns]
            with damage_told(self._path, OSError):
                with pq.ParquetFile(self._path) as file:
                    table = file.read_row_group(group, columns=names, use_threads=False)
            expected = self._starts[group + 1] - self._starts[group]
            if len(table) != expected:
                raise DataError(
                    f"row group {group} of {self._path} must have the {expected} rows it says, got {len(table)}."
                    " The file is damaged, or was changed meanwhile: write or copy it again."
                )
            with damage_told(self._path):
                self._last = group, self._preparation.transform(table)
        return self._last[1]

    def __getstate__(self) -> dict[str, Any]:
        empty = np.empty((0, self._preparation.features), np.float32)
        return {**self.__dict__, "_last": (-1, empty)}  # a worker reads for itself


def group_sizes(path: Path) -> list[int]:
    """Rows of each row group of a .parquet file."""
    with pq.ParquetFile(path) as file:
        return [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
