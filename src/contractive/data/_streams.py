"""Sources whose rows stay on disk: .npy files in C order, .parquet files by row group."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from contractive.data._arrays import image_shape_of
from contractive.data._checksum import file_checksum
from contractive.data._columns import MOST_CATEGORIES, Column, kind_of_type, plain, texts
from contractive.data._errors import DataError, listed
from contractive.data._labels import label_values
from contractive.data._memory import check_fits, fits
from contractive.data._npy import npy_header, read_npy_rows
from contractive.data._options import Options, check_columns_exist
from contractive.data._preparation import BLOCK, rows_at_once
from contractive.data._rows import NpyRows, ParquetRows, group_sizes
from contractive.data._source import Source, unscaled
from contractive.data._table_columns import check_unique
from contractive.data._tables import category, check_kinds, damage_told, draft_of, kind_notes, whole_days

_BUFFER = 2**15  # bytes of each column of a .parquet file that are read ahead
_BYTES_IN_TRAINING = 24  # per number of a row group: its table, its rows, two groups before and after shuffling

pc: Any = pyarrow.compute  # its functions are made at run time, unknown to type checkers


def is_streamed(path: Path, options: Options) -> bool:
    """Whether a source is left on disk: as the user says, else where its float32 would not leave room for work.

    Raises:
        DataError: Streaming was asked of a format that has none.
    """
    ending = path.suffix.lower()
    if path.is_dir() or ending not in (".npy", ".parquet"):
        if options.stream:
            raise DataError(f"--stream must be for .npy or .parquet, got {path.name}. Save the data as one of these.")
        return False
    if options.stream is not None:
        return options.stream
    if ending == ".npy":
        return not fits(4 * math.prod(npy_header(path).shape))
    metadata = _metadata(path)
    return not fits(4 * metadata.num_rows * metadata.num_columns)


def npy_stream(path: Path, options: Options) -> Source:
    """Rows of an .npy file, left there.

    Raises:
        DataError: Its columns follow each other and not its rows, or it has no rows of numbers.
    """
    header = npy_header(path)
    num_rows = header.shape[0] if header.shape else 0
    if header.fortran and len(header.shape) > 1:
        raise DataError(f"{path} must be in C order to be streamed, got Fortran order. Save np.ascontiguousarray(x).")
    image_shape, notes = image_shape_of(header.shape, header.dtype, options, str(path))
    kind = "array" if image_shape is None else "images"
    as_bytes = header.dtype == np.uint8
    draft = unscaled(kind, math.prod(header.shape[1:]), image_shape=image_shape, whole=kind == "images" and as_bytes)

    size = rows_at_once(draft.width)

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, num_rows, size):
            yield read_npy_rows(path, header, start, min(start + size, num_rows))

    return Source(
        path, draft, num_rows, blocks, as_bytes=as_bytes, checksum=file_checksum(path), notes=notes,
        on_disk=lambda preparation, held: NpyRows(path, header, preparation, held),
    )  # fmt: skip


def parquet_stream(path: Path, options: Options) -> Source:
    """Rows of a .parquet file, left there; the label column alone is read whole.

    Raises:
        DataError: Columns that cannot become features.
    """
    metadata = _metadata(path)
    schema = metadata.schema.to_arrow_schema()
    check_unique(schema.names)
    check_columns_exist(options, schema.names)
    kept = [name for name in schema.names if name not in options.drop and name != options.label]
    if not kept:
        raise DataError(f"data must have a column beside the label, got {listed(schema.names)}. Keep one.")
    check_fits(
        f"a row group of {path}",
        _BYTES_IN_TRAINING * len(kept) * max(group_sizes(path), default=0),
        "Write the file again with smaller ones, for instance row_group_size=10000.",
    )
    named = options.one_hot if isinstance(options.one_hot, tuple) else ()
    types = {name: schema.field(name).type for name in kept}
    kinds = {name: "text" if name in named else kind_of_type(types[name]) for name in kept}
    empty = {name: plain(pa.chunked_array([], types[name])) for name in kept if kinds[name] == "text"}
    check_kinds(kinds, types, options, empty)
    columns = tuple(_column(path, name, kinds[name]) for name in kept)
    labels = None
    if options.label is not None:
        table = pq.read_table(path, columns=[options.label], use_threads=False)
        labels = label_values(options.label, plain(table.column(0)))
    return Source(
        path, draft_of(columns, options), metadata.num_rows, lambda: parquet_blocks(path, kept), labels,
        checksum=file_checksum(path), notes=kind_notes(kinds),
        on_disk=lambda preparation, held: ParquetRows(path, preparation, held),
    )  # fmt: skip


def parquet_blocks(path: Path, columns: list[str] | None, size: int = BLOCK) -> Iterator[pa.Table]:
    """Rows of a .parquet file in blocks.

    Raises:
        DataError: It is broken.
    """
    with damage_told(path, OSError):
        # by default Arrow holds on to all row groups it has come past
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
            for batch in file.iter_batches(size, columns=columns, use_threads=False):
                yield pa.Table.from_batches([batch])


def _metadata(path: Path) -> pq.FileMetaData:
    with damage_told(path, OSError):
        with pq.ParquetFile(path) as file:
            return file.metadata


def _column(path: Path, name: str, kind: str) -> Column:
    """A column by a pass over it alone, where its type does not say enough."""
    if kind == "text":
        found: set[str] = set()
        for block in parquet_blocks(path, [name]):
            found.update(pc.unique(texts(plain(block.column(0)))).drop_null().to_pylist())
            if len(found) > MOST_CATEGORIES:
                break
        return category(name, list(found))
    if kind == "date":
        days = all(whole_days(plain(block.column(0))) for block in parquet_blocks(path, [name]))
        return Column(name, "date", days=days)
    return Column(name, kind)
