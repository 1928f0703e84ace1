"""Arrays of any format: their rows are vectors of numbers or images."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contractive.data._errors import DataError
from contractive.data._options import Options
from contractive.data._preparation import BLOCK, MOST_FEATURES, ArrayPreparation, ImagesPreparation
from contractive.data._reader import Reader, Source


@dataclass(frozen=True)
class ArraySchema:
    """Shape and type of an array; its rows are the examples."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class ArrayReader(Reader):
    """A reader of arrays."""

    kind = "an array"
    prepared_by = (ArrayPreparation, ImagesPreparation)
    takes = frozenset({"size"})

    @abstractmethod
    def schema(self) -> ArraySchema:
        """Return the shape and type of the array."""

    @abstractmethod
    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[np.ndarray]:
        """Go through the rows, at most `size` at once."""

    def source(self, on_disk: bool = False) -> Source:
        schema, what = self.schema(), self.described()
        width = _check_rows(schema, what)
        self.check_memory(on_disk)
        shape, notes = _image_shape(schema.shape[1:], self.options, what)
        as_bytes = schema.dtype == np.uint8
        draft = (
            ArrayPreparation(features=width, names=self.feature_names(width))
            if shape is None
            else ImagesPreparation(features=width, shape=shape, whole=as_bytes)
        )
        return Source(
            self, draft, schema.shape[0], self.batches, self.labels(), as_bytes=as_bytes,
            notes=[*notes, *self.notes()], on_disk=on_disk,
        )  # fmt: skip

    def described(self) -> str:
        """Return how messages call the array."""
        return str(self.path)

    def check_memory(self, on_disk: bool) -> None:
        """Refuse an array of which more would be in memory at once than fits there."""

    def labels(self) -> np.ndarray | None:
        return None

    def feature_names(self, width: int) -> tuple[str, ...]:
        """Return the names of the features, none where the file has none."""
        return ()

    def column_names(self) -> list[str]:
        return []

    def column(self, name: str) -> np.ndarray:
        """Return the values per row of what can be passed through."""
        raise KeyError(name)

    def batches_with(
        self, names: Sequence[str], size: int = BLOCK
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        values, start = {name: self.column(name) for name in names}, 0
        for rows in self.batches(size):
            yield rows, {name: column[start : start + len(rows)] for name, column in values.items()}
            start += len(rows)


def _check_rows(schema: ArraySchema, what: str) -> int:
    """Return the numbers per row."""
    shape, dtype = schema.shape, schema.dtype
    if len(shape) < 2 or dtype.kind not in "buif":
        raise DataError(f"{what} must have rows of numbers, got {dtype} of {shape}. Reshape to (rows, features).")
    width = math.prod(shape[1:])
    if not 1 <= width <= MOST_FEATURES:
        raise DataError(f"rows of {what} must have 1 to {MOST_FEATURES} numbers, got {width}. Make them smaller.")
    return width


def _image_shape(row: tuple[int, ...], options: Options, what: str) -> tuple[tuple[int, int, int] | None, list[str]]:
    """Return (channels, height, width) where rows are images, with a note; None where they are not."""
    width, found = math.prod(row), None
    if len(row) == 2 and min(row) > 1:
        found = 1, row[0], row[1]
    elif len(row) == 3 and row[2] in (1, 3):
        found = row[2], row[0], row[1]
    elif len(row) == 3 and row[0] in (1, 3):
        found = row[0], row[1], row[2]
    if options.size is not None:
        height, breadth = options.size
        if (found is None and height * breadth != width) or (found is not None and found[1:] != (height, breadth)):
            raise DataError(
                field="size", rule=f"match rows of {width} numbers", got=f"{height}x{breadth}", remedy="Give their own."
            )
        found = found or (1, height, breadth)
    if found is None:
        return None, [f"Each row of {what} became {width} numbers from {row}."] if len(row) > 1 else []
    return found, [
        f"Rows are images of {found[1]}x{found[2]} in {'grey' if found[0] == 1 else f'{found[0]} channels'}."
    ]
