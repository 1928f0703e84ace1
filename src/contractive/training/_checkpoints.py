"""The state of training in a file: written whole or not at all, read without running code, refused to another run."""

import io
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contractive.core.errors import ContractiveError
from contractive.core.files import BROKEN_FILE_ERRORS, replace_file
from contractive.objectives import Objective

State = dict[str, Any]  # what Lightning and torch keep of a run
_BROKEN = (*BROKEN_FILE_ERRORS, UnpicklingError, LookupError, AttributeError, AssertionError, struct.error)


class CheckpointError(ContractiveError):
    """A checkpoint that cannot be read or does not belong to this run, and what to do about it."""


def write_checkpoint(checkpoint: State, path: Path) -> None:
    """Write a checkpoint whole or not at all; the folder is made if missing."""
    content = io.BytesIO()  # where there is no room, torch itself would raise a RuntimeError about its internals
    torch.save(checkpoint, content)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, lambda temporary: Path(temporary).write_bytes(content.getbuffer()))


def read_checkpoint(path: str | Path, settings: Mapping[str, str] | None = None, device: Any = "cpu") -> State:
    """Read a checkpoint, of a run with these settings, as tensors and plain values; nothing stored in it is run.

    Raises:
        CheckpointError: A missing or broken file, one that holds anything else, or other settings.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of pickle protocols, over damaged files
            checkpoint = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise _refused("exist to resume from", f"no file {path}") from None
    except _BROKEN as error:
        raise _refused("be one that training wrote", f"a broken {path}: {_reason(error)}") from error
    whole: State = checkpoint if isinstance(checkpoint, dict) else {}
    ours: Any = whole.get("contractive")
    stored: Any = ours.get("settings") if isinstance(ours, dict) else None
    if not all(isinstance(part, dict) for part in (ours, stored, whole.get("callbacks", {}))):
        raise _refused("be one that training wrote", f"another file, {path}")
    if not _is_table(ours.get("rows", [])):
        raise _refused("hold the metrics of every epoch", f"{path} with others")
    learned = [checkpoint.get("state_dict"), checkpoint.get("optimizer_states"), ours]  # callbacks may hold infinities
    if not all(bool(tensor.isfinite().all()) for tensor in _tensors(learned)):  # training never writes others
        raise _refused("hold finite numbers", f"{path} with others")
    for name, now in {} if settings is None else settings.items():
        if stored.get(name) != now:
            raise CheckpointError(
                f"A run must be resumed with the settings of its checkpoint, got {name} {now} instead of"
                f" {stored.get(name)}. Set it back, or start the run anew."
            )
    return checkpoint


def _is_table(rows: Any) -> bool:
    """Whether these are rows of numbers, each with the names of the first one; a penalty that sets in adds some."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) and rows[0].keys() <= row.keys() for row in rows):
        return False
    return all(isinstance(value, int | float) for row in rows for value in row.values())


def _tensors(state: Any) -> Iterator[Tensor]:
    """All tensors of a state."""
    if isinstance(state, Tensor):
        yield state
    for part in state.values() if isinstance(state, Mapping) else state if isinstance(state, list | tuple) else ():
        yield from _tensors(part)


def restored(path: Any, restore: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Restore a part of the state in a checkpoint.

    Raises:
        CheckpointError: The state does not fit.
    """
    try:
        return restore(*arguments, **options)
    except ContractiveError:
        raise
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        got = f"one of another or a damaged one, {path}: {_reason(error)}"
        remedy = "Give network and optimiser as they were, or start the run anew."
        raise _refused("be of this run", got, remedy) from error


def _refused(rule: str, got: str, remedy: str = "Start the run anew.") -> CheckpointError:
    return CheckpointError(field="checkpoint", rule=rule, got=got, remedy=remedy)


def _reason(error: Exception) -> str:
    """The first sentence of an error's message."""
    return (str(error) or type(error).__name__).splitlines()[0].split(". ")[0][:120].rstrip(".:")


def begin_anew(source: Path, target: Path, objective: Objective) -> None:
    """Copy a checkpoint as the beginning of a run with another objective."""
    checkpoint = read_checkpoint(source)
    checkpoint["contractive"]["settings"] |= objective_in_words(objective)
    write_checkpoint(checkpoint, target)


def objective_in_words(objective: Objective) -> dict[str, str]:
    """Return what a checkpoint holds of the objective, to distinguish runs."""
    parts = {
        "objective": objective.name,
        "weights": {term.name: term.weight for term in objective.terms},
        "loss": objective.loss,
        "corruption": objective.corruption,
        "penalties": {term.name: f"{in_words(term.penalty)} of the {term.of}" for term in objective.terms},
        "weight_decay": objective.weight_decay,
    }
    return {name: in_words(part) for name, part in parts.items()}


def in_words(value: Any) -> str:
    """Return a setting in words without addresses in memory: numbers and fields, else the name of its type."""
    if value is None or isinstance(value, str):
        return str(value)
    if isinstance(value, int | float | np.number):
        return f"{value:.12g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={in_words(entry)}" for name, entry in value.items())
    name = getattr(value, "__name__", type(value).__name__)
    if not is_dataclass(value):
        return name
    return f"{name}({in_words({entry.name: getattr(value, entry.name) for entry in fields(value)})})"
