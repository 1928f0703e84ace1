"""Tables of any format: which columns become features, which cannot, and which are passed through."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from contractive.data._columns import (
    MOST_CATEGORIES,
    Column,
    check_unique,
    counts_or_names_rows,
    guess,
    hardly_repeats,
    index_columns,
    is_identifier,
    kind_of_type,
    plain,
    texts,
)
from contractive.data._errors import DataError, invalid, join_for_option, join_names, suggest, whole_names
from contractive.data._marks import Marks
from contractive.data._memory import check_fits
from contractive.data._mismatches import Mismatches
from contractive.data._preparation import BLOCK
from contractive.data._reader import OnDisk, Reader, Source, slices
from contractive.data._split import label_values
from contractive.data._table_preparation import TablePreparation
from contractive.data._windows import clock_column, series_columns

pc: Any = pyarrow.compute  # its functions are made at run time, unknown to type checkers

_NOTES = {
    "date": "Dates became days since 1970-01-01",
    "boolean": "True and false became 1 and 0",
    "comma": "Decimal commas were read",
    "thousands": "Thousands separators were read",
    "text": "Texts were one-hot encoded",
}


_DATE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?$|^\d{1,2}:\d\d(:\d\d.*)?$"
_DECORATED = r"^[^\pL\d]{0,3}[\d.,]*\d[^\pL\d]{0,2}$"  # currencies, per cent, brackets, other minus signs


class TableReader(Reader[pa.Schema, pa.Table]):
    """A reader of tables. Columns have types; where all are texts, `untyped`, their kind is found over all rows."""

    kind = "a table"
    prepared_by = (TablePreparation,)
    takes = frozenset({"label", "drop", "one_hot", "keep_na_text", "keep_id", "window", "step", "time", "group"})
    untyped = False
    marks = Marks()

    def source(self, on_disk: bool = False) -> Source:
        schema, options = self.schema(), self.options
        check_unique(schema.names)
        drop, encoded = whole_names(options.drop, schema.names), options.one_hot
        encoded = whole_names(encoded, schema.names) if isinstance(encoded, tuple) else encoded
        self.options = options = replace(options, drop=drop, one_hot=encoded)
        self._check_columns_exist(schema.names)
        one_hot = options.one_hot if isinstance(options.one_hot, tuple) else ()
        index = [name for name in self.index() if name not in (*options.drop, *one_hot, options.label)]
        of_series = series_columns(options, schema.names)
        left_out = {*options.drop, *index, options.label, *of_series}
        kept = [name for name in schema.names if name not in left_out]
        if not kept:
            got = join_names(schema.names)
            raise DataError(f"data must have a column beside label and dropped ones, got {got}. Keep one.")
        self.check_memory(len(kept), on_disk)
        small = {name for name in drop if self.untyped or kind_of_type(schema.field(name).type) == "number"}
        names = [*index, *(name for name in drop if name in small and is_identifier(name))]
        read = [*kept, *of_series, *([] if options.label is None else [options.label]), *names]
        table = None if on_disk else self._whole([*dict.fromkeys(read)])
        kinds, values = {}, {}
        keep_na = options.impute is None if options.keep_na_text is None else options.keep_na_text
        keep = ("NA",) if keep_na else ()
        for name in kept:
            values[name] = plain((schema.empty_table() if table is None else table).column(name))
            kinds[name] = kind_of_type(values[name].type)
            if name in one_hot:
                kinds[name] = "text"
            elif self.untyped:  # a typed table means its types: "01234" is a text there
                kinds[name], values[name] = guess(values[name], self.marks)
            if keep and kinds[name] == "text" and table is not None:
                values[name] = plain(table.column(name), keep)
        ids, numbers = self._identifiers([name for name in kept if name not in one_hot], values)
        kept = [name for name in kept if name not in ids]
        places: dict[str, np.ndarray] = {}
        if table is not None:
            naming = (name for name, kind in kinds.items() if name in ids or kind == "date")
            places = _plain_columns(table, names) | {name: values[name].to_numpy() for name in naming}
        kinds, values = ({name: of[name] for name in kept} for of in (kinds, values))
        self._check_kinds(kinds, values)
        columns = tuple(
            _column(name, kinds[name], (plain(part.column(0), keep) for part in self.batches(columns=[name])), keep)
            if on_disk else _column(name, kinds[name], [values[name]], keep)
            for name in kept
        )  # fmt: skip
        found = {kind: [name for name in kept if kinds[name] == kind] for kind in _NOTES}
        width = sum(len(column.feature_names) for column in columns)
        labels, labelled = (None, None) if options.label is None else self._labels(options.label, table)
        typed, na = pa.table(values), [column.name for column in columns if "NA" in column.categories]
        return Source(
            self,
            TablePreparation(
                features=width, columns=columns, dropped=(*options.drop, *index, *ids, *of_series), label=options.label
            ),
            self.size()[0] if isinstance(self, OnDisk) and on_disk else len(typed),
            lambda: self.batches(columns=kept) if on_disk else slices(typed),
            labels,
            None if labelled is None or labelled.all() else labelled,
            columns=kept,
            notes=[
                *self.notes(),
                *([f"Left out the index, which counts or names the rows: {join_names(index)}."] if index else []),
                *([f"Left out what numbers or names the rows (option keep_id): {join_names(ids)}."] if ids else []),
                *([f"Whole numbers that are all different are features: {join_names(numbers)}."] if numbers else []),
                *([f"NA is a category in {join_names(na)} (option keep_na_text)."] if na else []),
                *(f"{_NOTES[kind]} in {join_names(names)}." for kind, names in found.items() if names),
            ],
            on_disk=on_disk,
            clock=clock_column(table, options) if table is not None else None,
            of_series=None if options.window is None or table is None else _plain_columns(table, of_series),
            places={"index" if name in index else name: values for name, values in places.items()},
        )

    def labels(self) -> np.ndarray | None:
        label = self.options.label if self.like is None else self.like.label
        if label is None or label not in self.column_names():
            return None
        labels, labelled = self._labels(label)
        if missing := int((~labelled).sum()):
            raise DataError(f"labels of rows for testing must not be missing, got {missing} missing in {label}.")
        return labels

    def column_names(self) -> list[str]:
        return self.schema().names

    def batches_with(self, names: Sequence[str], size: int = BLOCK) -> Iterator[tuple[pa.Table, dict[str, np.ndarray]]]:
        """Columns that are passed through need not be known from training; what is not used is not read."""
        features, there = set(), self.column_names()
        if isinstance(self.like, TablePreparation):
            features = {column.name for column in self.like.columns}
        read = [name for name in there if name in features or name in names]
        for table in self.batches(size, read):
            values = _plain_columns(table, names)
            yield table.drop_columns([name for name in names if name not in features]), values

    def unknown_columns(self, names: Sequence[str], rules: Mismatches) -> list[str]:
        if not isinstance(self.like, TablePreparation):
            return []
        return self.like.check_columns(self.column_names(), [*names, *self.index()], rules)

    def index(self) -> list[str]:
        """Return the columns that are the index of a data frame."""
        return index_columns(self.schema())

    def _identifiers(self, names: list[str], values: dict[str, pa.ChunkedArray]) -> tuple[list[str], list[str]]:
        """Return the columns that identify rows, and others whose numbers are whole and all different.

        Of a file that stays on disk the first rows decide.
        """
        head = next(self.batches(columns=names), None) if all(not len(values[name]) for name in names) else None
        found = {
            name: counts_or_names_rows(name, values[name] if head is None else plain(head.column(name)))
            for name in names
        }
        ids = [name for name, (identifies, _) in found.items() if identifies and not self.options.keep_id]
        ids = ids if len(ids) < len(values) else []
        return ids, [name for name, (_, differ) in found.items() if differ and name not in ids]

    def _whole(self, columns: Sequence[str] | None = None) -> pa.Table:
        parts = []
        for part in self.batches(2**30, columns):  # what is packed into a few bytes can unpack to any size
            parts.append(part)
            check_fits(f"the next rows of {self.path}", part.nbytes, "Use `drop`, or a part of the rows.")
        return pa.concat_tables(parts) if parts else self.schema().empty_table()

    def _labels(self, name: str, table: pa.Table | None = None) -> tuple[np.ndarray, np.ndarray]:
        given = (self._whole([name]) if table is None else table).column(name)
        values = guess(plain(given), self.marks)[1] if self.untyped else plain(given)
        if self.options.keep_na_text and kind_of_type(values.type) == "text":
            values = plain(given, ("NA",))
        return label_values(name, values)

    def _check_columns_exist(self, names: list[str]) -> None:
        one_hot = self.options.one_hot if isinstance(self.options.one_hot, tuple) else ()
        label = self.options.label
        wanted = {"label": (label,) if label else (), "drop": self.options.drop, "one_hot": one_hot}
        for field, columns in wanted.items():
            for column in columns:
                if column not in names:
                    raise invalid(field, "name a column", repr(column), suggest(column, names))
        if label in one_hot:
            raise invalid("one_hot", "name features", f"the label {label!r}", "Leave it out there.")

    def _check_kinds(self, kinds: dict[str, str], values: dict[str, pa.ChunkedArray]) -> None:
        """Refuse columns of no kind that can be used, with the options that help."""
        other = [name for name, kind in kinds.items() if kind == "other"]
        if other:
            got = join_names(f"{name} ({values[name].type})" for name in other)
            raise DataError(
                f"columns must hold numbers, dates or text, got {got}. Use `drop` {join_for_option(other)}."
            )
        one_hot, texts = self.options.one_hot, [name for name, kind in kinds.items() if kind == "text"]
        if one_hot is True and (unlike := [name for name in texts if hardly_repeats(values[name])]):
            hint = next((hint for name in unlike if (hint := _hint(name, values[name]))), "")
            raise DataError(
                f"columns must hold texts that repeat, got another one in nearly every row of {join_names(unlike)}."
                f" Use `drop` {join_for_option(unlike)}.{hint}"
            )
        text = [name for name in texts if isinstance(one_hot, tuple) and name not in one_hot]
        if not text:
            return
        given, hint = join_for_option(text), next((hint for name in text if (hint := _hint(name, values[name]))), "")
        use = f"`drop` {given} or `one_hot` {given}"
        if len(text) > 1:
            use = f"`one_hot` all, or `drop` {given}, or `label` if one is the label"
        if self.header is False and self.options.header is None:
            hint += " The first row looks like values, so columns go by their number (`header`, if it has names)."
        raise DataError(f"columns must hold numbers, got text in {join_names(text)}. Use {use}.{hint}")


def _plain_columns(table: pa.Table, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Return raw values of some columns; without a column, the number of the rows is still known."""
    return {name: plain(table.column(name)).to_numpy() for name in names}


