"""The folder of a sweep and the journal in it, which a killed process may have left half-written."""

import os
import shutil
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import StudyDirection

from contractive.studies.sweep._sweep_results import ARRAYS, BEST, DOCUMENT, TABLE, TRIALS

_JOURNAL, _STUDY = "journal.log", "sweep"


class SweepError(ValueError):
    """A folder that cannot be used for this sweep, and what to do about it."""


def check_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise SweepError(f"--out must be a folder, got the file {folder}. Choose another name.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / TRIALS).is_dir():
        raise SweepError(f"--out must be a new or empty folder, got {folder} with other files. Choose another.")


def clear_folder(folder: Path) -> None:
    for name in (TRIALS, BEST):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in (_JOURNAL, DOCUMENT, TABLE, ARRAYS, "report.html"):
        (folder / name).unlink(missing_ok=True)
    (folder / TRIALS).mkdir()


def open_study(folder: Path, objectives: tuple[str, ...]) -> optuna.Study:
    path = folder / _JOURNAL
    lock = JournalFileOpenLock(str(path))
    backend = JournalFileBackend(str(path), lock_obj=lock)
    _mend(path)
    maximised = {"accuracy": StudyDirection.MAXIMIZE}
    directions = [maximised.get(name, StudyDirection.MINIMIZE) for name in objectives]
    try:
        storage = JournalStorage(backend)
        if optuna.get_all_study_names(storage):
            return optuna.load_study(study_name=_STUDY, storage=storage)
        return optuna.create_study(study_name=_STUDY, storage=storage, directions=directions)
    except (ValueError, KeyError) as error:
        raise SweepError(f"{path} must be the journal of a sweep, got: {error}. Replace it with --force.") from error


def _mend(path: Path) -> None:
    """Cut off a last line that a killed process left half-written."""
    whole = path.read_bytes()
    end = whole.rfind(b"\n") + 1
    if end < len(whole):
        os.truncate(path, end)
