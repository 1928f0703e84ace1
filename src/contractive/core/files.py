"""Files that are written whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TEMPORARY = ".writing-"


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    replace_file(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))


def is_temporary(path: Path) -> bool:
    """Return True for a temporary file of `replace_file`, which only a process that was killed leaves behind."""
    return path.name.startswith(_TEMPORARY)


def remove_temporary_files(folder: Path) -> None:
    """Remove the temporary files of `replace_file` in a folder, if there is one."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        path.unlink(missing_ok=True)


def replace_file(path: Path, write: Callable[[str], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: a reader never sees half a file.

    The data are on the disk before the name is, so that this also holds after a power cut.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{_TEMPORARY}{path.name}.")
    os.close(handle)
    try:
        write(temporary)
        os.chmod(temporary, 0o644)
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
