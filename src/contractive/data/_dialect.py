"""How a text table is written: encoding, separator, header, and what above and below it is no row."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa

from contractive.data._columns import check_unique
from contractive.data._errors import DataError, first_line, invalid, reraise_as_data_error
from contractive.data._header import has_header, is_number, is_total, is_value, names_columns, num_units
from contractive.data._options import Options

_SAMPLE = 2**18  # characters
_LEAST_LINES, _LONGEST_SAMPLE = 30, 2**26
_CHUNK = 2**20
_TAIL = 2**14  # bytes
_SEPARATORS = "\t;|,"  # the comma last: it is also a decimal mark
_NAMES = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "space"}
_BOMS = {  # the mark of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_PACKED = {".gz": "gzip", ".zst": "zstd"}
_COMMENTS = ("#", "|", "%")
_MARK = "\ufeff"  # once more, where files were joined
_MOST_ABOVE, _MOST_BELOW = 50, 5  # lines above the header and below the table

Row = tuple[int, list[str]]  # the line it ends on, its fields


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Attributes:
        encoding: Of its characters.
        separator: Between fields; runs of it count as one where it is a space.
        names: Of the columns.
        header: The names are in the file.
        skip: Lines before the first row of values.
        index: The columns that count or name the rows, as data frames of pandas and R write them.
        foot: Lines below the last row that are notes.
        total: The last row holds totals.
        longest: Characters of the longest line seen.
        notes: Sentences on what was detected.
    """

    encoding: str
    separator: str
    names: tuple[str, ...]
    header: bool
    skip: int
    index: tuple[str, ...] = ()
    foot: frozenset[str] = frozenset()
    total: bool = False
    longest: int = 0
    notes: list[str] = field(default_factory=list)


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open a file for reading its bytes, uncompressed where its name ends as that of a compressed one."""
    packed: Any = _PACKED.get(path.suffix.lower())
    with reraise_as_data_error(path, (OSError,)), pa.input_stream(str(path), packed) as file:
        yield file


def texts_of(file: Any, encoding: str) -> io.TextIOWrapper:
    """Return the lines of an open file."""
    return io.TextIOWrapper(io.BufferedReader(file), encoding=encoding, errors="ignore", newline=None)


def detect(path: Path, options: Options) -> Dialect:
    """Return how a table is written, as the options say or as it seems."""
    notes: list[str] = []
    encoding, tail = _encoding(path, options.encoding)
    if encoding not in ("utf-8", "utf-8-sig") and options.encoding is None:
        notes.append(f"{path.name} was read in the encoding {encoding} (option encoding).")
    lines = _sample(path, encoding)
    if not any(line.strip() for line in lines):
        raise DataError(f"{path} must hold rows, got an empty file. Give a table with at least 10 rows.")
    skip, separator = options.skip_rows, options.separator
    if given := re.fullmatch(r'"?sep=(.)"?', lines[0].strip("\r\n")):  # Excel's
        skip, separator = max(skip, 1), separator or given[1]
    lines = lines[skip:]
    above = next((i for i, s in enumerate(lines) if s.strip() and not s.lstrip().startswith(_COMMENTS)), 0)
    if separator is None:
        separator = "\t" if ".tsv" in path.suffixes[-2:] else _separator(lines[above:] or lines)
        notes += [f"The separator is a {_NAMES[separator]} (option separator)."] if separator != "," else []
    rows = _rows(lines, separator, path)
    if not rows:
        raise DataError(f"{path} must hold rows, got none below the lines skipped. Give a smaller `skip_rows`.")
    rows, width, above_notes = _without_lines_above(rows, above, lines)
    notes += above_notes
    cells = [[cell.strip().lstrip(_MARK) for cell in row] for _, row in rows]
    header = has_header(cells) if options.header is None else options.header
    if header and options.header is None and any(map(is_number, cells[0])):
        notes.append(f"The numbers of the first row, {','.join(cells[0])[:40]}, are names of columns (option header).")
    units = num_units(cells) if options.units_row is None and header else int(bool(options.units_row and header))
    units = min(units, len(rows) - 1)
    if units:
        notes.append(f"Left out {' and '.join(','.join(row)[:40] for row in cells[1 : units + 1])}: units (units_row).")
    names = tuple(cell or f"c{i}" for i, cell in enumerate(cells[0] if header else [""] * width))
    unnamed = [f"c{i}" for i, cell in enumerate(cells[0]) if header and not cell]
    index = tuple(name for i, name in enumerate(unnamed) if name == f"c{i}" and len(unnamed) < len(names))
    unnamed = unnamed[len(index) :]
    if unnamed:
        notes.append(
            f"Columns without a name: {', '.join(unnamed)}. Leave out those that only count rows (option drop)."
        )
    elif not header and options.header is None:
        notes.append(f"The first row looks like values: columns are named c0 to c{width - 1} (option header).")
    check_unique(names)
    foot = list(takewhile(lambda line: width > 1 and _is_note(line, separator), reversed(tail[-_MOST_BELOW:])))
    notes += [f"Left out lines below the table: {len(foot)}, ending with {foot[0].strip()[:40]!r}."] if foot else []
    last = next(iter(_rows(tail[: len(tail) - len(foot)][-1:], separator, None)), (0, []))[1]
    total = options.total_row
    if total is None:
        whole = [row for row in cells[1:] if len(row) == width]  # notes below the table may be among them
        total = len(rows) > 3 and len(last) == width and is_total(last, whole)
    notes += [f"Left out the last row, {','.join(last)[:40]}: totals (total_row)."] if total else []
    line, first = rows[units if header else 0]  # where the header or the units end, or the first values do
    skip += line if header else line - 1 - sum(cell.count("\n") for cell in first)
    return Dialect(
        encoding, separator, names, header, skip, index, frozenset(foot), total, max(map(len, lines)), notes,
    )  # fmt: skip


def _sample(path: Path, encoding: str) -> list[str]:
    """Return the first lines of a file, whole ones where there are more."""
    with opened(path) as file:
        text = texts_of(file, encoding)
        sample = text.read(_SAMPLE)
        while sample.count("\n") < _LEAST_LINES and len(sample) < _LONGEST_SAMPLE and (more := text.read(_CHUNK)):
            sample += more  # a table may be wide
        if text.read(1) and "\n" in sample:
            sample = sample[: sample.rindex("\n")]
    return sample.split("\n")


def _encoding(path: Path, given: str | None) -> tuple[str, list[str]]:
    """Return the encoding by its mark, UTF-8 where that reads the whole file, else one of Windows; the last lines.

    A given encoding is checked likewise.
    """
    with opened(path) as file:
        start = file.read(4)
    marked = [name for mark, name in _BOMS.items() if start.startswith(mark)][:1]
    names = [given] if given is not None else marked or ["utf-8", "cp1252", "latin-1"]
    failures = []
    for name in names:
        decoder, tail = codecs.getincrementaldecoder(name)(), ""
        try:
            with opened(path) as file:
                while chunk := file.read(_CHUNK):
                    text = decoder.decode(chunk)
                    if "\0" in text:
                        raise DataError(
                            f"{path} must be text, got NUL bytes. Give it in another format, or `encoding` utf-16."
                        )
                    tail = (tail + text)[-_TAIL:]
                decoder.decode(b"", final=True)
            return name, [line for line in re.split("\r\n?|\n", tail) if line.strip()]
        except UnicodeError as error:
            failures.append(first_line(error))
    raise invalid("encoding", f"be that of {path}", f"{names[0]}: {failures[0]}", "Try utf-8 or cp1252.")


def _separator(lines: list[str]) -> str:
    """Return the separator that gives most rows the same number of fields, at least two; else spaces if they do."""
    shares = {}
    for separator in (*_SEPARATORS, " "):
        counts = [len(row) for _, row in _rows(lines[:200], separator, None)]
        width = _most_common(counts)
        shares[separator] = sum(count == width for count in counts) / len(counts) if width > 1 else 0.0
    best = max(_SEPARATORS, key=lambda separator: shares[separator])
    if shares[" "] > 0.9 and best == ",":  # the comma may be a decimal mark in columns aligned by spaces
        fields = [cell for _, row in _rows(lines[1:][-100:], " ", None) for cell in row]  # the first may be names
        if all(is_value(cell) and not cell.endswith(",") for cell in fields):
            return " "
    if shares[best]:
        return best
    return " " if shares[" "] > 0.5 else ","


def _rows(lines: list[str], separator: str, path: Path | None) -> list[Row]:
    """Return the rows that are not empty."""
    spaced = separator == " "
    given = [line.replace("\t", " ").rstrip(" ") for line in lines] if spaced else lines
    reader = csv.reader(io.StringIO("\n".join(given)), delimiter=separator, skipinitialspace=spaced)
    rows: list[Row] = []
    try:
        rows.extend((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        if path is not None and not rows:
            raise DataError(f"{path} must be a table of text, got: {first_line(error)}. Check the file.") from error
    return rows


def _without_lines_above(rows: list[Row], comments: int, lines: list[str]) -> tuple[list[Row], int, list[str]]:
    """Return the rows from the header on, the number of fields, and notes on the lines above.

    Lines above have another number of fields than most rows, and begin like a comment or are no values. R leaves the
    name of the first column out of a header; other programs end each row, but not the header, with a separator.
    """
    width = _most_common([len(row) for line, row in rows if line > comments] or [len(row) for _, row in rows])
    first = next(i for i, (_, row) in enumerate(rows) if len(row) == width)
    if first and len(rows[first - 1][1]) == width - 1 and rows[first - 1][0] > comments:
        (line, short), full = rows[first - 1], [row for _, row in rows[first : first + 200]]
        words = not any(map(is_value, short))
        if (
            words
            and rows[first][0] == line + 1
            and not has_header(full)
            and names_columns(short, [row[1:] for row in full])
        ):
            ends_empty = all(not row[-1].strip() for row in full)  # a separator ends each row: no column more
            names = [*short, ""] if ends_empty else ["", *short]
            return [(line, names), *rows[first:]], width, _above(rows[: first - 1], lines)
    above = rows[:first]
    if len(above) > _MOST_ABOVE or any(
        line > comments and any(is_value(cell.strip()) for cell in row) and len(row) > 1 for line, row in above
    ):
        return rows, width, []  # such rows are refused when they are read
    return rows[first:], width, _above(above, lines)


def _above(rows: list[Row], lines: list[str]) -> list[str]:
    start = next((line.strip()[:40] for line in lines if line.strip()), "")
    return [f"Skipped lines above the table: {len(rows)}, starting with {start!r}."] if rows else []


def _most_common(counts: list[int]) -> int:
    return Counter(counts or [1]).most_common(1)[0][0]


def _is_note(line: str, separator: str) -> bool:
    """Return whether a line below a table is a sentence, and neither a row cut short nor the end of a quoted cell."""
    alone = line.count('"') % 2 == 0 and len(_rows([line], separator, None)[0][1]) == 1
    return alone and re.search(r"[^\W\d_]{3}.* ", line) is not None


class Respaced(io.RawIOBase):
    """The rows of a table that is aligned by spaces, written anew with commas for what reads tables fast."""

    def __init__(self, file: Any, dialect: Dialect) -> None:
        lines = islice(texts_of(file, dialect.encoding), dialect.skip, None)
        spaced = (line.replace("\t", " ").rstrip() + "\n" for line in lines)
        self._rows = csv.reader(spaced, delimiter=" ", skipinitialspace=True)
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        text = io.StringIO()
        if not self._left:
            csv.writer(text, lineterminator="\n").writerows(islice(self._rows, 2000))
            self._left = text.getvalue().encode()
        part, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)
