"""Single cells in .h5ad files, as anndata writes them: a matrix of cells by genes, dense or sparse."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np

from contractive.data._arrays import ArrayReader, ArraySchema
from contractive.data._errors import LIBRARY_ERRORS, DataError, import_extra, invalid, reraise_as_data_error, suggest
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK, MOST_FEATURES, rows_at_once
from contractive.data._split import tidy

_SPARSE = ("csr_matrix", "csc_matrix")
_LONGEST = 1000  # characters of a name or a category
_AT_ONCE = 2**28  # bytes of texts; each can be as long as the file


class CellsByGenes(ArrayReader):
    """The matrix `X` of an .h5ad file: a row for each of `obs`, the names of `var` its features.

    Another one, such as layers/counts or obsm/X_pca, is taken by its key. Nothing outside the file is read.
    """

    name = ".h5ad"
    takes = frozenset({"key", "label"})

    @property
    def key(self) -> str:
        """Where the matrix is in the file."""
        return self.options.key or "X"

    @cached_property
    def _schema(self) -> ArraySchema:
        with self._opened() as file:
            if not all(isinstance(_find(file, name), type(file["/"])) for name in ("obs", "var")):
                remedy = "Write it again with anndata 0.8 or later."
                raise DataError(f"{self.path} must hold obs and var as groups, got an older form. {remedy}")
            node = self._matrix(file)
            shape = tuple(int(side) for side in (node.shape if hasattr(node, "shape") else node.attrs["shape"]))
            dtype, names = (node if hasattr(node, "dtype") else _find(node, "data")).dtype, ()
            if len(shape) == 2 and shape[1] <= MOST_FEATURES and not self.key.startswith("obs"):
                names = tuple(self._texts(_find(file, f"var/{_index(file['var'])}"), "names of var").tolist())
            if len(set(names)) < len(names) or len(names) not in (0, shape[-1]):
                got = f"{len(set(names))} different ones of {len(names)} for {shape[-1]} columns"
                raise DataError(f"names of var must be unique, one for each column, got {got}. Rename them.")
            return ArraySchema(shape, np.dtype(dtype), names, f"{self.key} of {self.path}")

    def schema(self) -> ArraySchema:
        return self._schema

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        remedy = "Select genes, such as the most variable ones, or a part of the cells."
        check_fits(f"{self.key} of {self.path}", 4 * math.prod(self.schema().shape), remedy)

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[np.ndarray]:
        rows, width = self.schema().shape
        size = min(size, rows_at_once(max(width, 1)))
        with self._opened() as file:
            node = self._matrix(file)
            if hasattr(node, "shape"):
                yield from (_read(node, start, min(start + size, rows)) for start in range(0, rows, size))
            else:
                yield from _unpacked(node, rows, width, size)

    def labels(self) -> np.ndarray | None:
        label = self.options.label
        if label is None:
            return None
        if label not in self.column_names():
            raise invalid("label", "name a column of obs", repr(label), suggest(label, self.column_names()))
        values = self.column(label)
        if any(value is None or value != value for value in values.tolist()):
            raise DataError(f"labels must not be missing, got some in {label}. Leave those cells out.")
        return tidy(values if values.dtype.kind in "biuf" else values.astype(np.str_))

    def column_names(self) -> list[str]:
        with self._opened() as file:
            obs = file["obs"]
            return [name for name in obs if hasattr(_find(obs, name), "shape") or "codes" in obs[name]]

    def column(self, name: str) -> np.ndarray:
        with self._opened() as file:
            node, num = _find(file, f"obs/{name}"), self.schema().shape[0]
            if hasattr(node, "shape"):
                values = self._texts(node, name)
            else:
                categories = [*self._texts(_find(node, "categories"), name).tolist(), None]  # missing has the code -1
                codes = _read(_find(node, "codes"))
                values = np.array(categories, object)[np.where(codes < 0, len(categories) - 1, codes)]
            if values.shape != (num,):
                raise DataError(f"{name} of {self.path} must have {num} values, got {values.shape}. Take another.")
            return values

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        h5py = import_extra("h5py", self.path)
        with reraise_as_data_error(self.path, LIBRARY_ERRORS), h5py.File(self.path, "r") as file:
            yield file

    def _matrix(self, file: Any) -> Any:
        """Return the dataset of a dense matrix, the group of a sparse one."""
        if self.key.split("/")[0] not in ("X", "layers", "obsm") or self.key not in file:
            there = ["X", *(f"{group}/{name}" for group in ("layers", "obsm") for name in file.get(group, ()))]
            raise invalid("key", f"name a matrix of {self.path.name}", repr(self.key), suggest(self.key, there))
        node = _find(file, self.key)
        if not hasattr(node, "shape") and node.attrs.get("encoding-type") not in _SPARSE:
            got = "another form. Take another `key`"
            raise DataError(f"{self.key} of {self.path} must be an array or sparse by rows or columns, got {got}.")
        return node

    def _texts(self, node: Any, what: str) -> np.ndarray:
        """Return the values of a column; texts as objects, in so small pieces that long ones cannot fill the memory."""
        if node.dtype.kind in "biuf":
            return _read(node)
        found, size = [], max(1, min(BLOCK, _AT_ONCE // max(self.path.stat().st_size, 1)))
        for start in range(0, len(node), size):
            found += node.asstr()[start : start + size].tolist()
            if any(len(text) > _LONGEST for text in found[start:]):
                raise DataError(f"{what} must have at most {_LONGEST} characters, got more. Shorten them.")
        return np.array(found, object)


def _index(group: Any) -> str:
    """Return the name of the column that names the rows of a data frame."""
    return str(group.attrs["_index"])


def _find(group: Any, name: str) -> Any:
    """Return a group or dataset whose contents are in the file itself: no links, and no other files behind it."""
    for part in name.split("/"):
        kind = type(group.get(part, getlink=True)).__name__
        if kind != "HardLink":
            got = "nothing there" if kind == "NoneType" else "a link"
            raise DataError(f"{name} of {group.file.filename} must be in the file itself, got {got}. Write it again.")
        group = group[part]
    if hasattr(group, "shape") and (group.external or group.is_virtual):
        raise DataError(f"{name} of {group.file.filename} must be in the file itself, got a link. Write it again.")
    return group


def _read(node: Any, start: int = 0, stop: int | None = None) -> np.ndarray:
    """Read rows of a dataset that fit into memory; at least a chunk is unpacked."""
    rows = node.shape[0] if stop is None else stop
    numbers = max((rows - start) * math.prod(node.shape[1:]), math.prod(node.chunks or ()))
    check_fits(f"{node.name} of {node.file.filename}", numbers * node.dtype.itemsize, "Take a part of it.")
    return node[start:rows]


def _unpacked(group: Any, rows: int, width: int, size: int) -> Iterator[np.ndarray]:
    """Go through the rows of a sparse matrix; one that is sparse by columns is in memory once, still sparse."""
    from scipy import sparse

    by_rows = group.attrs["encoding-type"] == _SPARSE[0]
    data, indices, starts = (_find(group, name) for name in ("data", "indices", "indptr"))
    ends = _read(starts).astype(np.int64)
    lengths = len(ends) == (rows if by_rows else width) + 1 and data.shape == indices.shape == (int(ends[-1]),)
    if not lengths or ends[0] != 0 or (np.diff(ends) < 0).any():
        raise DataError(f"{group.name} of {group.file.filename} must be a sparse matrix, got other indices.")

    def part(start: int, stop: int) -> Any:
        first, last = int(ends[start]), int(ends[stop])
        arrays = _read(data, first, last), _read(indices, first, last).astype(np.int64), ends[start : stop + 1] - first
        found = sparse.csr_array(arrays, shape=(stop - start, width if by_rows else rows))
        found.check_format()  # else indices past the end would be written there
        return found

    if by_rows:
        yield from (part(start, min(start + size, rows)).toarray() for start in range(0, rows, size))
        return
    whole = part(0, width).T.tocsr()
    yield from (whole[start : start + size].toarray() for start in range(0, rows, size))
