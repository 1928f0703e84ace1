"""How a text table is written: encoding, separator, header, comment lines. Detected, or as the user says."""

import codecs
import csv
import io
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from contractive.data._errors import DataError, first_line
from contractive.data._options import Options
from contractive.data._table_columns import check_unique

_SAMPLE = 2**18  # characters
_CHUNK = 2**20
_SEPARATORS = "\t;|,"  # the comma last: it is also a decimal mark
_NAMES = {"\t": "tab", ";": "semicolon", "|": "bar", ",": "comma", " ": "space"}
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_VALUE = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*|true|false", re.IGNORECASE)
_GAPS = ("", "?", "na", "n/a", "#n/a", "nan", "null", "none", "inf", "-inf")


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Attributes:
        encoding: As Python names it.
        separator: Between fields.
        names: Of the columns.
        header: Whether they stand in the file.
        skip: Lines before the first row of values.
        notes: What was detected.
    """

    encoding: str
    separator: str
    names: tuple[str, ...]
    header: bool
    skip: int
    notes: list[str] = field(default_factory=list)


def detect(path: Path, options: Options) -> Dialect:
    """Find out how a text table is written.

    Raises:
        DataError: It is empty, no text, or in another encoding than the one given; two columns of one name.
    """
    notes: list[str] = []
    encoding = options.encoding or _encoding(path)
    _check_encoding(path, encoding)
    if encoding not in ("utf-8", "utf-8-sig") and options.encoding is None:
        notes.append(f"{path.name} was read in the encoding {encoding} (--encoding).")
    sample = _sample(path, encoding)
    if not sample.strip():
        raise DataError(f"{path} must hold rows, got an empty file. Give a table with at least 10 rows.")
    lines = sample.split("\n")
    comments = _leading_comments(lines)
    separator = options.separator or _separator(lines[comments:] or lines)
    if separator != "," and options.separator is None:
        notes.append(f"The separator is a {_NAMES[separator]} (--separator).")
    rows = _rows("\n".join(lines), separator, path)
    mode = _most_common([len(row) for _, row in rows[comments:]] or [1])
    skipped = sum(1 for line, row in rows if line <= comments and len(row) != mode)
    if skipped:
        notes.append(f"Skipped comment lines at the top: {skipped}, starting with {lines[0].strip()[:40]!r}.")
    return _with_names(path, options, encoding, separator, rows[skipped:], mode, notes)


def _with_names(
    path: Path,
    options: Options,
    encoding: str,
    separator: str,
    rows: list[tuple[int, list[str]]],
    mode: int,
    notes: list[str],
) -> Dialect:
    cells = [[cell.strip() for cell in row] for _, row in rows]
    header = _has_header(cells) if options.header is None else options.header
    skip = rows[0][0] if header else rows[0][0] - 1 if len(rows[0][1]) > 0 else 0
    if not header:
        names = tuple(f"c{i}" for i in range(mode))
        if options.header is None:
            notes.append(f"The first row looks like values: columns are named c0 to c{mode - 1} (--header).")
        return Dialect(encoding, separator, names, False, skip, notes)
    names = tuple(cell or f"c{i}" for i, cell in enumerate(cells[0]))
    unnamed = [f"c{i}" for i, cell in enumerate(cells[0]) if not cell]
    if unnamed:
        notes.append(f"Columns without a name: {', '.join(unnamed)}. Drop those that only count rows (--drop).")
    check_unique(names)
    return Dialect(encoding, separator, names, True, skip, notes)


def _encoding(path: Path) -> str:
    """UTF-8 or UTF-16 by its mark, UTF-8 where that reads the whole file, else the encodings of Windows."""
    with path.open("rb") as file:
        start = file.read(4)
    for mark, name in _BOMS:
        if start.startswith(mark):
            return name
    return next((name for name in ("utf-8", "cp1252") if _decodes(path, name) is None), "latin-1")


def _check_encoding(path: Path, encoding: str) -> None:
    failure = _decodes(path, encoding)
    if failure:
        raise DataError(f"--encoding must be that of {path}, got {encoding}: {failure}. Try utf-8 or cp1252.")


def _decodes(path: Path, encoding: str) -> str | None:
    """Why a file cannot be decoded, None where it can."""
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                if "\0" in decoder.decode(chunk):
                    raise DataError(f"{path} must be text, got NUL bytes. Another format, or give --encoding utf-16.")
            decoder.decode(b"", final=True)
    except UnicodeError as error:
        return first_line(error)
    return None


def _sample(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, errors="ignore", newline=None) as file:
        text = file.read(_SAMPLE)
        whole = not file.read(1)
    return text if whole or "\n" not in text else text[: text.rindex("\n")]


def _leading_comments(lines: list[str]) -> int:
    """Lines at the top that start like comments; whether they are some shows when their fields are counted."""
    for count, line in enumerate(lines):
        if line.strip() and not line.lstrip().startswith(("#", "|", "%")):
            return count
    return 0


def _separator(lines: list[str]) -> str:
    """The separator that gives most rows the same number of fields, at least two."""
    best, best_share = ",", 0.0
    for separator in _SEPARATORS:
        counts = [len(row) for _, row in _rows("\n".join(lines[:200]), separator, None)]
        mode = _most_common(counts or [1])
        share = sum(count == mode for count in counts) / max(1, len(counts)) if mode > 1 else 0.0
        if share > best_share:
            best, best_share = separator, share
    return best


def _rows(text: str, separator: str, path: Path | None) -> list[tuple[int, list[str]]]:
    """Rows that are not empty, each with the number of the line it ends on."""
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        if path is not None and not rows:
            raise DataError(f"{path} must be a table of text, got: {first_line(error)}. Check the file.") from error
    return rows


def _most_common(counts: list[int]) -> int:
    return Counter(counts).most_common(1)[0][0]


def _has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: words over values, or words that never come again."""
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
