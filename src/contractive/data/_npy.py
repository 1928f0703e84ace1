"""NumPy files without unpickling: headers are checked against the bytes that follow before anything is allocated."""

import math
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from contractive.core.files import BROKEN_FILE_ERRORS
from contractive.data._arrays import ArrayReader, ArraySchema
from contractive.data._errors import DataError, invalid, join_names, reraise_as_data_error, suggest
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK, rows_at_once
from contractive.data._reader import OnDisk, TestRows, slices
from contractive.data._split import tidy
from contractive.data._tables import TableReader

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_KEYS = {  # usual keys of the rows, with those of their labels and of rows to test on
    "x_train": (("y_train",), "x_test"),
    "train_x": (("train_y",), "test_x"),
    "train_images": (("train_labels",), "test_images"),
    **dict.fromkeys(("x", "data", "images", "features"), (("y", "label", "labels", "target", "targets"), "")),
}


class _NoNumbers(DataError):
    """An array that is never read."""


@dataclass(frozen=True)
class Header:
    """The start of an .npy file: shape and type, whether columns follow each other, and where elements start."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int

    @property
    def num_bytes(self) -> int:
        """Bytes of the elements."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_header(file: IO[bytes], what: str, num_bytes: int) -> Header:
    """Read the header of an array, checked against the bytes there are."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise DataError(f"{what} must be of version 1 or 2 of the .npy format, got {version}. Save plain arrays.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # files of Python 2 are slow to read, and otherwise no problem
        shape, fortran, dtype = _HEADERS[version](file)
    if dtype.hasobject:
        raise _NoNumbers(f"{what} must hold numbers, got pickled objects, which are never read. Save plain arrays.")
    if dtype.kind not in "buifU":
        raise _NoNumbers(f"{what} must hold numbers, got {str(dtype)[:60]}. Convert it first.")
    header = Header(shape, dtype, fortran, file.tell())
    there = num_bytes - header.start
    if any(side < 0 for side in shape) or header.num_bytes != there:
        why = "Save one array in each file." if 0 <= header.num_bytes < there else "It is cut short."
        raise DataError(f"{what} must hold {header.num_bytes} bytes, got {there}. {why}")
    return header


class NpySink:
    """Writes float32 rows; the header has room for any number of rows and is written again at the end."""

    def __init__(self, path: Path, names: Sequence[str]):
        self._file: IO[bytes] = path.open("wb")
        self._names, self._rows = names, 0
        self._header()

    def write(self, rows: np.ndarray | dict[str, np.ndarray]) -> None:
        for name, values in rows.items() if isinstance(rows, dict) else [("the rows", rows)]:
            if values.dtype.kind not in "buif":
                raise DataError(f".npy must hold numbers, got {values.dtype} in {name}. Use .csv or .parquet.")
        block = rows
        if isinstance(rows, dict):
            block = np.stack([np.ma.filled(v.astype(np.float32), np.nan) for v in rows.values()], axis=1)
        self._file.write(np.ascontiguousarray(block, "<f4").data)
        self._rows += len(block)

    def close(self) -> None:
        with self._file:
            self._file.seek(0)
            self._header()

    def _header(self) -> None:
        shape = (self._rows, len(self._names))
        described = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, described)


class NpyArray(ArrayReader, OnDisk):
    """The array of an .npy file, read in blocks."""

    name = ".npy"
    takes = ArrayReader.takes | {"stream"}
    sink = NpySink

    @cached_property
    def _header(self) -> Header:
        with reraise_as_data_error(self.path, BROKEN_FILE_ERRORS), self.path.open("rb") as file:
            return read_header(file, str(self.path), self.path.stat().st_size)

    def schema(self) -> ArraySchema:
        return ArraySchema(self._header.shape, self._header.dtype)

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[np.ndarray]:
        header = self._header
        if not header.fortran and len(header.shape) > 1:
            size = min(size, rows_at_once(math.prod(header.shape[1:])))
            for start in range(0, header.shape[0], size):
                yield self.read(start, min(start + size, header.shape[0]))
        elif header.num_bytes:
            with reraise_as_data_error(self.path, BROKEN_FILE_ERRORS):
                order = "F" if header.fortran else "C"
                array = np.memmap(self.path, header.dtype, "r", header.start, header.shape, order)
            yield from slices(array, size)

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        if not on_disk:
            check_fits(str(self.path), 4 * math.prod(self._header.shape), "Leave `stream` at its default.")
        elif self._header.fortran:
            raise DataError(
                f"{self.path} must be in C order to be streamed, got Fortran order. Save np.ascontiguousarray(x)."
            )

    def size(self) -> tuple[int, int]:
        return self._header.shape[0] if self._header.shape else 1, math.prod(self._header.shape[1:])

    def block(self) -> int:
        return rows_at_once(self.size()[1])

    def read(self, start: int, stop: int, columns: Sequence[str] | None = None) -> np.ndarray:
        """Read rows instead of mapping them: pages of a map would count as memory of the process."""
        header, width = self._header, self.size()[1]
        with self.path.open("rb") as file:
            file.seek(header.start + start * width * header.dtype.itemsize)
            flat = np.fromfile(file, header.dtype, (stop - start) * width)
        if len(flat) != (stop - start) * width:
            raise DataError(
                f"{self.path} must stay as it was, got fewer rows than before. Do not change it while it is read."
            )
        return flat.reshape(stop - start, *header.shape[1:])


class NpyTable(TableReader):
    """The array of an .npy file as a table with the columns x0, x1, ..., of whose rows windows are made."""

    name = ".npy"
    takes = TableReader.takes | {"stream"}

    @cached_property
    def _array(self) -> NpyArray:
        return NpyArray(self.path)

    def schema(self) -> pa.Schema:
        shape, dtype = (found := self._array.schema()).shape, found.dtype
        if len(shape) != 2 or dtype.kind not in "buif":
            got = f"{dtype} of {shape} in {self.path.name}"
            raise DataError(f"windows must be made of rows of numbers, got {got}. Reshape to (rows, features).")
        return pa.schema([(f"x{number}", pa.float64()) for number in range(shape[1])])

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        place = {name: number for number, name in enumerate(self.schema().names)}
        names = [*place] if columns is None else columns
        for rows in self._array.batches(size):
            yield pa.table({name: rows[:, place[name]].astype(np.float64) for name in names})

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        check_fits(str(self.path), 8 * math.prod(self._array.size()), "Take a part of the rows.")


class NpzArray(ArrayReader):
    """An array of an .npz file in memory, with labels and test rows where their keys are the usual ones."""

    name = ".npz"
    takes = ArrayReader.takes | {"key", "label"}

    @cached_property
    def _headers(self) -> dict[str, Header]:
        headers, others = {}, {}
        with reraise_as_data_error(self.path, BROKEN_FILE_ERRORS), zipfile.ZipFile(self.path) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(".npy"):
                    with archive.open(entry) as file:
                        key = entry.filename.removesuffix(".npy")
                        try:
                            headers[key] = read_header(file, f"array {key} of {self.path}", entry.file_size)
                        except _NoNumbers as error:
                            others[key] = error
        needed = [others[key] for key in (self.options.key, self.options.label) if key in others]
        if needed or (others and not any(len(header.shape) >= 2 for header in headers.values())):
            raise [*needed, *others.values()][0]
        self._left_out = list(others)
        return headers

    @cached_property
    def key(self) -> str:
        """Key of the array with the rows."""
        headers, options = self._headers, self.options
        if options.key is not None:
            if options.key not in headers:
                raise invalid("key", f"be in {self.path}", repr(options.key), suggest(options.key, list(headers)))
            return options.key
        usual = [key for key in self._find(*_KEYS) if len(headers[key].shape) >= 2]
        others = [k for k, h in headers.items() if h.dtype.kind != "U" and k != options.label and len(h.shape) >= 2]
        if not usual and len(others) != 1:
            there = ", ".join(f"{key} {header.shape}" for key, header in list(headers.items())[:20]) or "no array"
            raise invalid("key", f"say which array of {self.path} has the rows", "none", f"There are {there}.")
        return [*usual, *others][0]

    @cached_property
    def label(self) -> str | None:
        """Key of the labels."""
        headers, wanted, rows = self._headers, self.options.label, self._headers[self.key].shape[:1]
        if wanted is None:
            usual = (key for key in self._usual_labels() if headers[key].shape in (rows, (*rows, 1)))
            return next(usual, None)
        if wanted not in headers:
            raise invalid("label", "be a key", repr(wanted), suggest(wanted, list(headers)))
        return wanted

    def schema(self) -> ArraySchema:
        header, names, found = self._headers[self.key], (), self._headers.get("feature_names")
        if found is not None and found.dtype.kind == "U" and found.shape == (math.prod(header.shape[1:]),):
            names = tuple(str(name)[:1000] for name in self.column("feature_names"))
        unique = names if len(set(names)) == len(names) else ()
        return ArraySchema(header.shape, header.dtype, unique, f"array {self.key} of {self.path}")

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[np.ndarray]:
        return slices(self._rows, size)

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        header = self._headers[self.key]
        needed, remedy = header.num_bytes + 4 * math.prod(header.shape), "Save it as .npy, which is read in chunks."
        check_fits(f"array {self.key} of {self.path}", needed, remedy)

    @cached_property
    def _rows(self) -> np.ndarray:
        return self.column(self.key)

    def column(self, name: str) -> np.ndarray:
        with reraise_as_data_error(self.path, BROKEN_FILE_ERRORS), zipfile.ZipFile(self.path) as archive:
            entry = archive.getinfo(f"{name}.npy")
            check_fits(
                f"array {name} of {self.path}", entry.file_size, f"Save {name} as .npy, which is read in chunks."
            )
            with archive.open(entry) as file, warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                return np.lib.format.read_array(file, allow_pickle=False)

    def column_names(self) -> list[str]:
        rows = self._headers[self.key].shape[:1]
        return [key for key, header in self._headers.items() if header.shape == rows]

    def labels(self) -> np.ndarray | None:
        return None if self.label is None else self._labels(self.label, self._headers[self.key].shape[0])

    def test_rows(self) -> TestRows | None:
        keys = self._find(self._usual[1])
        if not keys:
            return None
        rows = self.column(keys[0])
        label = self._find((self.label or "").lower().replace("train", "test"))
        labels = self._labels(label[0], len(rows)) if label and label[0] != self.label else None
        return TestRows(f"array {keys[0]} of {self.path}", slices(rows), labels, [f"Test rows are those of {keys[0]}."])

    def notes(self) -> list[str]:
        notes = [f"Rows are those of {self.key} (option key)."] if len(self._headers) > 1 else []
        if self._left_out:
            notes.append(f"Left out arrays that hold no plain numbers: {join_names(self._left_out)}.")
        if self.label is not None:
            return [*notes, f"Labels are those of {self.label} (option label)."]
        left_out = {key: self._headers[key].shape for key in self._usual_labels()}
        return notes + [f"{k} of {shape} is no label: it has not one value per row." for k, shape in left_out.items()]

    def _find(self, *names: str) -> list[str]:
        """Return the keys that are among these names, in any case and in the order of the names."""
        keys = {key.lower(): key for key in reversed(self._headers)}
        return [keys[name] for name in names if name in keys]

    @property
    def _usual(self) -> tuple[tuple[str, ...], str]:
        """The usual keys of labels, and of rows to test on, beside the key of the rows."""
        return _KEYS.get(self.key.lower(), ((), ""))

    def _usual_labels(self) -> list[str]:
        return self._find(*self._usual[0])

    def _labels(self, key: str, num_rows: int) -> np.ndarray:
        shape = self._headers[key].shape
        if shape not in ((num_rows,), (num_rows, 1)):
            raise invalid("label", f"have one value per row ({num_rows})", f"{key} of {shape}", "Take another.")
        labels = self.column(key).reshape(-1)
        if labels.dtype.kind == "f" and not np.isfinite(labels).all():
            raise DataError(f"labels must be finite, got others in {key}. Correct them, or take another `label`.")
        return tidy(labels)
