"""Rows of any further source for a model, prepared, block by block."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from contractive.data._arrays import choose_key
from contractive.data._columns import plain
from contractive.data._csv import points_for_commas, stream_csv
from contractive.data._dialect import detect
from contractive.data._errors import DataError
from contractive.data._images import find_images, read_image
from contractive.data._load import existing
from contractive.data._named import SETS, raw_named
from contractive.data._npy import npy_header, npz_headers, read_npy, read_npy_rows, read_npz
from contractive.data._options import DEFAULT, Options, near
from contractive.data._preparation import BLOCK, Preparation
from contractive.data._preparation import rows_at_once as most_rows
from contractive.data._streams import parquet_blocks
from contractive.data._tables import TEXT_ENDINGS, damage_told, read_table, text_options


@dataclass(frozen=True)
class Block:
    """Some consecutive rows.

    Attributes:
        x: Prepared, float32 (rows, features).
        pass_through: Of each column asked for, its values as they stand in the source.
        start: Row of the source that is the first here.
    """

    x: np.ndarray
    pass_through: dict[str, np.ndarray]
    start: int


def open_rows(
    path: str | Path,
    preparation: Preparation,
    *,
    pass_through: Sequence[str] = (),
    optional: Sequence[str] = (),
    options: Options = DEFAULT,
    rows_at_once: int = BLOCK,
    data_dir: str | Path | None = None,
) -> Iterator[Block]:
    """Go through a source for a model, all rows in their order, prepared as in training.

    Tables of text, .parquet, .npy and folders of images are read in blocks, in constant memory; others whole.

    Args:
        path: As for `load`; its columns may be in any order, label and dropped columns may be absent.
        preparation: Of the model.
        pass_through: Columns to hand on as they are, for instance identifiers; arrays of an .npz with a value per row;
            `file` and `label` of a folder of images; `label` of a named set.
        optional: Columns handed on likewise where the source has them.
        options: How to read a text table or which array of an .npz to take.
        rows_at_once: Rows of a block at most.
        data_dir: For a named set, as for `load`.

    Raises:
        DataError: Rows that do not fit the preparation, with the reason.
    """
    if rows_at_once < 1:
        raise DataError(f"rows_at_once must be at least 1, got {rows_at_once}. For instance {BLOCK}.")
    at, size = 0, min(rows_at_once, most_rows(preparation.features))
    with damage_told(Path(path)):
        wanted = _PassThrough(tuple(pass_through), tuple(optional))
        for raw, kept in _raw(path, preparation, wanted, options, size, data_dir):
            x = preparation.transform(raw)
            yield Block(x, kept, at)
            at += len(x)


@dataclass(frozen=True)
class _PassThrough:
    """Columns to hand on: those that must be there, and those that may."""

    names: tuple[str, ...]
    optional: tuple[str, ...] = ()

    def among(self, there: Sequence[str]) -> tuple[str, ...]:
        """Those of a source with these columns.

        Raises:
            DataError: One that must be there is not.
        """
        for name in self.names:
            if name not in there:
                remedy = near(name, list(there)) if there else "This source has none."
                raise DataError(field="pass_through", rule="name a column", got=repr(name), remedy=remedy)
        return tuple(dict.fromkeys((*self.names, *(name for name in self.optional if name in there))))


_Raw = Iterator[tuple[Any, dict[str, np.ndarray]]]


def _raw(
    data: str | Path, preparation: Preparation, keep: _PassThrough, options: Options, size: int,
    data_dir: str | Path | None,
) -> _Raw:  # fmt: skip
    if str(data) in SETS:
        rows, labels = raw_named(str(data), data_dir)
        return _slices(rows, _chosen(keep, {"label": labels}), size)
    path = existing(data)
    if path.is_dir():
        return _image_blocks(path, preparation, keep, size)
    ending = path.suffix.lower()
    if ending == ".npy":
        return _npy_blocks(path, keep, size)
    if ending == ".npz":
        return _npz_blocks(path, preparation, keep, options, size)
    return (_parted(table, preparation, keep) for table in _tables(path, options, size))


def _slices(rows: Any, kept: dict[str, np.ndarray], size: int) -> _Raw:
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        yield rows[part], {name: values[part] for name, values in kept.items()}


def _chosen(keep: _PassThrough, there: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: there[name] for name in keep.among(list(there))}


def _npy_blocks(path: Path, keep: _PassThrough, size: int) -> _Raw:
    _chosen(keep, {})
    header = npy_header(path)
    if header.fortran or len(header.shape) < 2:
        yield from _slices(read_npy(path), {}, size)
        return
    for start in range(0, header.shape[0], size):
        yield read_npy_rows(path, header, start, min(start + size, header.shape[0])), {}


def _npz_blocks(path: Path, preparation: Preparation, keep: _PassThrough, options: Options, size: int) -> _Raw:
    headers = npz_headers(path)
    key = choose_key(path, headers, options)
    rows = read_npz(path, key)
    could = [k for k, header in headers.items() if header.shape[:1] == rows.shape[:1] and len(header.shape) == 1]
    return _slices(rows, {name: read_npz(path, name) for name in keep.among(could)}, size)


def _image_blocks(path: Path, preparation: Preparation, keep: _PassThrough, size: int) -> _Raw:
    shape = preparation.image_shape
    if shape is None:
        raise DataError(f"{path} must be of the kind of the training data ({preparation.kind}), got images.")
    folder = find_images(path)
    there = {"file": np.asarray([file.relative_to(path).as_posix() for file in folder.files])}
    if folder.labels is not None:
        there["label"] = folder.labels
    kept = _chosen(keep, there)
    for start in range(0, len(folder.files), size):
        part = slice(start, start + size)
        pixels = np.stack([read_image(file, shape) for file in folder.files[part]])
        yield pixels, {name: values[part] for name, values in kept.items()}


def _tables(path: Path, options: Options, size: int) -> Iterator[pa.Table]:
    """Blocks of a table, texts trimmed."""
    ending = path.suffix.lower()
    if ending == ".parquet":
        yield from parquet_blocks(path, None, size)
    elif ending in TEXT_ENDINGS:
        dialect = detect(path, text_options(path, options))
        for batch in stream_csv(path, dialect):
            for start in range(0, len(batch), size):
                table = pa.Table.from_batches([batch.slice(start, size)])
                yield points_for_commas(table, dialect)
    else:
        table, _ = read_table(path, options)
        for start in range(0, len(table), size):
            yield table.slice(start, size)


def _parted(table: pa.Table, preparation: Preparation, keep: _PassThrough) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """The features of a block and the columns kept; columns kept need not be known from training."""
    kept = {name: plain(table.column(name)).to_numpy() for name in keep.among(table.column_names)}
    features = {column.name for column in preparation.columns}
    return table.drop_columns([name for name in kept if name not in features]), kept
