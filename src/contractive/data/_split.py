"""What `load` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from contractive.data._errors import DataError

if TYPE_CHECKING:
    from contractive.data._preparation import Preparation

TRAIN, VALIDATION, TEST = 0, 1, 2


@runtime_checkable
class Rows(Protocol):
    """Training rows that stay on disk: a slice is read and prepared when asked for.

    Rows are counted and sliced among the training rows alone, in the order of the source; a slice has exactly the rows
    of the same slice of an array. Reading is cheapest in whole blocks `rows[i * block : (i + 1) * block]`.

    Attributes:
        shape: (rows, features).
        block: Rows that are natural to read at once.
    """

    @property
    def shape(self) -> tuple[int, int]: ...
    @property
    def block(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Split:
    """Training, validation and test rows in [0, 1] or scaled, float32, with labels where they exist.

    Attributes:
        name: Of the data set.
        train: (examples, features); an array, or `Rows` on disk where the source was streamed.
        validation: (examples, features), always an array.
        test: Likewise.
        labels: The three label arrays in the same order, or None. Whole numbers as int64, others as float64, text as
            text.
        image: (height, width) where a row is a grey image, else None.
        image_shape: (channels, height, width) where a row is an image, its channels one after another; else None.
        preparation: What turned the source into these numbers, and turns them back.
        parts: Of each row of the source 0 (train), 1 (validation) or 2 (test); None for sets with a split of their own.
            Rows of a test file of its own are not among them. In own files the rows of a part keep their order; those
            of `digits` are shuffled.
        checksum: SHA-256 of what was read, as hexadecimal digits.
        columns: Names of the features.
        notes: Sentences on what was detected or decided.
        source: What `load` was asked for, JSON-able: `data` (a name or an absolute path), `data_dir`, `options`. A run
            keeps it, to go on with and to know its own data by. Empty for a split made by hand.
    """

    name: str
    train: np.ndarray | Any  # or Rows; Any, so that what works in memory needs no cast
    validation: np.ndarray
    test: np.ndarray
    labels: tuple[np.ndarray, np.ndarray, np.ndarray] | None
    image: tuple[int, int] | None
    image_shape: tuple[int, int, int] | None = None
    preparation: Preparation | None = None
    parts: np.ndarray | None = None
    checksum: str = ""
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """Numbers per example."""
        return self.train.shape[1]

    def in_memory(self) -> Split:
        """Return itself where all parts are arrays.

        Raises:
            DataError: The training rows stay on disk.
        """
        if self.streamed:
            rows, features = self.train.shape
            raise DataError(
                f"data must be in memory here, got {rows} training rows of {features} numbers on disk."
                " Give fewer rows, or --no-stream where the memory is enough."
            )
        return self

    @property
    def streamed(self) -> bool:
        """Whether `train` is `Rows` on disk and not an array."""
        return not isinstance(self.train, np.ndarray)
