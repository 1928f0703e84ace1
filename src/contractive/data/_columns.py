"""Columns of tables: the kind of each, its numbers, and the way back to the user's units."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute
from msgspec import Meta

from contractive.data._errors import DataError, join_names
from contractive.data._marks import Marks
from contractive.data._memory import check_fits, size

pc: Any = pyarrow.compute  # its functions are made at run time, unknown to type checkers

MOST_CATEGORIES = 1000
Text = Annotated[str, Meta(max_length=100_000)]
_MISSING = ("", "?", "na", "n/a", "#n/a", "nan", "null")
_MOST_TEXT = 2**31 - 1  # bytes of a column in memory
_MICROSECONDS = 86_400_000_000  # a day
_INDEX = re.compile(r"__index_level_\d+__|Unnamed: \d+(_level_\d+)?")
_IDENTIFIER = re.compile(
    r"(?i:id|ids|idx|index|uuid|guid|row_?id|row_?(number|num|no|nr))|.*([_ .-](?i:id|uuid|guid)|[a-z](Id|ID))"
)
_LARGEST_DAY = 2.9e6  # clip to dates that numpy can print in ISO format


@dataclass(frozen=True)
class Column:
    """One column of a table that becomes features.

    Attributes:
        name: Its name in the table.
        kind: number, boolean, date or category.
        categories: The values of a category, sorted; one feature each.
        days: The values of a date are whole days.
    """

    name: Text
    kind: Literal["number", "boolean", "date", "category"]
    categories: Annotated[tuple[Text, ...], Meta(max_length=MOST_CATEGORIES)] = ()
    days: bool = False

    def __post_init__(self) -> None:
        if bool(self.categories) != (self.kind == "category") or len(set(self.categories)) != len(self.categories):
            raise DataError("categories must be those of a category, each once")

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features it becomes."""
        if self.kind == "category":
            return tuple(f"{self.name}={category}" for category in self.categories)
        return (self.name,)

    def encode(self, values: pa.ChunkedArray, out: np.ndarray) -> dict[int, str]:
        """Write the features of plain values to `out` (rows, features), float64, NaN where a value is missing.

        Return the values that are not among the categories, by row; all their features are 0.
        """
        if self.kind != "category":
            out[:, 0] = self.numbers(values)
            return {}
        given = texts(values, self.categories)
        found = pc.index_in(given, value_set=pa.array(self.categories, pa.string()))
        place, there = pc.fill_null(found, -1).to_numpy(), given.is_valid().to_numpy()
        out[:] = 0
        out[np.flatnonzero(place >= 0), place[place >= 0]] = 1
        out[~there] = np.nan
        return {row: given[row].as_py() for row in np.flatnonzero((place < 0) & there).tolist()}

    def unseen(self, values: Iterable[str]) -> DataError:
        """Return the error of values that are not among the categories."""
        return DataError(
            f"column {self.name} must hold categories met in training,"
            f" got {join_names(map(repr, dict.fromkeys(values)), 3)}. Mark such rows"
            f" (`unknown_categories` mark), train with data that has them, or without the column (`drop` {self.name})."
        )

    def decode(self, x: np.ndarray) -> np.ndarray:
        """Return values in the column's own units from its features in float64, (rows, features)."""
        if self.kind == "category":
            return np.asarray(self.categories, dtype=np.str_)[x.argmax(1)]
        if self.kind == "boolean":
            return x[:, 0] >= 0.5
        if self.kind == "date":
            days = np.clip(np.nan_to_num(x[:, 0]), -_LARGEST_DAY, _LARGEST_DAY)
            stamps = np.rint(days if self.days else days * 86_400).astype(np.int64)
            return stamps.astype("datetime64[D]" if self.days else "datetime64[s]")
        return x[:, 0]

    def numbers(self, values: pa.ChunkedArray) -> np.ndarray:
        """Return the numbers of plain values, float64, NaN where one is missing; not for a category."""
        found = kind_of_type(values.type)
        if found == "text":
            values = self._parsed(values)
            found = kind_of_type(values.type)
        if pa.types.is_null(values.type):
            return np.full(len(values), np.nan)
        if self.kind == "boolean" and found == "number":
            given = pc.cast(values.drop_null(), pa.float64(), safe=False)
            if pc.all(pc.is_in(given, pa.array([0.0, 1.0])), min_count=0).as_py():
                values, found = values.cast(pa.float64(), safe=False).cast(pa.bool_()), "boolean"
        if found != self.kind:
            raise self._wrong_kind(found)
        if self.kind == "date":
            micro = values.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
            return pc.cast(micro, pa.float64(), safe=False).to_numpy() / _MICROSECONDS
        return pc.cast(values, pa.float64(), safe=False).to_numpy()

    def _parsed(self, values: pa.ChunkedArray) -> pa.ChunkedArray:
        parse = _PARSERS[self.kind]
        converted = _attempt(parse, values)
        if converted is None:
            bad = next(value for value in values.drop_null() if _attempt(parse, value) is None)
            raise self._wrong_kind(f"{bad.as_py()[:40]!r}")
        return converted

    def _wrong_kind(self, found: str) -> DataError:
        return DataError(
            f"column {self.name} must hold values of kind {self.kind} as in training, got {found}. Correct the column."
        )


