"""NumPy files without unpickling: headers are checked against the bytes that follow before anything is allocated."""

import math
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from contractive.data._errors import DataError, first_line
from contractive.data._memory import check_fits

BROKEN = (  # what NumPy raises over broken files
    ValueError, SyntaxError, TypeError, KeyError, EOFError, OverflowError, RecursionError, NotImplementedError, OSError,
    RuntimeError, MemoryError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What stands at the start of an .npy file.

    Attributes:
        shape: Of the array.
        dtype: Of its elements.
        fortran: Whether columns follow each other and not rows.
        start: Byte at which the elements start.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool
    start: int

    @property
    def num_bytes(self) -> int:
        """Of the elements."""
        return math.prod(self.shape) * self.dtype.itemsize


@contextmanager
def saying_what_is_broken(path: Path) -> Iterator[None]:
    """Turn what NumPy and zipfile raise over broken files into one line."""
    try:
        yield
    except DataError:
        raise
    except BROKEN as error:
        kind = path.suffix.lower()
        raise DataError(f"{path} must be a whole {kind} file, got: {first_line(error)}. Write it again.") from error


def read_header(file: IO[bytes], what: str, num_bytes: int) -> Header:
    """Header of an array, checked against the bytes there are.

    Raises:
        DataError: Pickled objects, other things than numbers or text, too few bytes.
    """
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise DataError(f"{what} must be of version 1 or 2 of the .npy format, got {version}. Save plain arrays.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # files of Python 2 are slow to read and no matter else
        shape, fortran, dtype = readers[version](file)
    if dtype.hasobject:
        raise DataError(f"{what} must hold numbers, got pickled objects, which are never read. Save plain arrays.")
    if dtype.kind not in "buifU":
        raise DataError(f"{what} must hold numbers, got {str(dtype)[:60]}. Convert it first.")
    header = Header(shape, dtype, fortran, file.tell())
    if any(side < 0 for side in shape) or header.num_bytes > num_bytes - header.start:
        raise DataError(f"{what} must hold {header.num_bytes} bytes, got {num_bytes - header.start}. It is cut short.")
    return header


def npy_header(path: Path) -> Header:
    """Header of an .npy file.

    Raises:
        DataError: It is broken, cut short or holds no numbers.
    """
    with saying_what_is_broken(path), path.open("rb") as file:
        return read_header(file, str(path), path.stat().st_size)


def read_npy(path: Path) -> np.ndarray:
    """The array of an .npy file, mapped into memory and not copied.

    Raises:
        DataError: It is broken, cut short or holds no numbers.
    """
    header = npy_header(path)
    if header.num_bytes == 0:
        return np.empty(header.shape, header.dtype)
    order = "F" if header.fortran else "C"
    with saying_what_is_broken(path):
        return np.memmap(path, header.dtype, "r", header.start, header.shape, order)


def read_npy_rows(path: Path, header: Header, start: int, stop: int) -> np.ndarray:
    """Some rows of an .npy file, read and not mapped: pages of a map would count as memory of the process."""
    width = math.prod(header.shape[1:])
    with path.open("rb") as file:
        file.seek(header.start + start * width * header.dtype.itemsize)
        flat = np.fromfile(file, header.dtype, (stop - start) * width)
    if len(flat) != (stop - start) * width:
        raise DataError(f"{path} must stay as it was, got fewer rows than before. Do not change it while it is read.")
    return flat.reshape(stop - start, *header.shape[1:])


def npz_headers(path: Path) -> dict[str, Header]:
    """Header of each array of an .npz file, by its key.

    Raises:
        DataError: It is broken.
    """
    headers = {}
    with saying_what_is_broken(path), zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".npy"):
                with archive.open(entry) as file:
                    key = entry.filename.removesuffix(".npy")
                    headers[key] = read_header(file, f"array {key} of {path}", entry.file_size)
    return headers


def read_npz(path: Path, key: str) -> np.ndarray:
    """One array of an .npz file, its declared size checked against the memory first.

    Raises:
        DataError: It is broken or does not fit into memory.
    """
    with saying_what_is_broken(path), zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(f"{key}.npy")
        check_fits(f"array {key} of {path}", entry.file_size, f"Save {key} as .npy, which is read in parts.")
        with archive.open(entry) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return np.lib.format.read_array(file, allow_pickle=False)
