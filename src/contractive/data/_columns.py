"""Columns of tables: which kind each is, its numbers, and the way back to the user's units."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from contractive.data._errors import DataError, listed

pc: Any = pyarrow.compute  # its functions are made at run time, unknown to type checkers

KINDS = ("number", "boolean", "date", "category")
MOST_CATEGORIES = 1000
_MISSING = ("", "?", "na", "n/a", "#n/a", "nan", "null")
_TRUE, _FALSE = "true", "false"
_MICROSECONDS = 86_400_000_000  # a day
_DECIMAL_COMMA = r"^[+-]?\d*,\d+([eE][+-]?\d+)?$|^[+-]?\d+$"


@dataclass(frozen=True)
class Column:
    """One column of a table that becomes features.

    Attributes:
        name: In the table.
        kind: number, boolean, date or category.
        categories: Of a category, in order; one feature each.
        days: Of a date: whether its values are whole days.
    """

    name: str
    kind: str
    categories: tuple[str, ...] = ()
    days: bool = False

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features it becomes."""
        if self.kind == "category":
            return tuple(f"{self.name}={category}" for category in self.categories)
        return (self.name,)


def plain(column: Any) -> pa.ChunkedArray:
    """A column without dictionaries, its texts trimmed and the words for a missing value made missing."""
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    if pa.types.is_dictionary(chunked.type):
        chunked = chunked.cast(chunked.type.value_type)
    if pa.types.is_large_string(chunked.type) or pa.types.is_string_view(chunked.type):
        chunked = chunked.cast(pa.string())
    if pa.types.is_string(chunked.type):
        chunked = pc.utf8_trim_whitespace(chunked)
        missing = pc.is_in(pc.utf8_lower(chunked), value_set=pa.array(_MISSING))
        chunked = pc.if_else(missing, pa.scalar(None, pa.string()), chunked)
    return chunked


def guess(column: pa.ChunkedArray, *, decimal_comma: bool = False) -> tuple[str, pa.ChunkedArray]:
    """Kind of a plain column ("text" and "other" among them), and the column in the type of that kind."""
    kind = kind_of_type(column.type)
    if kind != "text":
        return kind, column
    for kind, convert in _FROM_TEXT.items():
        converted = _attempt(convert, column)
        if converted is not None:
            return kind, converted
    if decimal_comma and (numbers := _attempt(_comma_numbers, column)) is not None:
        return "comma", numbers
    return "text", column


def with_points(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A text column of numbers with decimal commas as numbers; any other column as it is."""
    if kind_of_type(values.type) != "text" or _attempt(_as_number, values) is not None:
        return values
    converted = _attempt(_comma_numbers, values)
    return values if converted is None else converted


def kind_of_type(kind: pa.DataType) -> str:
    """Kind of the columns of an Arrow type: number, boolean, date, text or other."""
    types = pa.types
    if types.is_boolean(kind):
        return "boolean"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind):
        return "number"
    if types.is_date(kind) or types.is_timestamp(kind):
        return "date"
    if types.is_dictionary(kind):
        return kind_of_type(kind.value_type)
    return "text" if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind) else "other"


def numbers(column: Column, values: pa.ChunkedArray) -> np.ndarray:
    """Numbers of a plain column that is no category, float64, NaN where a value is missing.

    Raises:
        DataError: Values of another kind.
    """
    found = kind_of_type(values.type)
    if found == "text":
        values = _parse(column, values)
        found = kind_of_type(values.type)
    if pa.types.is_null(values.type):
        return np.full(len(values), np.nan)
    if column.kind == "boolean" and found == "number":
        values = _ones_and_zeros(column, values)
        found = "boolean"
    if found != column.kind:
        raise _wrong_kind(column, found)
    if column.kind == "date":
        micro = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        return pc.cast(micro, pa.float64(), safe=False).to_numpy() / _MICROSECONDS
    return pc.cast(values, pa.float64(), safe=False).to_numpy()


def texts(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A plain column as texts: whole numbers without a point, true and false in small letters."""
    if pa.types.is_floating(values.type):
        whole = pc.and_kleene(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), 2.0**53))
        if pc.all(whole, min_count=0).as_py() and not pc.any(pc.is_nan(values)).as_py():
            values = values.cast(pa.int64())
    return plain(values.cast(pa.string()))


