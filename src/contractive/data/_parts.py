"""A folder of part files, as Spark, Dask and pandas write a table: read one after another as one table."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from contractive.data._arrow import ArrowTable, ParquetTable, spans
from contractive.data._csv import TextTable, common_marks
from contractive.data._errors import DataError, first_line, join_names
from contractive.data._marks import Marks
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK
from contractive.data._reader import OnDisk, files_checksum
from contractive.data._tables import TableReader

# formats of a file of which a folder is one table, and of its parts
IN_PARTS: dict[str, type[TableReader]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".data", ".test", ".dat"), TextTable),
    **dict.fromkeys((f"{name}.{packed}" for name in (".csv", ".tsv", ".txt") for packed in ("gz", "zst")), TextTable),
    ".parquet": ParquetTable,
    **dict.fromkeys((".arrow", ".feather", ".ipc"), ArrowTable),
}
_COPIES = 3


def parts_reader(folder: Path) -> type["PartFiles"] | None:
    """Return what reads the part files of a table in a folder; None where the folder holds anything else."""
    found = _part_files(folder)
    return None if found is None else ParquetParts if found[1] is ParquetTable else PartFiles


def _part_files(folder: Path) -> tuple[list[Path], type[TableReader]] | None:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith((".", "_")))
    for suffix, reader in IN_PARTS.items():
        if files and all(path.name.lower().endswith(suffix) for path in files):
            return [path for path in files if path.stat().st_size], reader
    return None


class PartFiles(TableReader):
    """The part files of a folder. A sub-folder `name=value` gives its rows a column more, if they lack it."""

    name = "folders of part files"
    takes = TextTable.takes

    @cached_property
    def _parts(self) -> list[Any]:
        found: Any = _part_files(self.path)
        files, reader = found
        if not files:
            raise DataError(f"{self.path} must hold rows, got empty part files. Write it again.")
        first, options = reader(files[0], self.options, self.like), self.options
        if reader is TextTable:  # the few rows of another part may not show it
            options = replace(options, header=first.header, separator=first.dialect.separator)
        return [first, *(reader(path, options, self.like) for path in files[1:])]

    @property
    def untyped(self) -> bool:
        return self._parts[0].untyped

    @cached_property
    def marks(self) -> Marks:
        texts = [part for part in self._parts if isinstance(part, TextTable)]
        return common_marks(self, texts) if texts else Marks()

    @property
    def header(self) -> bool | None:
        return self._parts[0].header

    def schema(self) -> pa.Schema:
        return self._schema

    @cached_property
    def _schema(self) -> pa.Schema:
        """Columns of all parts; where whole numbers in one are fractions in another, they are fractions."""
        try:
            schema = pa.unify_schemas([part.schema() for part in self._parts], promote_options="permissive")
        except pa.ArrowException as error:
            raise DataError(
                f"part files of {self.path} must have columns of the same types, got: {first_line(error)}."
                " Write the folder again."
            ) from error
        for name, value in self._values[self._parts[0].path].items():
            if name not in schema.names:  # polars writes it into the files, too
                schema = schema.append(pa.field(name, pa.scalar(value).type))
        return schema

    def index(self) -> list[str]:
        return self._parts[0].index()

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        for part in self._parts:
            if self.untyped and self.like is not None:
                part.marks = self.marks
            there = self._there(part, columns)
            for table in part.batches(size, there):
                yield self._completed(part, table, columns)

    def _there(self, part: TableReader, columns: Sequence[str] | None) -> list[str]:
        """Return the columns that a part file holds itself; `DataError` where it lacks one."""
        names, there = self._schema.names if columns is None else columns, part.column_names()
        if missing := [name for name in names if name not in there and name not in self._values[part.path]]:
            raise DataError(
                f"part files must have the same columns, got {part.path.name} without {join_names(missing)}."
                " Write the folder again."
            )
        return [name for name in names if name in there]

    def _completed(self, part: TableReader, table: pa.Table, columns: Sequence[str] | None) -> pa.Table:
        """Return rows of a part file with the columns that its folders name, in the types of the whole table."""
        names = self._schema.names if columns is None else list(columns)
        for name, value in self._values[part.path].items():
            if name in names and name not in table.column_names:
                table = table.append_column(name, pa.repeat(value, len(table)))
        types = table.schema if self.like is not None else self._schema  # further rows of texts are numbers already
        return table.select(names).cast(pa.schema([types.field(name) for name in names]), safe=False)

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        size = sum(part.path.stat().st_size for part in self._parts)
        check_fits(str(self.path), _COPIES * size, "Save it as .parquet files, which are read in chunks.")

    def checksum(self) -> str:
        return files_checksum(self.path, [part.path for part in self._parts])

    def notes(self) -> list[str]:
        return [f"Read {len(self._parts)} part files as one table.", *self._parts[0].notes()]

    @cached_property
    def _values(self) -> dict[Path, dict[str, Any]]:
        """The values that the folders of each part file name, whole numbers where all are."""
        named = {part.path: dict(self._pairs(part.path)) for part in self._parts}
        names = {name for values in named.values() for name in values}
        whole = {name for name in names if all(values.get(name, "").isdigit() for values in named.values())}
        return {
            path: {name: int(value) if name in whole else value for name, value in values.items()}
            for path, values in named.items()
        }

    def _pairs(self, path: Path) -> Iterator[tuple[str, str]]:
        for folder in path.relative_to(self.path).parts[:-1]:
            name, equals, value = folder.partition("=")
            if equals:
                yield name, value


class ParquetParts(PartFiles, OnDisk):
    """Part files in .parquet, whose training rows can stay in them."""

    takes = ParquetTable.takes
    _open: ParquetTable | None = None

    def size(self) -> tuple[int, int]:
        return self._starts[-1], len(self._schema.names)

    @cached_property
    def _starts(self) -> list[int]:
        """First row of each part, and the number of all rows."""
        return np.cumsum([0, *(part.size()[0] for part in self._parts)]).tolist()

    def block(self) -> int:
        return int(np.median([part.block() for part in self._parts]))

    def read(self, start: int, stop: int, columns: Sequence[str] | None = None) -> pa.Table:
        return pa.concat_tables([
            self._completed(part, self._opened(part).read(first, last, self._there(part, columns)), columns)
            for number, first, last in spans(self._starts, start, stop)
            for part in [self._parts[number]]
        ])  # fmt: skip

    def _opened(self, part: ParquetTable) -> ParquetTable:
        """Return a part file, the rows of the one before given up."""
        if self._open is not None and self._open is not part:
            self._open.forget()
        self._open = part
        return part

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        for part in self._parts:
            part.check_memory(num_columns, on_disk)
        if not on_disk:
            check_fits(str(self.path), 8 * self._starts[-1] * num_columns, "Leave `stream` at its default.")
