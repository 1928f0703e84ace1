"""The table of formats: what reads and writes files of each suffix. A new format is its own file, and its line here."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from contractive.core.files import new_file, remove_temporary_files
from contractive.data._cells import CellsByGenes
from contractive.data._columns import check_unique
from contractive.data._errors import DataError, invalid, join_names
from contractive.data._images import ImageFolder
from contractive.data._named import SETS
from contractive.data._npy import NpyArray, NpyTable, NpzArray
from contractive.data._options import DEFAULT, Options
from contractive.data._parts import IN_PARTS, parts_reader
from contractive.data._preparation import Preparation
from contractive.data._reader import Reader, Sink
from contractive.data._spreadsheet import Spreadsheet
from contractive.data._windows import WindowPreparation

FOLDER = "/"

FORMATS: dict[str, type[Reader[Any, Any]]] = {
    ".npy": NpyArray,
    ".npz": NpzArray,
    **IN_PARTS,
    ".xlsx": Spreadsheet,
    ".h5ad": CellsByGenes,
    FOLDER: ImageFolder,
}


def check_place(data: str | Path, field: str = "data") -> None:
    """Refuse what is neither there nor, as data, the name of a set; messages call it by the name `field`."""
    sets = SETS if field == "data" else ()
    if str(data) not in sets and not Path(data).expanduser().exists():
        names = f"one of {', '.join(sets)}, " if sets else ""
        raise invalid(field, f"be {names}a file or a folder of images", repr(str(data)), "There is none there.")


def open_reader(
    data: str | Path, options: Options = DEFAULT, like: Preparation | None = None, *, field: str = "data"
) -> Reader[Any, Any]:
    """Return the reader of a file or folder, of rows to train on or of further rows `like` those of a preparation.

    To train on, options that the format does not have are refused. Messages call the place by the name `field`.
    """
    check_place(data, field)
    path = Path(data).expanduser()
    if not path.is_dir() and not path.is_file():
        raise invalid(field, "be a regular file or a folder", path.name, "A pipe or a device can have no end.")
    if path.is_dir():
        reader = parts_reader(path) or FORMATS[FOLDER]
    else:
        reader = FORMATS.get("".join(path.suffixes[-2:]).lower()) or FORMATS.get(path.suffix.lower())
    if reader is None:
        suffixes = " ".join(suffix for suffix in FORMATS if suffix != FOLDER)
        raise invalid(field, f"end in one of {suffixes} or be a folder of images", path.name, "Convert it.")
    if reader is NpyArray and (options.window is not None or isinstance(like, WindowPreparation)):
        reader = NpyTable
    if isinstance(like, WindowPreparation):
        like = like.row
    if like is not None and not isinstance(like, reader.prepared_by):
        raise DataError(
            f"{path} must be of the kind of the training data ({like.kind}), got {reader.kind}. Give data of that kind."
        )
    if like is None:
        taken = {option for other in FORMATS.values() for option in other.takes}
        for option, value in options.given().items():
            if option in taken and option not in reader.takes and (option, value) != ("stream", False):
                others = dict.fromkeys(other.name for other in FORMATS.values() if option in other.takes)
                formats = " or ".join(others)
                raise invalid(option, f"be for {formats}", path.name, "Leave it out.")
    return reader(path, options, like)


class writer:
    """A context manager that writes rows in blocks; the file is there under its name when all are, else not at all.

    Args:
        path: Where; .npy (float32), .csv or .parquet.
        names: Of the columns.
        overwrite: Replace a file that is there.

    Raises:
        DataError: Another suffix, a file that is there, a folder that is not.
    """

    def __init__(self, path: str | Path, names: Sequence[str], *, overwrite: bool = False):
        self._path, self._names = Path(path).expanduser(), tuple(names)
        if self._path.suffix.lower() not in writable():
            raise invalid("out", f"end in one of {' '.join(writable())}", self._path.name, "Rename it.")
        if not self._names:
            raise DataError("names must name at least one column, got none.")
        check_unique(self._names)
        self._overwrite = overwrite
        self._check_absent()
        if not self._path.parent.is_dir():
            raise invalid("out", "be in a folder that exists", self._path, f"Make {self._path.parent} first.")

    def __enter__(self) -> "writer":
        with ExitStack() as stack:
            try:
                remove_temporary_files(self._path.parent, self._path.name)
                temporary = stack.enter_context(new_file(self._path))
            except OSError as error:
                got = f"{self._path.parent}: {error.strerror}"
                raise invalid("out", "be in a folder that can be written", got, "") from error
            self._sink: Sink = writable()[self._path.suffix.lower()](temporary, self._names)
            stack.push(lambda kind, *_: self._check_absent() if kind is None else None)
            stack.callback(self._sink.close)
            self._end = stack.pop_all()
        return self

    def write(self, rows: np.ndarray | Mapping[str, Any]) -> None:
        """Append rows: an array (rows, names), or for each name its values; `DataError` for other columns."""
        if not isinstance(rows, Mapping):
            rows = np.asarray(rows)
            if rows.ndim != 2 or rows.shape[1] != len(self._names):
                raise DataError(f"rows must be (rows, {len(self._names)}), got {rows.shape}. One column for each name.")
            self._sink.write(rows)
            return
        if set(rows) != set(self._names):
            raise DataError(f"rows must have the columns {join_names(self._names)}, got {join_names(rows)}.")
        columns = {name: np.asanyarray(rows[name]) for name in self._names}
        if any(values.ndim != 1 for values in columns.values()) or len({len(v) for v in columns.values()}) > 1:
            raise DataError("columns must be of one length, got several.")
        self._sink.write(columns)

    def __exit__(self, *error: Any) -> None:
        self._end.__exit__(*error)

    def _check_absent(self) -> None:
        if self._path.is_dir():
            raise invalid("out", "be a file", f"the folder {self._path}", "Name a file in it.")
        if self._path.exists() and not self._overwrite:
            raise invalid("out", "be a new file", self._path, "Choose another one, or replace it with `overwrite`.")


def writable() -> dict[str, Any]:
    """Return what writes files of each suffix; of several suffixes of a format the first."""
    sinks: dict[Any, str] = {}
    for suffix, reader in FORMATS.items():
        if reader.sink is not None:
            sinks.setdefault(reader.sink, suffix)
    return {suffix: sink for sink, suffix in sinks.items()}
