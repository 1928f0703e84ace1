"""Models as folders: weights in `model.safetensors`, architecture in `config.json`. Nothing is pickled."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from contractive.autoencoder import Autoencoder, Recipe

FORMAT = 1


class StorageError(ValueError):
    """A model folder that cannot be written or read, and what to do about it."""


def save(autoencoder: Autoencoder, folder: str | Path, *, extra: dict[str, Any] | None = None) -> None:
    """Save an autoencoder made by a builder (`mlp`, `tied`, `conv`) into a folder, made if missing.

    Args:
        autoencoder: What to save.
        folder: Where; files of the same names are replaced.
        extra: JSON-able facts to keep beside the architecture.

    Raises:
        StorageError: The autoencoder was not made by a builder.
    """
    recipe = autoencoder.recipe
    if recipe is None:
        raise StorageError(
            "autoencoder must come from a builder (mlp, tied, conv) to be saved, got one of own modules."
            " Save its state_dict() with safetensors instead."
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in autoencoder.state_dict().items()}
    config = {
        "format": FORMAT,
        "builder": recipe.builder,
        "arguments": recipe.arguments,
        "torch": torch.__version__,
        **({"extra": extra} if extra else {}),
    }
    replace_file(folder / "model.safetensors", lambda path: save_file(weights, path))
    write_text(folder / "config.json", json.dumps(config, indent=2) + "\n")


def load(folder: str | Path) -> Autoencoder:
    """Load an autoencoder saved by `save`, in evaluation mode.

    Raises:
        StorageError: A missing or broken file, a newer format, weights that do not fit the architecture.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / "config.json").read_text())
        weights = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise StorageError(
            f"{folder} must hold a readable config.json and model.safetensors, got: {error}. Save the model again."
        ) from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise StorageError(f"format of {folder} must be {FORMAT}, got {found}. Use the version that wrote it.")
    try:
        autoencoder = Recipe(config["builder"], config["arguments"]).build()
        autoencoder.to(next(iter(weights.values())).dtype).load_state_dict(weights)
    except (KeyError, TypeError, ValueError, RuntimeError, StopIteration) as error:
        reason = (str(error) or "no weights").splitlines()[0]
        raise StorageError(
            f"{folder} must describe the weights it holds, got: {reason}. One of its files was changed."
        ) from error
    return autoencoder.eval()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    replace_file(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))


def replace_file(path: Path, write: Callable[[str], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: a reader never sees half a file."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)
