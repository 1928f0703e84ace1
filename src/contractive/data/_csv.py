"""Text tables through pyarrow, every column as text first; kinds are found afterwards over all rows."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv as pa_csv

from contractive.data._columns import plain, with_points
from contractive.data._dialect import Dialect
from contractive.data._errors import DataError, first_line
from contractive.data._memory import check_fits

_COPIES = 3  # of the file in memory while its texts become numbers
_BLOCK = 2**22  # bytes


def read_csv(path: Path, dialect: Dialect) -> pa.Table:
    """All rows, every column as text.

    Raises:
        DataError: Rows of different lengths, broken quotes, a table larger than the memory.
    """
    check_fits(str(path), _COPIES * path.stat().st_size, "Save it as .parquet, which is read in parts.")
    batches = list(stream_csv(path, dialect))
    return pa.Table.from_batches(batches, _schema(dialect))


def stream_csv(path: Path, dialect: Dialect) -> Iterator[pa.RecordBatch]:
    """Rows in blocks, every column as text.

    Raises:
        DataError: Rows of different lengths, broken quotes.
    """
    ragged: list[Any] = []

    def note(row: Any) -> str:
        ragged.append(row)
        return "error"

    read = pa_csv.ReadOptions(
        use_threads=False, block_size=_BLOCK, skip_rows=dialect.skip, column_names=list(dialect.names),
        encoding="utf8" if dialect.encoding.lower() in ("utf-8", "utf8", "utf-8-sig") else dialect.encoding,
    )  # fmt: skip
    parse = pa_csv.ParseOptions(delimiter=dialect.separator, newlines_in_values=True, invalid_row_handler=note)
    types = dict.fromkeys(dialect.names, pa.string())
    convert = pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False)
    try:
        yield from pa_csv.open_csv(path, read_options=read, parse_options=parse, convert_options=convert)
    except (pa.ArrowException, UnicodeError) as error:
        if ragged:
            raise _ragged(path, dialect) from None
        if "Empty CSV" in str(error) or "no data" in str(error).lower():
            return
        raise DataError(f"{path} must be a table of text, got: {first_line(error)}. Check quotes and rows.") from error


def points_for_commas(table: pa.Table, dialect: Dialect) -> pa.Table:
    """The table with its decimal commas read, where the comma does not separate fields."""
    if dialect.separator == ",":
        return table
    return pa.table({name: with_points(plain(table.column(name))) for name in table.column_names})


def _schema(dialect: Dialect) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in dialect.names])


def _ragged(path: Path, dialect: Dialect) -> DataError:
    """The first row of another length, by the number of its line; pyarrow does not count empty lines."""
    with path.open(encoding=dialect.encoding, newline="") as file:
        reader = csv.reader(file, delimiter=dialect.separator)
        for row in reader:
            if row and reader.line_num > dialect.skip and len(row) != len(dialect.names):
                return DataError(
                    f"rows of {path} must have {len(dialect.names)} fields, got {len(row)} in line {reader.line_num}."
                    " Mend the line, or give --separator."
                )
    return DataError(f"rows of {path} must have {len(dialect.names)} fields, got others. Mend them.")
