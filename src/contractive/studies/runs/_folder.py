"""The files of a run, and what may be done to a folder that has some."""

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from contractive.core.files import is_temporary, remove_temporary_files, replace_file, write_text
from contractive.data import Split
from contractive.models import StorageError, read_config

RUN_FORMAT = 1
CONFIG, MODEL, HISTORY, METRICS, SPLIT = "config.json", "model.safetensors", "history.csv", "metrics.json", "split.npz"
CHECKPOINT = Path("checkpoints") / "last.ckpt"
PRETRAINING, MISTAKES, REPORT = "pretraining.csv", "mistakes.npz", "report.html"  # of a classifier
LOGS = "logs"
AUTOENCODER, CLASSIFIER = "autoencoder", "classifier"
COMMANDS = {AUTOENCODER: "contractive train", CLASSIFIER: "contractive classify"}
_USES = {
    AUTOENCODER: "`contractive encode`, `reconstruct`, `analyze`, `projector` and `export`",
    CLASSIFIER: "`contractive predict`, `encode`, `export` and `info`",
}
_PACKAGES = ("contractive", "torch", "lightning", "numpy", "safetensors")


class RunError(ValueError):
    """A run folder that cannot be used as asked, and what to do about it."""


@dataclass(frozen=True)
class Files:
    """Where the files of a run lie."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / CONFIG

    @property
    def model(self) -> Path:
        return self.folder / MODEL

    @property
    def history(self) -> Path:
        return self.folder / HISTORY

    @property
    def metrics(self) -> Path:
        return self.folder / METRICS

    @property
    def split(self) -> Path:
        return self.folder / SPLIT

    @property
    def checkpoint(self) -> Path:
        return self.folder / CHECKPOINT

    @property
    def checkpoints(self) -> Path:
        return self.checkpoint.parent

    @property
    def pretraining(self) -> Path:
        return self.folder / PRETRAINING

    @property
    def mistakes(self) -> Path:
        return self.folder / MISTAKES

    @property
    def report(self) -> Path:
        return self.folder / REPORT

    def check(self, *, force: bool) -> None:
        """Refuse a folder that is not for a new run.

        Raises:
            RunError: It is a file, or holds a run or other files and `force` is not set.
        """
        try:
            there = self.folder.is_dir()
            # rows parted without a configuration are what is left where the disk was full at the very start
            others = there and any(not is_temporary(e) and e.name != SPLIT for e in self.folder.iterdir())
            loop = self.folder.is_symlink() and not self.folder.exists()
        except OSError as error:
            raise RunError(
                f"--out must be a folder that can be read, got {self.folder}: {error.strerror}. Choose another."
            ) from error
        if loop or (self.folder.exists() and not there):
            kind = "a link to nothing" if loop else "the file"
            raise RunError(f"--out must be a folder, got {kind} {self.folder}. Choose another name.")
        if self.config.exists() and not force:
            raise RunError(
                f"--out must be a folder without a run, got {self.folder}. Choose another one, go on with --resume, or"
                " replace the run with --force."
            )
        if others and not self.config.exists():
            raise RunError(f"--out must be a new or empty folder, got {self.folder} with other files. Choose another.")

    def claim(self, *, force: bool) -> None:
        """Make the folder ready for a new run.

        Raises:
            RunError: It holds a run or other files and `force` is not set, or it cannot be written.
        """
        self.check(force=force)
        mine = (self.config, self.model, self.history, self.metrics, self.split)
        mine += (self.pretraining, self.mistakes, self.report)
        self.sweep()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / ".writable"
            write_text(probe, "")
            probe.unlink()
        except OSError as error:
            raise RunError(
                f"--out must be a folder that can be written, got {self.folder}: {error.strerror}. Choose another."
            ) from error
        for file in mine:
            file.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """Remove the state of training."""
        for pattern in ("*.ckpt", "*.safetensors", "*.npy", "*.npy.part*"):
            for old in self.checkpoints.glob(pattern):
                old.unlink()

    def sweep(self) -> None:
        """Remove what a killed process left half-written."""
        for place in (self.folder, self.checkpoints):
            remove_temporary_files(place)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write it whole or not at all."""
    write_text(path, json.dumps(document, indent=1) + "\n")


