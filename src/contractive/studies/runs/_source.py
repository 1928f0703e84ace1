"""Where a run's data came from, kept in its configuration so that it can go on with them."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from contractive.data import BROKEN_FILE_ERRORS, SETS, Options, Split, load
from contractive.studies.runs._folder import Files, RunError
from contractive.studies.runs._open import AnyRun


def load_again(run: AnyRun, data: str | Path | None = None, *, data_dir: str | Path | None = None) -> Split:
    """The data of a run, split as they were.

    Args:
        run: Begun before.
        data: Where they lie now, if they were moved.
        data_dir: Where the files of a named set lie now.

    Raises:
        RunError: The run does not say where they came from, or they are not the same any more.
        DataError: They cannot be read.
    """
    note = run.config["data"].get("source")
    try:
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in note["options"].items()
        }
        options, source, folder = Options(**values), Path(data or note["data"]), data_dir or note["data_dir"]
    except (TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{run.folder} must say where its data came from, got no such note. Train again.") from error
    split = load(source, data_dir=folder, seed=run.settings.seed, options=options)
    before = str(run.config["data"].get("checksum"))
    if split.checksum != before:
        raise RunError(
            f"DATA must be what {run.folder} was begun with, got {source} with checksum {split.checksum[:12]} instead"
            f" of {before[:12]}. Put the old data back, or start a new run."
        )
    return split


def is_training_data(run: AnyRun, data: str | Path) -> bool:
    """Whether a run was trained on these data: the same name, or a file of the same content."""
    note = run.config["data"].get("source") or {}
    if str(data) in SETS:
        return note.get("data") == str(data)
    path = Path(data).expanduser()
    if note.get("data") == str(path.resolve()):
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == run.config["data"].get("checksum")


def split_parts(run: AnyRun) -> np.ndarray | None:
    """Read `split.npz`: of each row of the source 0 (train), 1 (validation), 2 (test); None for a set with its own.

    Raises:
        RunError: A broken file.
    """
    path = Files(run.folder).split
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            return stored["parts"]
    except BROKEN_FILE_ERRORS as error:
        raise RunError(f"{path} must hold the parts of the data, got: {error}. Train again.") from error
