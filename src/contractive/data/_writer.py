"""Codes and reconstructions into .npy, .csv and .parquet files, written whole or not at all."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv as pa_csv

from contractive.data._errors import DataError, first_line, listed
from contractive.data._table_columns import check_unique

WRITER_ENDINGS = (".npy", ".csv", ".parquet")


class _Sink(Protocol):
    def write(self, columns: dict[str, np.ndarray]) -> None: ...
    def close(self) -> None: ...


class writer:
    """Write rows in blocks; the file appears under its name when all are there.

    A context manager with `write(rows)`. The file is written beside its place under another name and renamed at the
    end; after an error or an interruption nothing is left.

    Args:
        path: Where; .npy (float32), .csv or .parquet.
        names: Of the columns.
        overwrite: Replace a file that is there.

    Raises:
        DataError: Another ending, a file that is there, a folder that is not.
    """

    def __init__(self, path: str | Path, names: Sequence[str], *, overwrite: bool = False):
        self._path, self._names = Path(path).expanduser(), tuple(names)
        if self._path.suffix.lower() not in WRITER_ENDINGS:
            raise DataError(f"-o must end in one of {' '.join(WRITER_ENDINGS)}, got {self._path.name}. Rename it.")
        if not self._names:
            raise DataError("names must name at least one column, got none.")
        check_unique(self._names)
        self._overwrite = overwrite
        self._check_absent()
        if not self._path.parent.is_dir():
            raise DataError(f"-o must be in a folder that exists, got {self._path}. Make {self._path.parent} first.")

    def __enter__(self) -> "writer":
        try:
            handle, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.", suffix=".part")
        except OSError as error:
            raise DataError(f"-o must be in a folder that can be written, got: {error.strerror}.") from error
        os.close(handle)
        self._temporary = Path(name)
        sinks = {".npy": _Npy, ".csv": _Csv, ".parquet": _Parquet}
        try:
            self._sink: _Sink = sinks[self._path.suffix.lower()](self._temporary, self._names)
        except BaseException:
            self._temporary.unlink(missing_ok=True)
            raise
        return self

    def write(self, rows: np.ndarray | Mapping[str, Any]) -> None:
        """Append rows: an array (rows, names), or for each name its values.

        Raises:
            DataError: Other columns, or columns of different lengths.
        """
        if isinstance(self._sink, _Npy) and isinstance(rows, np.ndarray):
            self._sink.write_array(self._checked(rows))
        else:
            self._sink.write(self._columns(rows))

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self._sink.close()
            if error is None:
                self._check_absent()
                self._temporary.chmod(0o644)
                self._temporary.replace(self._path)
        finally:
            self._temporary.unlink(missing_ok=True)

    def _check_absent(self) -> None:
        if self._path.is_dir():
            raise DataError(f"-o must be a file, got the folder {self._path}. Name a file in it.")
        if self._path.exists() and not self._overwrite:
            raise DataError(f"-o must be a new file, got {self._path}. Choose another one or give --force.")

    def _columns(self, rows: np.ndarray | Mapping[str, Any]) -> dict[str, np.ndarray]:
        if isinstance(rows, Mapping):
            if set(rows) != set(self._names):
                raise DataError(f"rows must have the columns {listed(self._names)}, got {listed(rows)}.")
            columns = {name: np.asarray(rows[name]) for name in self._names}
            if any(values.ndim != 1 for values in columns.values()) or len({len(v) for v in columns.values()}) > 1:
                raise DataError("columns must be of one length, got several.")
            return columns
        array = self._checked(np.asarray(rows))
        return {name: array[:, i] for i, name in enumerate(self._names)}

    def _checked(self, array: np.ndarray) -> np.ndarray:
        if array.ndim != 2 or array.shape[1] != len(self._names):
            raise DataError(f"rows must be (rows, {len(self._names)}), got {array.shape}. One column for each name.")
        return array


class _Npy:
    """Float32 rows; the header has room for any number of rows and is written again at the end."""

    def __init__(self, path: Path, names: tuple[str, ...]):
        self._file: IO[bytes] = path.open("wb")
        self._names, self._rows = names, 0
        self._header()

    def write(self, columns: dict[str, np.ndarray]) -> None:
        for name, values in columns.items():
            self._check(values, name)
        self.write_array(np.stack([values.astype(np.float32) for values in columns.values()], axis=1))

    def write_array(self, block: np.ndarray) -> None:
        self._check(block, "the rows")
        self._file.write(np.ascontiguousarray(block, "<f4").data)
        self._rows += len(block)

    @staticmethod
    def _check(values: np.ndarray, name: str) -> None:
        if values.dtype.kind not in "buif":
            raise DataError(f".npy must hold numbers, got {values.dtype} in {name}. Use .csv or .parquet.")

    def close(self) -> None:
        with self._file:
            self._file.seek(0)
            self._header()

    def _header(self) -> None:
        shape = (self._rows, len(self._names))
        described = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, described)


class _Arrow:
    """What .csv and .parquet share: a schema fixed by the first rows."""

    def __init__(self, path: Path, names: tuple[str, ...]):
        self._path, self._names, self._writer = path, names, None

    def write(self, columns: dict[str, np.ndarray]) -> None:
        try:
            table = pa.table({name: _arrow(values) for name, values in columns.items()})
            if self._writer is None:
                self._writer = self._open(table.schema)
            self._writer.write_table(table.cast(self._writer.schema if self._schema is None else self._schema))
        except pa.ArrowException as error:
            raise DataError(f"columns must keep their kind from block to block, got: {first_line(error)}.") from error

    _schema: pa.Schema | None = None

    def _open(self, schema: pa.Schema) -> Any:
        self._schema = schema
        return self._make(schema)

    def _make(self, schema: pa.Schema) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        if self._writer is None:
            self._writer = self._open(pa.schema([(name, pa.float32()) for name in self._names]))
        self._writer.close()


class _Csv(_Arrow):
    def _make(self, schema: pa.Schema) -> Any:
        return pa_csv.CSVWriter(str(self._path), schema)


class _Parquet(_Arrow):
    def _make(self, schema: pa.Schema) -> Any:
        return pq.ParquetWriter(str(self._path), schema)


def _arrow(values: np.ndarray) -> pa.Array:
    """Values as Arrow has them; texts and objects (texts with gaps among them) included."""
    return pa.array(values.tolist() if values.dtype.kind == "U" else values, from_pandas=values.dtype.kind == "O")