def plain(column: Any, keep: Collection[str] = ()) -> pa.ChunkedArray:
    """Return a column without dictionaries, its texts trimmed and the words for a missing value made missing.

    The texts in `keep` stay texts, whatever they seem to say.
    """
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    if pa.types.is_dictionary(chunked.type):
        chunked = _without_dictionary(chunked)
    if pa.types.is_large_string(chunked.type) or pa.types.is_string_view(chunked.type):
        chunked = chunked.cast(pa.string())
    if pa.types.is_string(chunked.type):
        chunked = pc.utf8_trim_whitespace(chunked)
        missing = pc.is_in(pc.utf8_lower(chunked), value_set=pa.array(_MISSING))
        if keep:
            missing = pc.and_(missing, pc.invert(pc.is_in(chunked, value_set=pa.array(list(keep), pa.string()))))
        chunked = pc.if_else(missing, pa.scalar(None, pa.string()), chunked)
    return chunked


def _without_dictionary(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the values themselves; a long text that a few bytes repeat may not fit into memory."""
    chunks, is_text = [], kind_of_type(column.type.value_type) == "text"
    for chunk in column.chunks:
        values = chunk.dictionary.cast(pa.string()) if is_text else chunk.dictionary
        if is_text:
            needed = pc.sum(pc.take(pc.binary_length(values), chunk.indices)).as_py() or 0
            check_fits("a column of texts", needed, "Use `drop`.")
            if needed > _MOST_TEXT:
                raise DataError(f"texts of a column must have at most 2 GB, got {size(needed)}. Use `drop`.")
        chunks.append(pc.take(values, chunk.indices))
    return pa.chunked_array(chunks, pa.string() if is_text else column.type.value_type)


def index_columns(schema: pa.Schema) -> list[str]:
    """Return the columns that are the index of a data frame of pandas, and not part of its data."""
    try:
        found = (schema.pandas_metadata or {}).get("index_columns", ())
    except (ValueError, AttributeError):  # the note of pandas in the file is damaged
        found = ()
    noted = {name for name in found if isinstance(name, str)}
    return [name for name in schema.names if name in noted or _INDEX.fullmatch(name)]


def is_identifier(name: str) -> bool:
    """Return whether a column is called id, uuid or the like."""
    return _IDENTIFIER.fullmatch(name) is not None


def hardly_repeats(values: pa.ChunkedArray) -> bool:
    """Return whether nearly every one of at least 20 texts is another, so that they cannot be categories."""
    filled = len(values) - values.null_count
    return filled >= 20 and pc.count_distinct(values).as_py() > 0.9 * filled


def counts_or_names_rows(name: str, values: pa.ChunkedArray) -> tuple[bool, bool]:
    """Return whether a plain column identifies the rows, and whether it holds whole numbers that are all different.

    It identifies them if it is the row number, or if it is called id, uuid or the like and all its values differ.
    """
    kind, num = kind_of_type(values.type), len(values)
    if values.null_count or kind not in ("number", "text") or pc.count_distinct(values).as_py() < max(num, 2):
        return False, False
    if kind == "text":
        return is_identifier(name), False
    numbers = values.cast(pa.float64(), safe=False).to_numpy()
    if (numbers != np.floor(numbers)).any():
        return False, False
    counted = numbers[0] in (0, 1) and (np.diff(numbers) == 1).all()
    return bool(counted) or is_identifier(name), True


def guess(column: pa.ChunkedArray, marks: Marks | None = None) -> tuple[Any, pa.ChunkedArray]:
    """Return the kind of a plain column ("text" and "other" among them), and the column in the type of that kind.

    Numbers with marks have the kind "comma" or "thousands".
    """
    kind = kind_of_type(column.type)
    if kind != "text":
        return kind, column
    for kind, parse in (_PARSERS if marks is None else {**marks.parsers(), **_OTHERS}).items():
        converted = _attempt(parse, column)
        if converted is not None:
            return kind, converted
    return "text", column


def kind_of_type(kind: pa.DataType) -> str:
    """Return the kind of the columns of an Arrow type: number, boolean, date, text or other."""
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


def texts(values: pa.ChunkedArray, keep: Collection[str] = ()) -> pa.ChunkedArray:
    """Return a plain column as texts: whole numbers without a point, true and false in small letters."""
    if pa.types.is_floating(values.type):
        whole = pc.and_kleene(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), 2.0**53))
        if pc.all(whole, min_count=0).as_py() and not pc.any(pc.is_nan(values)).as_py():
            values = values.cast(pa.int64())
    return plain(values.cast(pa.string()), keep)


def as_table(raw: Any) -> pa.Table:
    """Return an Arrow table of anything that is one."""
    try:
        if isinstance(raw, Mapping):
            raw = pa.table({str(name): pa.array(values) for name, values in raw.items()})
        elif isinstance(raw, pa.RecordBatch):
            raw = pa.Table.from_batches([raw])
        elif not isinstance(raw, pa.Table) and hasattr(raw, "__arrow_c_stream__"):
            raw = pa.table(raw)
    except (pa.ArrowException, TypeError) as error:
        raise DataError(f"data must be a table of plain columns, got: {error}. Correct the columns.") from error
    if not isinstance(raw, pa.Table):
        raise DataError(
            f"data must be a table with the columns of training, got {type(raw).__name__}."
            " Give .csv, .parquet or .feather, a data frame or a dict of columns."
        )
    check_unique(raw.column_names)
    return raw


def check_unique(names: Sequence[str]) -> None:
    """Refuse names given to two columns."""
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise DataError(f"columns must have unique names, got {join_names(twice)} more than once. Rename them.")


def _attempt(parse: Callable[[Any], Any], values: Any) -> Any:
    try:
        return parse(values)
    except pa.ArrowInvalid:
        return None


def _booleans(values: Any) -> Any:
    lowered = pc.utf8_lower(values)
    found = pa.array([lowered.as_py()], pa.string()) if isinstance(lowered, pa.Scalar) else lowered
    if not pc.all(pc.is_in(pc.drop_null(found), value_set=pa.array(["true", "false"])), min_count=0).as_py():
        raise pa.ArrowInvalid("no boolean")
    return pc.equal(lowered, "true")


def _dates(values: Any) -> Any:
    """Read dates in the ISO format; with a time zone each they become those of UTC."""
    for exact in ("us", "ns"):  # pandas writes nanoseconds; they reach the years 1677 to 2262
        for zone in (None, "UTC"):
            with suppress(pa.ArrowInvalid):
                return pc.cast(pc.cast(values, pa.timestamp(exact, zone)), pa.timestamp("us"), safe=False)
    raise pa.ArrowInvalid("no dates")


_OTHERS = {"boolean": _booleans, "date": _dates}
_PARSERS = {"number": lambda values: pc.cast(values, pa.float64()), **_OTHERS}