def _hint(name: str, values: pa.ChunkedArray) -> str:
    """Return what is most likely wrong with a column of text."""
    filled = values.drop_null()
    if not len(filled):
        return ""
    if pc.any(pc.match_substring(filled, "\n")).as_py():
        return f" {name} has values over several lines: is a quote left open?"
    if pc.all(pc.match_substring_regex(filled, r"^[+-]?[\d.]*\d,\d+$")).as_py():
        return f" {name} seems to have decimal or thousands commas: write 1234.5, or give `decimal` , for a text table."
    like = pc.match_substring_regex(filled, r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
    share = pc.mean(like.cast(pa.float64())).as_py()
    if share == 1:
        return f" {name} holds numbers written as text: make it a column of numbers if they are amounts."
    first = filled[0].as_py()[:40]
    if pc.all(pc.match_substring_regex(filled, _DATE)).as_py():
        return (
            f" {name} seems to hold dates or times, such as {first!r}: write them as 2024-12-31 or 2024-12-31T23:59:00."
        )
    if pc.all(pc.match_substring_regex(filled, _DECORATED)).as_py():
        return f" {name} seems to hold numbers with signs around them, such as {first!r}: write them as 1234.5."
    other = pc.filter(filled, pc.invert(like))[0].as_py()
    return f" {name} is mostly numbers: {other[:40]!r} is not." if share > 0.5 else ""


def _column(name: str, kind: str, chunks: Iterable[pa.ChunkedArray], keep: tuple[str, ...]) -> Column:
    """Return a column of a kind. Categories come from all rows (vocabulary, not statistics, hence no leakage)."""
    if kind == "text":
        found: set[str] = set()
        for values in chunks:
            found.update(pc.unique(texts(values, keep)).drop_null().to_pylist())
            if len(found) > MOST_CATEGORIES:
                break
        if not 1 <= len(found) <= MOST_CATEGORIES:
            raise DataError(
                f"column {name} must have 1 to {MOST_CATEGORIES} categories to be encoded, got {len(found)}."
                f" Use `drop` {name}."
            )
        return Column(name, "category", tuple(sorted(found)))
    if kind == "date":
        stamps = (values.cast(pa.timestamp("us"), safe=False) for values in chunks)
        midnight = (pc.equal(pc.floor_temporal(stamp, unit="day"), stamp) for stamp in stamps)
        return Column(name, "date", days=all(pc.all(values, min_count=0).as_py() for values in midnight))
    return Column(name, "boolean" if kind == "boolean" else "number")
