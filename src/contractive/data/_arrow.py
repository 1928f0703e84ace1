"""Typed tables through pyarrow: .parquet files, read in row groups, and Arrow files (.arrow, .feather), in batches."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from contractive.data._errors import DataError, first_line, reraise_as_data_error
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK
from contractive.data._reader import OnDisk, slices
from contractive.data._tables import TableReader

ARROW_ERRORS = (pa.ArrowException, UnicodeError)  # the second where names or texts, or the name of a file, are none
_BUFFER = 2**15  # bytes of each column of a .parquet file that are read ahead
_BYTES_IN_TRAINING = 24  # per number of a row group: its table, its rows, two groups before and after shuffling
_WHOLE = "Save it as .parquet in row groups, which is read in chunks."


def arrow_column(values: np.ndarray) -> pa.Array:
    """Return values as a column of Arrow's: texts, objects (texts with gaps among them), masked arrays with gaps."""
    if values.dtype.kind == "U":
        return pa.array(values.tolist(), pa.string())
    if isinstance(values, np.ma.MaskedArray):
        return pa.array(values.data, mask=np.ma.getmaskarray(values))
    return pa.array(values, from_pandas=values.dtype.kind == "O")


class ArrowSink:
    """Writes rows with a writer of Arrow's, made from path and schema; the first rows fix the schema."""

    def __init__(self, path: Path, names: Sequence[str], make: Any = pq.ParquetWriter):
        self._path, self._names, self._make = path, names, make
        self._schema: pa.Schema | None = None
        self._writer: Any = None

    def write(self, rows: np.ndarray | dict[str, np.ndarray]) -> None:
        columns = rows if isinstance(rows, dict) else dict(zip(self._names, rows.T, strict=True))
        try:
            table = pa.table({name: arrow_column(values) for name, values in columns.items()})
            if self._schema is None:
                self._open(table.schema)
            self._writer.write_table(table.cast(self._schema))
        except pa.ArrowException as error:
            raise DataError(f"columns must keep their kind from block to block, got: {first_line(error)}.") from error

    def close(self) -> None:
        if self._schema is None:
            self._open(pa.schema([(name, pa.float32()) for name in self._names]))
        self._writer.close()

    def _open(self, schema: pa.Schema) -> None:
        self._schema, self._writer = schema, self._make(str(self._path), schema)


class ParquetTable(TableReader, OnDisk):
    """A .parquet file, read in row groups; the group last read is kept."""

    name = ".parquet"
    takes = TableReader.takes | {"stream"}
    sink = ArrowSink
    _last: tuple[Any, pa.Table | None] = (None, None)

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        with reraise_as_data_error(self.path, (*ARROW_ERRORS, OSError)):
            # by default Arrow holds on to all row groups it has come past
            with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=_BUFFER, read_dictionary=self._texts) as file:
                yield file

    @cached_property
    def _texts(self) -> list[str]:
        """Columns of texts, read as dictionaries: a long text that a few bytes repeat is in memory once."""
        with reraise_as_data_error(self.path, (*ARROW_ERRORS, OSError)):
            schema = pq.read_schema(self.path)
        return [each.name for each in schema if pa.types.is_string(each.type) or pa.types.is_large_string(each.type)]

    def schema(self) -> pa.Schema:
        with self._opened() as file:
            return file.schema_arrow

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        with self._opened() as file:
            for batch in file.iter_batches(size, columns=columns, use_threads=False):
                yield pa.Table.from_batches([batch])

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        path, (rows, columns) = self.path, self.size()
        if on_disk:
            needed = _BYTES_IN_TRAINING * num_columns * int(max(np.diff(self._starts), default=0))
            remedy = "Write the file again with smaller ones, for instance row_group_size=10000."
            check_fits(f"a row group of {path}", needed, remedy)
            return
        check_fits(str(path), 2 * path.stat().st_size, _WHOLE)
        # a column of one value is packed into a few bytes, whatever its length
        check_fits(str(path), 8 * rows * columns, "Leave `stream` at its default.")

    def size(self) -> tuple[int, int]:
        with self._opened() as file:
            return file.metadata.num_rows, file.metadata.num_columns

    @cached_property
    def _starts(self) -> list[int]:
        """First row of each row group, and the number of all rows."""
        with self._opened() as file:
            sizes = [file.metadata.row_group(i).num_rows for i in range(file.metadata.num_row_groups)]
        return np.cumsum([0, *sizes]).tolist()

    def block(self) -> int:
        return max(1, int(np.median(np.diff(self._starts))))

    def read(self, start: int, stop: int, columns: Sequence[str] | None = None) -> pa.Table:
        found = spans(self._starts, start, stop)
        return pa.concat_tables(
            [self._group(group, columns).slice(first, last - first) for group, first, last in found]
        )

    def forget(self) -> None:
        """Give up the row group that was read last."""
        self._last = None, None

    def _group(self, group: int, columns: Sequence[str] | None) -> pa.Table:
        if self._last[0] != group or self._last[1] is None:
            self.forget()  # before the next is read: two would be in memory
            with self._opened() as file:
                table = file.read_row_group(group, columns=columns, use_threads=False)
            expected = self._starts[group + 1] - self._starts[group]
            if len(table) != expected:
                raise DataError(
                    f"row group {group} of {self.path} must have the {expected} rows it says, got {len(table)}."
                    " The file is damaged, or was changed meanwhile: write or copy it again."
                )
            self._last = group, table
        return self._last[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": (None, None)}  # a worker reads for itself


class ArrowTable(TableReader):
    """An Arrow file or stream; Feather version 2 is an Arrow file."""

    name = ".arrow or .feather"

    def schema(self) -> pa.Schema:
        with self._opened() as reader:
            return reader.schema

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        names = self.schema().names if columns is None else list(columns)
        with self._opened(names) as reader:
            is_file = isinstance(reader, ipc.RecordBatchFileReader)
            for batch in map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader:
                table = pa.Table.from_batches([batch]).select(names)
                table.validate(full=True)  # Arrow itself believes lengths and indices of broken files until it crashes
                yield from slices(table, size)

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        check_fits(str(self.path), 2 * self.path.stat().st_size, _WHOLE)

    @contextmanager
    def _opened(self, columns: Sequence[str] = ()) -> Iterator[Any]:
        """Open it for the schema, or to read some columns and no others."""
        there = self.schema().names if columns else []
        options = ipc.IpcReadOptions(included_fields=[there.index(name) for name in columns])
        with reraise_as_data_error(self.path, (*ARROW_ERRORS, OSError)), pa.OSFile(str(self.path)) as file:
            try:
                reader: Any = ipc.open_file(file, options=options)
            except pa.ArrowInvalid:
                file.seek(0)
                if file.read(4) == b"FEA1":
                    raise DataError(
                        f"{self.path} must be Feather of version 2, got version 1. Write it again."
                    ) from None
                file.seek(0)
                reader = ipc.open_stream(file, options=options)
            yield reader


def spans(starts: Sequence[int], start: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Go through the parts that hold some rows: the number of each, and which of its rows from where to where.

    Args:
        starts: First row of each part, and the number of all rows.
        start: First row.
        stop: Row after the last.
    """
    for part in range(bisect_right(starts, start) - 1, len(starts) - 1):
        if starts[part] >= stop:
            return
        if starts[part] < starts[part + 1]:  # Spark writes parts without rows
            yield part, max(start, starts[part]) - starts[part], min(stop, starts[part + 1]) - starts[part]
