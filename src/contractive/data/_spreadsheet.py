"""Spreadsheets in .xlsx files: cells keep their types, formulas have the values that were saved with them."""

import datetime
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cached_property
from typing import Any

import pyarrow as pa

from contractive.data._columns import plain
from contractive.data._errors import (
    LIBRARY_ERRORS,
    DataError,
    import_extra,
    invalid,
    join_names,
    reraise_as_data_error,
    suggest,
)
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK
from contractive.data._reader import slices
from contractive.data._table_preparation import TablePreparation
from contractive.data._tables import TableReader

_COPIES = 4  # of the unpacked text in memory while its cells become columns
_CELLS = 2**22  # after which the memory is looked at again
_REMEDY = "Save it as .csv or .parquet."


class Spreadsheet(TableReader):
    """A sheet of an .xlsx file, read whole. Links to other files are not followed, and no macro is run."""

    name = ".xlsx"
    takes = TableReader.takes | {"key", "header", "skip_rows"}

    @property
    def header(self) -> bool | None:
        return self.options.header

    def schema(self) -> pa.Schema:
        return self._table.schema

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        return slices(self._table if columns is None else self._table.select(list(columns)), size)

    def notes(self) -> list[str]:
        titles = self._titles
        return [f"Rows are those of the sheet {self._title} (option key)."] if len(titles) > 1 else []

    @cached_property
    def _table(self) -> pa.Table:
        with reraise_as_data_error(self.path, LIBRARY_ERRORS):
            rows = self._filled_rows()
            first = rows[0] if rows else ()
            header = self._has_header(first)
            body = rows[1:] if header else rows
            columns, names = {}, []
            for place in range(max(map(len, rows), default=0)):
                values = [row[place] if place < len(row) else None for row in body]
                name = first[place] if header and place < len(first) else None
                if name is None and all(value is None for value in values):
                    continue
                if name is None and header and columns:
                    got = f"none above column {place + 1} of {self.path.name}"
                    raise DataError(f"the first row must name every column, got {got}. Name it, or use `skip_rows`.")
                # the index that pandas writes is the first column, and has no name
                names.append(_text(name) if name is not None else "Unnamed: 0" if header else f"c{place}")
                columns[place] = _column(values)
            if not columns:
                raise DataError(f"{self.path} must hold a table, got no cell below `skip_rows`. Make it smaller.")
            return pa.Table.from_arrays([*columns.values()], names=names)

    def _has_header(self, first: tuple[Any, ...]) -> bool:
        if self.options.header is not None:
            return self.options.header
        texts = [value is None or isinstance(value, str) for value in first]
        known = isinstance(self.like, TablePreparation) and {c.name for c in self.like.columns} <= {*map(_text, first)}
        if not known and not all(texts):
            got = f"{_text(first[texts.index(False)])} in {self.path.name}"
            raise invalid("header", "say whether a first row with numbers has the names", got, "")
        return True

    def _filled_rows(self) -> list[tuple[Any, ...]]:
        """Return the rows that have a value, each up to its last one; refuse formulas without a value."""
        rows, cells, checked, gaps = [], 0, 0, False
        for values in self._sheet_rows(data_only=True, values_only=True):
            num = len(values)
            while num and values[num - 1] is None:
                num -= 1
            if not num:
                continue
            rows.append(values[:num])
            gaps = gaps or None in rows[-1] or num < len(rows[0])
            cells += num
            if cells > checked + _CELLS:  # one cell far to the right makes a row of 16,384
                check_fits(str(self.path), 8 * _CELLS, _REMEDY)
                checked = cells
        if gaps:
            saved, formulas = (self._sheet_rows(data_only=only, values_only=False) for only in (True, False))
            for row, entered in zip(saved, formulas, strict=True):
                for cell, formula in zip(row, entered, strict=True):
                    if formula.data_type == "f" and cell.value is None and cell.data_type != "str":
                        got = f"none in {formula.coordinate} of {self.path.name}"
                        remedy = "Open the file in a spreadsheet program and save it."
                        raise DataError(f"formulas must have been calculated, got {got}. {remedy}")
        return rows

    def _sheet_rows(self, *, data_only: bool, values_only: bool) -> Iterator[tuple[Any, ...]]:
        with closing(self._opened(data_only)) as book, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and rules for input, which are not read
            sheet = book[self._title]
            sheet.reset_dimensions()  # a file can say that it is smaller than it is
            yield from sheet.iter_rows(min_row=self.options.skip_rows + 1, values_only=values_only)

    @cached_property
    def _titles(self) -> list[str]:
        """Titles of the sheets with a value."""
        with closing(self._opened(True)) as book, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for sheet in book.worksheets:
                sheet.reset_dimensions()
            return [
                sheet.title
                for sheet in book.worksheets
                if any(value is not None for row in sheet.iter_rows(values_only=True) for value in row)
            ]

    @cached_property
    def _title(self) -> str:
        """Title of the sheet with the rows."""
        key, titles = self.options.key, self._titles
        if not titles:
            raise DataError(f"{self.path} must hold a table, got no cell with a value. Take another file.")
        if key is not None and key not in titles:
            raise invalid("key", f"name a sheet of {self.path.name} with a table", repr(key), suggest(key, titles))
        if key is None and len(titles) != 1:
            there = f"There are {join_names(titles)}."
            raise invalid("key", f"name the sheet of {self.path.name} with the rows", "none", there)
        return titles[0] if key is None else key

    def _opened(self, data_only: bool) -> Any:
        openpyxl = import_extra("openpyxl", self.path)
        with zipfile.ZipFile(self.path) as archive:
            entries = archive.infolist()
            check_fits(str(self.path), _COPIES * sum(entry.file_size for entry in entries), _REMEDY)
            heads = (archive.open(entry).read(2**16).replace(b"\0", b"") for entry in entries)
            if any(b"<!DOCTYPE" in head for head in heads):  # what it defines can grow without bound
                raise DataError(f"{self.path} must hold no document type, got one. Save it again.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return openpyxl.load_workbook(self.path, read_only=True, data_only=data_only, keep_links=False)


def _column(values: list[Any]) -> pa.Array:
    """Return cells as a column: numbers, booleans and dates if all are, else texts; words for missing are gaps."""
    kinds = {type(value) for value in values} - {type(None)}
    if str in kinds and len(kinds) > 1:
        words = [value for value in values if isinstance(value, str)]
        if plain(pa.array(words)).null_count == len(words):
            values, kinds = [None if isinstance(value, str) else value for value in values], kinds - {str}
    if kinds == {int} and all(value is None or abs(value) < 2**63 for value in values):
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if kinds and kinds <= {datetime.datetime, datetime.date}:
        return pa.array(values, pa.timestamp("us"))
    return pa.array(values if len(kinds) < 2 else [None if value is None else _text(value) for value in values])


def _text(value: Any) -> str:
    """Return a cell as text."""
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)
