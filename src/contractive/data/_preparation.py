"""From a raw source to the network's numbers and back, fitted on the training rows."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from contractive.data._columns import Column
from contractive.data._errors import DataError, listed
from contractive.data._survey import LARGEST, Survey, check_missing, check_usable
from contractive.data._table_columns import as_table, check_columns, column_starts, decode_table, encode_table

BLOCK = 8192  # rows read at once, fewer of wide ones
_NUMBERS = 2**25  # in them at most
_CACHED = 2**17  # numbers scaled at once: their float64 stays in the processor's cache


def rows_at_once(width: int) -> int:
    """Rows of so many features that are read at once."""
    return max(1, min(BLOCK, _NUMBERS // width))


@dataclass(frozen=True, eq=False)
class Preparation:
    """Everything between a raw source and the network: columns, categories, imputation, scaling, the form of images.

    A feature is `(raw - offset) / scale`. Booleans and one-hot features keep their 0 and 1.

    Attributes:
        kind: "table", "array" or "images".
        width: Features.
        scaler: "none", "minmax", "standard", "robust", or "range" for one known range of all features.
        offset: Of each feature, or of all of them (one number), float64.
        scale: Likewise.
        columns: Of a table, those that become features, in order.
        dropped: Columns of a table left out; they may be absent later.
        label: Column of a table that is the label; it may be absent later.
        fill: Of each feature the number put where a value is missing, None refuses missing values.
        image_shape: (channels, height, width) of images.
        whole: Whether raw images are bytes, so that `inverse` rounds to them.
        names: Of the features of an array, where it has any.
    """

    kind: str
    width: int
    scaler: str
    offset: np.ndarray
    scale: np.ndarray
    columns: tuple[Column, ...] = ()
    dropped: tuple[str, ...] = ()
    label: str | None = None
    fill: np.ndarray | None = None
    image_shape: tuple[int, int, int] | None = None
    whole: bool = False
    names: tuple[str, ...] = ()

    @property
    def features(self) -> int:
        """Numbers per prepared row."""
        return self.width

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features: columns, `column=category`, or x0, x1, ..."""
        if self.kind == "table":
            return tuple(name for column in self.columns for name in column.feature_names)
        return self.names or tuple(f"x{i}" for i in range(self.width))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preparation) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.kind, self.width, self.scaler, self.columns))

    def transform(self, raw: Any) -> np.ndarray:
        """Prepare raw rows, float32 (rows, features).

        Args:
            raw: For a table: an Arrow table, a data frame of pandas or polars, or a mapping of names to values, its
                columns in any order. For arrays and images: an array whose rows are the examples; images may keep
                their height, width and channels (first or last).

        Raises:
            DataError: Columns, widths or kinds other than in training, missing values without an imputation, categories
                never met, values that are not finite.
        """
        rows = self._rows(raw)
        out = np.empty((len(rows), self.width), np.float32)
        bad = Survey(self.width)
        size = BLOCK if self.kind == "table" else max(1, _CACHED // self.width)
        for start in range(0, len(rows), size):
            block = self._encoded(rows[start : start + size])
            if not _within(block, LARGEST):
                bad.add(block)
            out[start : start + size] = self._scaled(block)
        self._check(bad, out)
        return out

    def inverse(self, x: np.ndarray) -> Any:
        """Turn prepared rows, as a decoder gives them, back into the user's units.

        Returns:
            For a table a dict from column name to values (numbers, booleans, dates, the likeliest category); for an
            array float64 (rows, features); for images of bytes uint8 (rows, features), rounded and clipped.

        Raises:
            DataError: Rows of another width.
        """
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.width:
            raise DataError(f"x must be (rows, {self.width}), got {x.shape}. Give rows as transform returns them.")
        raw = x.astype(np.float64) * self.scale + self.offset
        if self.kind == "table":
            return decode_table(self.columns, raw)
        if self.whole:
            return np.clip(np.rint(np.nan_to_num(raw)), 0, 255).astype(np.uint8)
        return raw

    def encoder(self) -> Callable[[Any], np.ndarray]:
        """The step before imputation and scaling: raw rows to float64, NaN where a value is missing."""
        return lambda raw: self._encoded(self._rows(raw))

    def with_scaling(self, scaler: str, offset: np.ndarray, scale: np.ndarray) -> "Preparation":
        """The same with another scaling."""
        return replace(self, scaler=scaler, offset=offset, scale=scale)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able form that `from_dict` reads; floats are exact."""
        from contractive.data._stored import to_dict

        return to_dict(self)

    @staticmethod
    def from_dict(document: Any) -> "Preparation":
        """Read what `to_dict` wrote, checking everything.

        Raises:
            DataError: A form that `to_dict` never writes.
        """
        from contractive.data._stored import from_dict

        return from_dict(document)

    def _rows(self, raw: Any) -> Any:
        if self.kind == "table":
            table = as_table(raw)
            check_columns(self, table)
            return table
        return rows_of(raw, self.width, self.image_shape)

    def _encoded(self, rows: Any) -> np.ndarray:
        if self.kind == "table":
            return encode_table(self.columns, rows)
        with np.errstate(over="ignore", invalid="ignore"):  # what float64 does not hold is infinite and refused
            return rows.astype(np.float64)

    def _scaled(self, block: np.ndarray) -> np.ndarray:
        if self.fill is not None:
            block = np.where(np.isnan(block), self.fill, block)
        with np.errstate(over="ignore", invalid="ignore"):  # refused below, with the column
            if self.scaler != "none":  # in place: the block is a copy already
                block -= self.offset
                block /= self.scale
            return block.astype(np.float32)

    def _check(self, bad: Survey, out: np.ndarray) -> None:
        if bad.rows:
            names, starts, what = self.column_names(), column_starts(self), "column" if self.columns else "feature"
            check_usable(bad, names, starts, what)
            if self.fill is None:
                check_missing(bad, names, starts, what, "Fill them, or train with --impute median.")
        if not _within(out, np.finfo(np.float32).max):
            where = [self.feature_names[i] for i in np.flatnonzero(~np.isfinite(out).all(0))]
            raise DataError(f"values must be finite after scaling, got others in {listed(where)}. Mend these values.")

    def column_names(self) -> tuple[str, ...]:
        """Names of the columns of a table, of the features of an array."""
        return tuple(column.name for column in self.columns) if self.columns else self.feature_names


def _within(block: np.ndarray, limit: Any) -> bool:
    """Whether all numbers are at most so large; NaN is not. Two passes, and no copy as `abs` or `isfinite` make."""
    return not block.size or bool(block.max() <= limit and block.min() >= -limit)


def rows_of(raw: Any, width: int, image_shape: tuple[int, int, int] | None) -> np.ndarray:
    """Rows of an array or of images, (rows, features), a colour image with its channels one after another.

    Raises:
        DataError: Something else, or another width.
    """
    if isinstance(raw, Mapping) or hasattr(raw, "__arrow_c_stream__"):
        raise DataError(f"data must be an array of rows with {width} numbers as in training, got a table.")
    array = np.asarray(raw)
    if array.dtype.kind not in "buif":
        raise DataError(f"data must be an array of numbers as in training, got {array.dtype}. Convert it first.")
    shape = array.shape[1:]
    if image_shape is not None and len(shape) == 3 and shape == (*image_shape[1:], image_shape[0]):
        return np.moveaxis(array, 3, 1).reshape(len(array), width)
    fits = image_shape is None or len(shape) < 2 or shape in (image_shape, image_shape[1:])
    if array.ndim < 2 or int(np.prod(shape)) != width or not fits:
        wanted = f"images of {image_shape[1]}x{image_shape[2]}, or rows of {width} numbers," if image_shape else ""
        raise DataError(
            f"data must hold {wanted or f'rows of {width} numbers'} as in training, got an array of {array.shape}."
            " Give the data that the model was made for."
        )
    return array.reshape(len(array), width)


def blocks(rows: Any, size: int = BLOCK) -> Iterator[Any]:
    """Rows in slices of at most `size`."""
    return (rows[start : start + size] for start in range(0, len(rows), size))
