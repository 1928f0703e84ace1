"""Text tables through pyarrow, every column as text first; kinds are found afterwards over all rows."""

import csv
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import pyarrow as pa
from pyarrow import csv as pa_csv

from contractive.data._arrow import ArrowSink
from contractive.data._columns import parse_decimal_commas, plain
from contractive.data._dialect import Dialect, detect
from contractive.data._errors import DataError, first_line
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK
from contractive.data._reader import slices
from contractive.data._tables import TableReader

_COPIES = 3  # of the file in memory while its texts become numbers
_BYTES = 2**22  # read at once


class TextTable(TableReader):
    """A text table, its separator, encoding and header detected where they are not given."""

    name = "text tables"
    takes = TableReader.takes | {"separator", "encoding", "header"}
    sink = partial(ArrowSink, make=pa_csv.CSVWriter)
    untyped = True

    @cached_property
    def dialect(self) -> Dialect:
        """How the table is written."""
        tab = self.path.suffix.lower() == ".tsv"
        return detect(self.path, self.options, separator=self.options.separator or ("\t" if tab else None))

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
        remedy = "Save it as .parquet, which is read in parts."
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