def write_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write an .npz file whole or not at all."""

    def write(temporary: str) -> None:
        with open(temporary, "wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type] -- a flag of newer versions is among the names

    replace_file(path, write)


def describe(
    files: Files,
    split: Split,
    head: dict[str, Any],
    settings: dict[str, Any],
    command: str,
    **more: Any,
) -> None:
    """Write `config.json` and `split.npz`: all that is needed to rebuild the run.

    Args:
        files: Of the run.
        split: Its data.
        head: The model, as `storage.config_of` says it.
        settings: Of the run, JSON-able.
        command: That repeats the run.
        more: Further JSON-able facts.
    """
    assert split.preparation is not None
    run = {
        "format": RUN_FORMAT,
        "command": command,
        "settings": settings,
        "data": {
            "name": split.name,
            "checksum": split.checksum,
            "rows": {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
            "notes": list(split.notes),
            "source": {} if split.source is None else asdict(split.source),
        },
        "preparation": split.preparation.to_dict(),
        "versions": versions(),
        **more,
    }
    if split.parts is not None:
        write_arrays(files.split, parts=split.parts)
    write_json(files.config, head | {"extra": head.get("extra", {}) | {"run": run}})


def check_resumable(files: Files) -> None:
    """Refuse a folder without a run to go on with.

    Raises:
        RunError: There is none.
    """
    if not files.config.exists():
        raise RunError(f"--resume must find a run, got {files.folder} without {files.config.name}. Leave --resume out.")


def versions() -> dict[str, str]:
    """Of what the figures depend on."""
    return {"python": platform.python_version(), "machine": platform.machine()} | {
        name: version(name) for name in _PACKAGES
    }


def read_run_config(folder: Path, task: str = AUTOENCODER) -> dict[str, Any]:
    """The part of `config.json` that describes the run, checked for its form.

    Args:
        folder: Of the run.
        task: What its model must be, AUTOENCODER or CLASSIFIER.

    Raises:
        RunError: Not the folder of such a run, a broken file, or one of another format.
    """
    must = f"RUN must be a folder that `{COMMANDS[task]}` wrote"
    if not folder.is_dir():
        raise RunError(f"{must}, got {folder}. Check the path.")
    try:
        config = read_config(folder)
    except StorageError as error:
        if not (folder / CONFIG).exists():
            raise RunError(f"{must}, got {folder} without {CONFIG}. Check the path.") from error
        raise RunError(f"{must}: {error}") from error
    run = config.get("extra")
    run = run.get("run") if isinstance(run, dict) else None
    if not isinstance(run, dict):
        raise RunError(f"{must}, got {folder}, a model saved without data.")
    found = task_of(config)
    if found != task:
        raise RunError(
            f"{must}, got {folder} with the {found} of `{COMMANDS[found]}`. Its commands are {_USES[found]}."
        )
    _check_form(folder, run)
    return run


def task_of(config: dict[str, Any]) -> str:
    """Whether a `config.json` is of an autoencoder or of a classifier."""
    return CLASSIFIER if config.get("builder") == CLASSIFIER else AUTOENCODER


def _check_form(folder: Path, run: dict[str, Any]) -> None:
    """Refuse what no run writes."""
    if run.get("format") != RUN_FORMAT:
        raise RunError(
            f"format of {folder} must be {RUN_FORMAT}, got {run.get('format')}. Use the version that wrote it."
        )
    versions_ = run.get("versions", {})
    if not isinstance(versions_, dict) or not isinstance(run.get("command", ""), str):
        raise RunError(f"{folder / CONFIG} must tell versions and the command, got other things. It was changed.")
    missing = [key for key in ("settings", "data", "preparation") if not isinstance(run.get(key), dict)]
    if missing:
        raise RunError(
            f"{folder / CONFIG} must describe the {missing[0]}, got none. The file was changed; train again."
        )
    rows = run["data"].get("rows", {})
    if not isinstance(rows, dict) or not all(type(count) is int for count in rows.values()):
        raise RunError(f"{folder / CONFIG} must count the rows of the data, got other things. It was changed.")
