"""Arrays of any format: their rows are vectors of numbers or images."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from contractive.data._errors import DataError, invalid
from contractive.data._mismatches import Mismatches
from contractive.data._preparation import BLOCK, MOST_FEATURES, ArrayPreparation, ImagesPreparation
from contractive.data._reader import Reader, Source

_FEW, _WIDER_OF_FEW, _WIDER = 12, 30, 1000  # channels, and how much wider the range of another unit is
_NO_IMAGES = ", and no images: their ranges lie so far apart that their units differ"


@dataclass(frozen=True)
class ArraySchema:
    """An array whose rows are the examples."""

    shape: tuple[int, ...]  # (rows, *shape of a row)
    dtype: np.dtype[Any]  # of its elements
    names: tuple[str, ...] = ()  # of the features, where the file has them
    what: str = ""  # how messages call the array; by its path if empty


class ArrayReader(Reader[ArraySchema, np.ndarray]):
    """A reader of arrays."""

    kind = "an array"
    prepared_by = (ArrayPreparation, ImagesPreparation)
    takes = frozenset({"size", "rows_are"})

    def source(self, on_disk: bool = False) -> Source:
        schema = self.schema()
        shape, dtype, what, width = (
            schema.shape,
            schema.dtype,
            schema.what or str(self.path),
            math.prod(schema.shape[1:]),
        )
        if len(shape) < 2 or dtype.kind not in "buif":
            raise DataError(f"{what} must have rows of numbers, got {dtype} of {shape}. Reshape to (rows, features).")
        if not 1 <= width <= MOST_FEATURES:
            raise DataError(f"rows of {what} must have 1 to {MOST_FEATURES} numbers, got {width}. Make them smaller.")
        self.check_memory(width, on_disk)
        rows_are, size = self.options.rows_are, self.options.size
        image, channels = _image_shape(shape[1:], size), None
        if rows_are is not None and (image is None or (rows_are == "series" and len(shape) != 3)):
            form = "(rows, steps, channels)" if rows_are == "series" else "(rows, height, width), with channels or not"
            raise invalid("rows_are", f"fit the array, {form}", f"{rows_are} of {shape}", "Leave it out, or reshape.")
        decided = len(shape) == 3 and rows_are == "images"
        if image is not None and size is None and not decided and (dtype != np.uint8 or rows_are == "series"):
            channels = _channels_of_units(next(iter(self.batches()), np.empty((0, *shape[1:]))))
        if rows_are == "series" and channels is None:
            channels = np.tile(np.arange(shape[2]), shape[1])
        if image is not None and len(shape) == 3 and channels is not None:  # a picture has one unit of measurement
            draft = ArrayPreparation(features=width)
            num = int(channels.max()) + 1
            notes = [
                f"Rows are series of {width // num} steps in {num} channels, each scaled on its own"
                + (" (option rows_are)." if rows_are else f"{_NO_IMAGES} (option rows_are).")
            ]
        elif image is None:
            draft = ArrayPreparation(features=width, names=schema.names)
            notes = [f"Each row of {what} became {width} numbers from {shape[1:]}."] if len(shape) > 2 else []
        else:
            draft = ImagesPreparation(features=width, shape=image, whole=dtype == np.uint8)
            colours = "grey" if image[0] == 1 else f"{image[0]} channels"
            notes = [f"Rows are images of {image[1]}x{image[2]} in {colours}."]
            if channels is not None:
                notes.append("Each channel is scaled on its own: their units differ (option size: all alike).")
        return Source(
            self, draft, shape[0], self.batches, self.labels(), as_bytes=dtype == np.uint8 and rows_are != "series",
            channels=channels, notes=[*notes, *self.notes()], on_disk=on_disk,
        )  # fmt: skip

    def labels(self) -> np.ndarray | None:
        return None

    def column_names(self) -> list[str]:
        return []

    def unknown_columns(self, names: Sequence[str], rules: Mismatches) -> list[str]:
        if not (wanted := dict.fromkeys(self._wanted())):
            return []
        given = dict.fromkeys(self.schema().names)
        unknown = [name for name in given if name not in wanted]
        replace(rules, missing_columns="refuse").check_names([name for name in wanted if name not in given], unknown)
        return unknown

    def _wanted(self) -> tuple[str, ...]:
        """Return the names of the features in the order of training, where both arrays have names."""
        names = () if self.like is None else self.like.given_names
        return names if names and self.schema().names else ()

    def column(self, name: str) -> np.ndarray:
        """Return the values per row of what can be passed through."""
        raise KeyError(name)

    def batches_with(
        self, names: Sequence[str], size: int = BLOCK
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        values, start = {name: self.column(name) for name in names}, 0
        wanted, order = self._wanted(), None
        if wanted and wanted != (there := self.schema().names):
            place = {name: number for number, name in enumerate(there)}
            order = [place[name] for name in wanted]
        for rows in self.batches(size):
            given = {name: column[start : start + len(rows)] for name, column in values.items()}
            yield rows if order is None else rows.reshape(len(rows), -1)[:, order], given
            start += len(rows)


def _channels_of_units(rows: np.ndarray) -> np.ndarray | None:
    """Return the channel of each feature where channels along an axis have different units, None where none have.

    Units differ where two ranges are disjoint and further apart than they are wide; or where one is far wider than
    another and the steps are twice as many as the channels. (The rim of a picture is flat, too.)
    """
    axes = [1, 2] if rows.ndim == 3 else [1 if rows.shape[1] in (1, 3) and rows.shape[3] not in (1, 3) else 3]
    for axis in sorted(axes, key=lambda axis: rows.shape[axis]):
        values = np.moveaxis(rows, axis, 0).reshape(rows.shape[axis], -1).astype(np.float64)
        values = np.where(np.isfinite(values), values, np.nan)
        if len(values) < 2 or np.isnan(values).all(1).any():
            continue
        low, high = np.nanmin(values, 1), np.nanmax(values, 1)
        spread = high - low
        gap = low[:, None] - high[None, :]
        apart = (gap > np.maximum(spread[:, None], spread[None, :])).any()
        wide = spread[spread > 0]
        steps = math.prod(rows.shape[1:]) // len(values)
        most = _WIDER_OF_FEW if len(values) <= _FEW else _WIDER
        if apart or (len(wide) and 2 * len(values) <= steps and wide.max() > most * wide.min()):
            num = np.arange(len(values))
            return np.tile(num, steps) if rows.ndim < 4 and axis == rows.ndim - 1 else np.repeat(num, steps)
    return None


def _image_shape(row: tuple[int, ...], size: tuple[int, int] | None) -> tuple[int, int, int] | None:
    """Return (channels, height, width) where rows are images, of the given size or by their own shape."""
    found = None
    if len(row) == 2 and min(row) > 1:
        found = 1, row[0], row[1]
    elif len(row) == 3 and row[2] in (1, 3):
        found = row[2], row[0], row[1]
    elif len(row) == 3 and row[0] in (1, 3):
        found = row[0], row[1], row[2]
    if size is None:
        return found
    width, (height, breadth) = math.prod(row), size
    if found[1:] != size if found else height * breadth != width:
        got = f"{height}x{breadth}"
        raise invalid("size", f"match rows of {width} numbers", got, "Give their own.")
    return found or (1, height, breadth)
