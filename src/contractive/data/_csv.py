"""Text tables: encoding, separator, header and comments detected; read through pyarrow with every column as text.

Kinds of columns are found afterwards, over all rows.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as pa_csv

from contractive.data._arrow import ArrowSink
from contractive.data._columns import check_unique, parse_decimal_commas, plain
from contractive.data._errors import DataError, first_line, invalid
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK
from contractive.data._reader import slices
from contractive.data._tables import TableReader

_COPIES = 3  # of the file in memory while its texts become numbers
_BYTES = 2**22  # read at once
_SAMPLE = 2**18  # characters
_CHUNK = 2**20
_SEPARATORS = "\t;|,"  # the comma last: it is also a decimal mark
_NAMES = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "space"}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_VALUE = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*|true|false", re.IGNORECASE)
_GAPS = ("", "?", "na", "n/a", "#n/a", "nan", "null", "none", "inf", "-inf")


@dataclass(frozen=True)
class Dialect:
    """How a text table is written. `skip` counts the lines before the first row of values."""

    encoding: str
    separator: str
    names: tuple[str, ...]
    header: bool  # the names are in the file
    skip: int
    notes: list[str] = field(default_factory=list)


class TextTable(TableReader):
    """A text table, its separator, encoding and header detected where they are not given."""

    name = "text tables"
    takes = TableReader.takes | {"separator", "encoding", "header"}
    sink = partial(ArrowSink, make=pa_csv.CSVWriter)
    untyped = True

    @cached_property
    def dialect(self) -> Dialect:
        """How the table is written, as the options say or as it seems."""
        path, options, separator = self.path, self.options, self.options.separator
        if path.suffix.lower() == ".tsv" and separator is None:
            separator = "\t"
        notes: list[str] = []
        encoding = _encoding(path, options.encoding)
        if encoding not in ("utf-8", "utf-8-sig") and options.encoding is None:
            notes.append(f"{path.name} was read in the encoding {encoding} (option encoding).")
        with path.open(encoding=encoding, errors="ignore", newline=None) as file:
            sample = file.read(_SAMPLE)
            if file.read(1) and "\n" in sample:  # the last line may be cut
                sample = sample[: sample.rindex("\n")]
        if not sample.strip():
            raise DataError(f"{path} must hold rows, got an empty file. Give a table with at least 10 rows.")
        lines = sample.split("\n")
        comments = next((i for i, s in enumerate(lines) if s.strip() and not s.lstrip().startswith(("#", "|", "%"))), 0)
        if separator is None:
            separator = _separator(lines[comments:] or lines)
            notes += [f"The separator is a {_NAMES[separator]} (option separator)."] if separator != "," else []
        rows = _rows(lines, separator, path)
        # lines at the top are comments where they begin like one and have another number of fields than most rows
        width = _most_common([len(row) for _, row in rows[comments:]])
        skipped = sum(1 for line, row in rows if line <= comments and len(row) != width)
        if skipped:
            notes.append(f"Skipped comment lines at the top: {skipped}, starting with {lines[0].strip()[:40]!r}.")
        rows = rows[skipped:]
        cells = [[cell.strip() for cell in row] for _, row in rows]
        header = _has_header(cells) if options.header is None else options.header
        names = tuple(cell or f"c{i}" for i, cell in enumerate(cells[0] if header else [""] * width))
        unnamed = [f"c{i}" for i, cell in enumerate(cells[0]) if header and not cell]
        if unnamed:
            notes.append(
                f"Columns without a name: {', '.join(unnamed)}. Leave out those that only count rows (option drop)."
            )
        elif not header and options.header is None:
            notes.append(f"The first row looks like values: columns are named c0 to c{width - 1} (option header).")
        check_unique(names)
        return Dialect(encoding, separator, names, header, rows[0][0] - (not header), notes)

    @property
    def header(self) -> bool:
        return self.dialect.header

    def schema(self) -> pa.Schema:
        return pa.schema([(name, pa.string()) for name in self.dialect.names])

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        dialect, ragged = self.dialect, []

        def note(row: Any) -> str:
            ragged.append(row)
            return "error"

        read = pa_csv.ReadOptions(
            use_threads=False, block_size=_BYTES, skip_rows=dialect.skip, column_names=list(dialect.names),
            encoding="utf8" if dialect.encoding.lower() in ("utf-8", "utf8", "utf-8-sig") else dialect.encoding,
        )  # fmt: skip
        parse = pa_csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True, invalid_row_handler=note)
        types = dict.fromkeys(dialect.names, pa.string())
        convert = pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False, include_columns=columns)
        try:
            for batch in pa_csv.open_csv(self.path, read_options=read, parse_options=parse, convert_options=convert):
                for part in slices(pa.Table.from_batches([batch]), size):
                    yield part if self.like is None else self._with_decimal_commas(part)
        except (pa.ArrowException, UnicodeError) as error:
            if ragged:
                raise self._ragged() from None
            if "Empty CSV" in str(error) or "no data" in str(error).lower():
                return
            raise DataError(
                f"{self.path} must be a table of text, got: {first_line(error)}. Check quotes and rows."
            ) from error

    def decimal_comma(self) -> bool:
        return self.dialect.separator != ","

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        remedy = "Save it as .parquet, which is read in chunks."
        check_fits(str(self.path), _COPIES * self.path.stat().st_size, remedy)

    def notes(self) -> list[str]:
        return self.dialect.notes

    def _with_decimal_commas(self, table: pa.Table) -> pa.Table:
        if not self.decimal_comma():
            return table
        return pa.table({name: parse_decimal_commas(plain(table.column(name))) for name in table.column_names})

    def _ragged(self) -> DataError:
        """Return what to say of the first row of another length; pyarrow does not count empty lines."""
        dialect = self.dialect
        with self.path.open(encoding=dialect.encoding, newline="") as file:
            reader = csv.reader(file, delimiter=dialect.separator)
            for row in reader:
                if row and reader.line_num > dialect.skip and len(row) != len(dialect.names):
                    return DataError(
                        f"rows of {self.path} must have {len(dialect.names)} fields, got {len(row)} in line"
                        f" {reader.line_num}. Correct the line, or give `separator`."
                    )
        return DataError(f"rows of {self.path} must have {len(dialect.names)} fields, got others. Correct them.")


def _encoding(path: Path, given: str | None) -> str:
    """Return UTF-8 or UTF-16 by its mark, UTF-8 where that reads the whole file, else an encoding of Windows."""
    with path.open("rb") as file:
        start = file.read(4)
    marked = [name for mark, name in _BOMS if start.startswith(mark)]
    names = [given] if given is not None else marked or ["utf-8", "cp1252", "latin-1"]
    failures = []
    for name in names:
        failures.append(_decoding_error(path, name))
        if failures[-1] is None:
            return name
    raise invalid("encoding", f"be that of {path}", f"{names[0]}: {failures[0]}", "Try utf-8 or cp1252.")


def _decoding_error(path: Path, encoding: str) -> str | None:
    """Return why a file cannot be decoded, None where it can."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if "\0" in decoder.decode(chunk):
                    raise DataError(
                        f"{path} must be text, got NUL bytes. Give it in another format, or `encoding` utf-16."
                    )
            decoder.decode(b"", final=True)
    except UnicodeError as error:
        return first_line(error)
    return None


