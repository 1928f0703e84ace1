"""The state of fine-tuning on disk after every epoch, so that a run can go on where it was stopped."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from contractive.core.files import replace_file
from contractive.models import StorageError

Weights = dict[str, Tensor]


def write(path: Path, now: Weights, best: Weights, state: Mapping[str, Any]) -> None:
    """Write both sets of weights and the JSON-able state into one file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = {f"now/{name}": part for name, part in now.items()} | {f"best/{name}": best[name] for name in best}
    tensors = {name: part.detach().cpu().clone().contiguous() for name, part in parts.items()}
    replace_file(path, lambda temporary: save_file(tensors, temporary, {"state": json.dumps(dict(state))}))


def read(path: Path, settings: Mapping[str, Any]) -> tuple[Weights, Weights, dict[str, Any]] | None:
    """(weights now, best weights, state), or None where there is no file yet.

    Raises:
        StorageError: A broken file, or one of a run with other settings.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as file:
            state = json.loads(file.metadata()["state"])
        # an older file does not say all that is asked now
        known = {name: state["settings"].get(name, value) for name, value in settings.items()}
        tensors = load_file(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise StorageError(f"{path} must be a checkpoint of fine-tuning, got: {error}. Delete it.") from error
    differing = [name for name, value in settings.items() if known[name] != value]
    if differing:
        raise StorageError(
            f"{path} must come from a run with the same settings, got other {', '.join(differing)}. Take a new path."
        )
    now, best = (
        {name.removeprefix(f"{kind}/"): tensor for name, tensor in tensors.items() if name.startswith(f"{kind}/")}
        for kind in ("now", "best")
    )
    return now, best, state
