"""The table of formats: who reads a file of each suffix. A new format is its own file, and its line here."""

from pathlib import Path
from typing import Any

from contractive.data._arrow import ArrowTable, ParquetTable
from contractive.data._csv import TextTable
from contractive.data._errors import DataError, invalid
from contractive.data._images import ImageFolder
from contractive.data._named import SETS
from contractive.data._npy import NpyArray, NpzArray
from contractive.data._options import DEFAULT, Options
from contractive.data._preparation import Preparation
from contractive.data._reader import Reader

FOLDER = "/"

FORMATS: dict[str, type[Reader[Any, Any]]] = {
    ".npy": NpyArray,
    ".npz": NpzArray,
    **dict.fromkeys((".csv", ".tsv", ".txt", ".data", ".test", ".dat"), TextTable),
    ".parquet": ParquetTable,
    **dict.fromkeys((".arrow", ".feather", ".ipc"), ArrowTable),
    FOLDER: ImageFolder,
}


def open_reader(
    data: str | Path, options: Options = DEFAULT, like: Preparation | None = None, *, field: str = "data"
) -> Reader[Any, Any]:
    """Return the reader of a file or folder, of rows to train on or of further rows `like` those of a preparation.

    To train on, options that the format does not have are refused. Messages call the place by the name `field`.
    """
    path = Path(data).expanduser()
    if not path.exists():
        names = f"one of {', '.join(SETS)}, " if field == "data" else ""
        raise invalid(field, f"be {names}a file or a folder of images", repr(str(data)), "There is none there.")
    reader = FORMATS.get(FOLDER if path.is_dir() else path.suffix.lower())
    if reader is None:
        suffixes = " ".join(suffix for suffix in FORMATS if suffix != FOLDER)
        raise invalid(field, f"end in one of {suffixes} or be a folder of images", path.name, "Convert it.")
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