def positions(column: Column, values: pa.ChunkedArray) -> np.ndarray:
    """Place of each value among the categories, -1 where it is missing.

    Raises:
        DataError: A category that was not met in training.
    """
    given = texts(values)
    found = pc.index_in(given, value_set=pa.array(column.categories, pa.string()))
    unseen = pc.drop_null(pc.unique(pc.filter(given, pc.and_(pc.is_null(found), pc.is_valid(given)))))
    if len(unseen):
        raise DataError(
            f"column {column.name} must hold categories met in training,"
            f" got {listed(map(repr, unseen.to_pylist()), 3)}. Train with data"
            f" that has them, or without the column (--drop {column.name})."
        )
    return pc.fill_null(found, -1).to_numpy()


def decoded(column: Column, x: np.ndarray) -> np.ndarray:
    """Values of a column in its own units from its features in float64, (rows, its features)."""
    if column.kind == "category":
        return np.asarray(column.categories, dtype=np.str_)[x.argmax(1)]
    if column.kind == "boolean":
        return x[:, 0] >= 0.5
    if column.kind == "date":
        kind = "datetime64[D]" if column.days else "datetime64[s]"
        limit = 2.9e6  # years -5970 to 9909: beyond them dates have no text of the usual form
        days = np.clip(np.nan_to_num(x[:, 0]), -limit, limit)
        return np.rint(days if column.days else days * 86_400).astype(np.int64).astype(kind)
    return x[:, 0]


def _parse(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts in the type of the column's kind."""
    converted = _attempt(_FROM_TEXT[column.kind], values)
    if converted is not None:
        return converted
    bad = next(value for value in values.drop_null() if _attempt(_FROM_TEXT[column.kind], value) is None)
    raise _wrong_kind(column, f"{bad.as_py()[:40]!r}")


def _wrong_kind(column: Column, found: str) -> DataError:
    return DataError(
        f"column {column.name} must hold values of kind {column.kind} as in training, got {found}. Mend the column."
    )


def _ones_and_zeros(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pc.all(
        pc.is_in(values.drop_null().cast(pa.float64(), safe=False), pa.array([0.0, 1.0])), min_count=0
    ).as_py():
        raise _wrong_kind(column, "number")
    return values.cast(pa.float64(), safe=False).cast(pa.bool_())


def _attempt(convert: Callable[[Any], Any], values: Any) -> Any:
    try:
        return convert(values)
    except pa.ArrowInvalid:
        return None


def _as_number(values: Any) -> Any:
    return pc.cast(values, pa.float64())


def _as_boolean(values: Any) -> Any:
    lowered = pc.utf8_lower(values)
    if not pc.all(pc.is_in(pc.drop_null(_array(lowered)), value_set=pa.array([_TRUE, _FALSE])), min_count=0).as_py():
        raise pa.ArrowInvalid("no boolean")
    return pc.equal(lowered, _TRUE)


def _as_date(values: Any) -> Any:
    return pc.cast(values, pa.timestamp("us"))


def _comma_numbers(values: Any) -> Any:
    if not pc.all(pc.match_substring_regex(values, _DECIMAL_COMMA), min_count=0).as_py():
        raise pa.ArrowInvalid("no decimal commas")
    return pc.cast(pc.replace_substring(values, ",", "."), pa.float64())


def _array(values: Any) -> Any:
    return pa.array([values.as_py()], pa.string()) if isinstance(values, pa.Scalar) else values


_FROM_TEXT = {"number": _as_number, "boolean": _as_boolean, "date": _as_date}
