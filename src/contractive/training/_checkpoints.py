"""Checkpoints of a run: everything that the next epoch depends on, written whole or not at all, read without pickle."""

import io
import struct
import time
import warnings
import zlib
from dataclasses import fields, is_dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from contractive.core.files import replace_file
from contractive.objectives import Objective

_BROKEN = (
    OSError, RuntimeError, UnpicklingError, BadZipFile, EOFError, ValueError, LookupError, TypeError, AttributeError,
    AssertionError, OverflowError, MemoryError, struct.error, zlib.error,
)  # fmt: skip


class CheckpointError(ValueError):
    """A checkpoint that cannot be read or does not belong to this run, and what to do about it."""


class SafeIO(TorchCheckpointIO):
    """Lightning's reading and writing of checkpoints, made atomic and restricted to tensors and plain values."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write beside it, then rename."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read tensors and plain values, nothing wider."""
        return read_checkpoint(path, map_location)


class Checkpoints(Checkpoint):
    """Writes the state after an epoch, but not more often than every so many seconds, and after the last one.

    Args:
        path: Of the file.
        every: Seconds.
    """

    def __init__(self, path: Path, every: float) -> None:
        self._path = path
        self._every = every
        self._written = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it if it is time; all processes take the first one's word."""
        last = trainer.should_stop or trainer.current_epoch + 1 >= (trainer.max_epochs or 0)
        due = last or time.monotonic() - self._written >= self._every
        if trainer.strategy.broadcast(due):
            trainer.save_checkpoint(self._path)
            self._written = time.monotonic()


def write_checkpoint(checkpoint: dict[str, Any], path: Path) -> None:
    """Write it whole or not at all.

    Raises:
        OSError: There is no room; torch itself would say so as a RuntimeError of its own internals.
    """
    content = io.BytesIO()
    torch.save(checkpoint, content)
    replace_file(path, lambda temporary: Path(temporary).write_bytes(content.getbuffer()))


def read_checkpoint(path: str | Path, map_location: Any = "cpu") -> dict[str, Any]:
    """The checkpoint as tensors and plain values.

    Raises:
        CheckpointError: A missing or broken file, or one that holds anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of pickle protocols, over damaged files
            checkpoint = torch.load(path, map_location=map_location, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint must exist to go on from, got no file {path}. Start the run anew.") from None
    except _BROKEN as error:
        reason = (str(error) or type(error).__name__).splitlines()[0].split(". ")[0][:120]
        raise CheckpointError(
            f"checkpoint must be one that training wrote, got a broken {path}: {reason}. Start the run anew."
        ) from error
    ours = checkpoint.get("contractive") if isinstance(checkpoint, dict) else None
    if not isinstance(ours, dict) or not isinstance(ours.get("settings"), dict):
        raise CheckpointError(f"checkpoint must be one that `fit` wrote, got another file, {path}. Start the run anew.")
    return checkpoint


def does_not_belong(path: Any, error: Exception) -> CheckpointError:
    """What to say where the state in a checkpoint cannot be taken back."""
    reason = (str(error) or type(error).__name__).splitlines()[0][:120].rstrip(".:")
    return CheckpointError(
        f"checkpoint must be of this run, got one of another or a damaged one, {path}: {reason}. Start the run anew."
    )


def begin_anew(source: Path, target: Path, objective: Objective) -> None:
    """Copy a checkpoint as the beginning of a run with another objective."""
    checkpoint = read_checkpoint(source)
    checkpoint["contractive"]["settings"] |= objective_settings(objective)
    write_checkpoint(checkpoint, target)


def objective_settings(objective: Objective) -> dict[str, Any]:
    """What a checkpoint keeps of the objective, to tell runs apart."""
    return {
        "objective": objective.name,
        "weights": {term.name: term.weight for term in objective.terms},
        "loss": described(objective.loss),
        "corruption": described(objective.corruption),
        "penalties": {term.name: f"{described(term.penalty)} of the {term.of}" for term in objective.terms},
        "weight_decay": objective.weight_decay,
    }


def described(part: Any) -> str:
    """A setting in words that are the same in the next process: numbers and fields, else only the name of its kind."""
    if part is None or isinstance(part, str):
        return str(part)
    if isinstance(part, int | float | np.number):
        return f"{part:.12g}"
    name = getattr(part, "__name__", type(part).__name__)
    if not is_dataclass(part):
        return name
    values = (f"{field.name}={described(getattr(part, field.name))}" for field in fields(part))
    return f"{name}({', '.join(values)})"
