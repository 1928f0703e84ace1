"""Text tables, read through pyarrow with every column as text; kinds of columns are found afterwards, over all rows."""

import csv
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from typing import Any

import pyarrow as pa
from pyarrow import csv as pa_csv

from contractive.data._arrow import ArrowSink
from contractive.data._columns import plain
from contractive.data._dialect import Dialect, Respaced, detect, opened, texts_of
from contractive.data._errors import DataError, first_line
from contractive.data._marks import Evidence, Marks
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK
from contractive.data._reader import slices
from contractive.data._table_preparation import TablePreparation
from contractive.data._tables import TableReader

_COPIES = 3  # of the file in memory while its texts become numbers
_BYTES = 2**22  # read at once


class TextTable(TableReader):
    """A text table, its separator, encoding, header and decimal mark detected where they are not given."""

    name = "text tables"
    takes = TableReader.takes | {
        "separator", "encoding", "header", "skip_rows", "units_row", "total_row", "decimal", "thousands",
        "keep_na_text",
    }  # fmt: skip
    sink = partial(ArrowSink, make=pa_csv.CSVWriter)
    untyped = True
    _comments = 0

    @cached_property
    def dialect(self) -> Dialect:
        """How the table is written."""
        return detect(self.path, self.options)

    @property
    def header(self) -> bool:
        return self.dialect.header

    def schema(self) -> pa.Schema:
        return pa.schema([(name, pa.string()) for name in self.dialect.names])

    def index(self) -> list[str]:
        known = {column.name for column in self.like.columns} if isinstance(self.like, TablePreparation) else set()
        return [name for name in dict.fromkeys((*self.dialect.index, *super().index())) if name not in known]

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        for table in self.texts(size, columns):
            yield table if self.like is None else self._with_numbers(table)

    def texts(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Go through the rows as texts; the last block waits, for its last row may hold totals."""
        dialect, ragged, waiting = self.dialect, [], None
        self._comments = 0

        def note(row: Any) -> str:
            if row.text in dialect.foot:
                return "skip"
            if row.text.lstrip().startswith("#"):
                self._comments += 1
                return "skip"
            ragged.append(row)
            return "error"

        spaced = dialect.separator == " "
        utf8 = spaced or dialect.encoding.lower() in ("utf-8", "utf8", "utf-8-sig")
        read = pa_csv.ReadOptions(
            use_threads=False, block_size=max(_BYTES, 8 * dialect.longest), skip_rows=0 if spaced else dialect.skip,
            column_names=list(dialect.names), encoding="utf8" if utf8 else dialect.encoding,
        )  # fmt: skip
        parse = pa_csv.ParseOptions(
            delimiter="," if spaced else dialect.separator, newlines_in_values=True, invalid_row_handler=note
        )
        types = dict.fromkeys(dialect.names, pa.string())
        convert = pa_csv.ConvertOptions(column_types=types, strings_can_be_null=False, include_columns=columns)
        try:
            with opened(self.path) as file:
                source = Respaced(file, dialect) if spaced else file
                for batch in pa_csv.open_csv(source, read_options=read, parse_options=parse, convert_options=convert):
                    for part in slices(pa.Table.from_batches([batch]), size):
                        if waiting is not None:
                            yield waiting
                        waiting = part
            if waiting is not None:
                yield waiting.slice(0, len(waiting) - dialect.total)
        except (pa.ArrowException, UnicodeError) as error:
            if ragged:
                raise self._ragged() from None
            if "Empty CSV" in str(error) or "Could not skip" in str(error) or "no data" in str(error).lower():
                return
            raise DataError(
                f"{self.path} must be a table of text, got: {first_line(error)}. Check quotes and rows."
            ) from error

    @cached_property
    def marks(self) -> Marks:
        """The decimal mark and the thousands separator, as the options say or by the evidence of all rows."""
        return common_marks(self, [self])

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        remedy, size = "Save it as .parquet, which is read in chunks.", 0
        with opened(self.path) as file:
            while self.path.suffix.lower() in (".gz", ".zst") and (chunk := file.read(_BYTES)):
                size += len(chunk)
                check_fits(str(self.path), _COPIES * size, remedy)
        check_fits(str(self.path), _COPIES * max(size, self.path.stat().st_size), remedy)

    def notes(self) -> list[str]:
        return [*self.dialect.notes, *([f"Skipped {self._comments} comment lines."] if self._comments else [])]

    def _with_numbers(self, table: pa.Table) -> pa.Table:
        """Return further rows with the numbers of columns that hold numbers by the preparation."""
        assert isinstance(self.like, TablePreparation)
        numbers = {column.name for column in self.like.columns if column.kind == "number"}
        for place, name in enumerate(table.column_names):
            if name in numbers:
                table = table.set_column(place, name, self.marks.numbers(name, plain(table.column(name))))
        return table

    def _ragged(self) -> DataError:
        """Return what to say of the first row of another length; pyarrow does not count empty lines."""
        dialect = self.dialect
        with opened(self.path) as file:
            spaced = dialect.separator == " "
            lines = (line.rstrip() + "\n" if spaced else line for line in texts_of(file, dialect.encoding))
            reader = csv.reader(lines, delimiter=dialect.separator, skipinitialspace=spaced)
            for row in reader:
                comment = row and row[0].lstrip().startswith("#")
                if row and not comment and reader.line_num > dialect.skip and len(row) != len(dialect.names):
                    return DataError(
                        f"rows of {self.path} must have {len(dialect.names)} fields, got {len(row)} in line"
                        f" {reader.line_num}. Correct the line, or give `separator`."
                    )
        return DataError(f"rows of {self.path} must have {len(dialect.names)} fields, got others. Correct them.")


def common_marks(table: TableReader, parts: Sequence[TextTable]) -> Marks:
    """Return the marks of a table, which may be in several files, as its options say or by the evidence of all rows."""
    decimal, thousands, separator = table.options.decimal, table.options.thousands, parts[0].dialect.separator
    if decimal or thousands:
        decimal = decimal or ("," if thousands == "." else ".")
        return Marks(decimal, thousands or ".,".replace(decimal, ""))
    if separator == ",":
        return Marks()  # in such a file the point is the decimal mark
    evidence, left_out = Evidence(), {*table.options.drop, *table.index()}
    if isinstance(table.like, TablePreparation):
        left_out = {*parts[0].dialect.names} - {column.name for column in table.like.columns}
    for rows in (rows for part in parts for rows in part.texts()):
        for name in rows.column_names:
            evidence.add(name, plain(rows.column(name)))
    return evidence.marks(table.path, separator, [name for name in parts[0].dialect.names if name not in left_out])