def _separator(lines: list[str]) -> str:
    """Return the separator that gives most rows the same number of fields, at least two."""
    shares = {}
    for separator in _SEPARATORS:
        counts = [len(row) for _, row in _rows(lines[:200], separator, None)]
        width = _most_common(counts)
        shares[separator] = sum(count == width for count in counts) / len(counts) if width > 1 else 0.0
    best = max(_SEPARATORS, key=lambda separator: shares[separator])
    return best if shares[best] else ","


def _rows(lines: list[str], separator: str, path: Path | None) -> list[tuple[int, list[str]]]:
    """Return the rows that are not empty, each with the number of the line it ends on."""
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=separator)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        if path is not None and not rows:
            raise DataError(f"{path} must be a table of text, got: {first_line(error)}. Check the file.") from error
    return rows


def _most_common(counts: list[int]) -> int:
    return Counter(counts or [1]).most_common(1)[0][0]


def _has_header(rows: list[list[str]]) -> bool:
    """Return whether the first row names the columns: words over values, or words that never come again."""
    first, body = rows[0], rows[1:200]
    columns = [[row[i] for row in body if i < len(row) and row[i].lower() not in _GAPS] for i in range(len(first))]
    named = [cell for cell in first if cell]
    if first == [str(i) for i in range(len(first))] and len(first) > 2:
        return True  # a data frame written without names of its own
    for cell, column in zip(first, columns, strict=True):
        if cell and cell.lower() not in _GAPS and not _VALUE.fullmatch(cell) and column:
            if all(_VALUE.fullmatch(value) for value in column):
                return True
    if any(_VALUE.fullmatch(cell) or cell.lower() in _GAPS[1:] for cell in first):
        return False
    again = any(cell in column for cell, column in zip(first, columns, strict=True))
    return len(set(named)) == len(named) and not again
