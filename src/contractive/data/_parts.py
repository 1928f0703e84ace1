"""A folder of part files, as Spark, Dask and pandas write a table: read one after another as one table."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from contractive.data._arrow import ArrowTable, ParquetTable
from contractive.data._csv import TextTable
from contractive.data._errors import DataError, join_names
from contractive.data._marks import Marks
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK
from contractive.data._reader import files_checksum
from contractive.data._tables import TableReader

_COPIES = 3
_READERS: dict[str, type[TableReader]] = {
    ".parquet": ParquetTable, ".csv": TextTable, ".csv.gz": TextTable, ".arrow": ArrowTable, ".feather": ArrowTable,
}  # fmt: skip


def part_files(folder: Path) -> tuple[list[Path], type[TableReader]] | None:
    """Return the part files of a table and their reader; None where the folder holds anything else."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith((".", "_")))
    for suffix, reader in _READERS.items():
        if files and all(path.name.lower().endswith(suffix) for path in files):
            return [path for path in files if path.stat().st_size], reader
    return None


class PartFiles(TableReader):
    """The part files of a folder. A sub-folder `name=value` gives its rows a column more, if they lack it."""

    name = "folders of part files"
    takes = TextTable.takes

    @cached_property
    def _parts(self) -> list[TableReader]:
        found = part_files(self.path)
        assert found is not None
        if not found[0]:
            raise DataError(f"{self.path} must hold rows, got empty part files. Write it again.")
        return [found[1](path, self.options, self.like) for path in found[0]]

    @property
    def untyped(self) -> bool:
        return self._parts[0].untyped

    @property
    def marks(self) -> Marks:
        return self._parts[0].marks

    @property
    def header(self) -> bool | None:
        return self._parts[0].header

    def schema(self) -> pa.Schema:
        schema = self._parts[0].schema()
        for name, value in self._values(self._parts[0]).items():
            if name not in schema.names:  # polars writes it into the files, too
                schema = schema.append(pa.field(name, pa.scalar(value).type))
        return schema

    def index(self) -> list[str]:
        return self._parts[0].index()

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        names = self.schema().names if columns is None else list(columns)
        for part in self._parts:
            values, there = self._values(part), part.column_names()
            if missing := [name for name in names if name not in there and name not in values]:
                raise DataError(
                    f"part files must have the same columns, got {part.path.name} without {join_names(missing)}."
                    " Write the folder again."
                )
            for table in part.batches(size, [name for name in names if name in there]):
                for name in names:
                    if name not in there:
                        table = table.append_column(name, pa.repeat(values[name], len(table)))
                yield table.select(names)

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        size = sum(part.path.stat().st_size for part in self._parts)
        check_fits(str(self.path), _COPIES * size, "Save it as one .parquet file, which is read in chunks.")

    def checksum(self) -> str:
        return files_checksum(self.path, [part.path for part in self._parts])

    def notes(self) -> list[str]:
        return [f"Read {len(self._parts)} part files as one table.", *self._parts[0].notes()]

    def _values(self, part: TableReader) -> dict[str, Any]:
        """Return the values that the folders of a part file name, whole numbers where all are."""
        folders = [dict(self._pairs(each.path)) for each in self._parts]
        mine = dict(self._pairs(part.path))
        whole = {name for name in mine if all(given.get(name, "").isdigit() for given in folders)}
        return {name: int(value) if name in whole else value for name, value in mine.items()}

    def _pairs(self, path: Path) -> Iterator[tuple[str, str]]:
        for folder in path.relative_to(self.path).parts[:-1]:
            name, equals, value = folder.partition("=")
            if equals:
                yield name, value
