"""Files that are written whole or not at all, and read with bounds."""

import glob
import os
import stat
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROKEN_FILE_ERRORS = (  # what json, NumPy and zipfile raise over broken files
    ValueError, SyntaxError, TypeError, KeyError, EOFError, OverflowError, RecursionError, NotImplementedError, OSError,
    RuntimeError, MemoryError, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_TEMPORARY = ".writing-"


def check_regular(path: Path, largest: int) -> None:
    """Raise OSError or ValueError for what would block or fill the memory when read: no regular file, or a large one.

    Args:
        path: Of the file.
        largest: Its bytes at most.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("not a regular file")
    if found.st_size > largest:
        raise ValueError(f"{found.st_size} bytes, more than the {largest} that are read")


def is_temporary(path: Path) -> bool:
    """Return True for a temporary file of `new_file`, which only a process that was killed leaves behind."""
    return path.name.startswith(_TEMPORARY)


def remove_temporary_files(folder: Path, of: str = "") -> None:
    """Remove the temporary files of `new_file` in a folder, if there is one; with `of` only those of a file."""
    for path in folder.glob(f"{_TEMPORARY}{glob.escape(of)}{'.' if of else ''}*"):
        path.unlink(missing_ok=True)


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Hand out a temporary file beside `path` to fill, then rename it: a reader never sees half a file.

    The data are on the disk before the name is, so that this also holds after a power cut. After an error nothing is
    left.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{_TEMPORARY}{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Write a temporary file into a folder and remove it.

    Raises:
        OSError: It cannot be written.
    """
    tempfile.NamedTemporaryFile(dir=folder, prefix=_TEMPORARY).close()


def replace_file(path: Path, write: Callable[[str], Any]) -> None:
    """Let `write` fill a file by its path, whole or not at all."""
    with new_file(path) as temporary:
        write(str(temporary))


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with new_file(path) as temporary:
        # bytes of names that are no text, surrogates in Python, become the escapes of JSON
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
