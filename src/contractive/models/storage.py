"""Models as folders: weights in `model.safetensors`, architecture in `config.json`. Nothing is pickled."""

import json
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor, nn

from contractive.core.files import replace_file, write_text
from contractive.models._autoencoder import Autoencoder, Recipe

FORMAT = 1
_LARGEST_CONFIG = 2**26


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
    save_weights(autoencoder, folder / "model.safetensors")
    write_text(folder / "config.json", json.dumps(config_of(recipe, extra), indent=2) + "\n")


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights as a safetensors file, whole or not at all."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    content = serialized(weights)  # in memory first: a full disk is then an OSError like any other
    replace_file(path, lambda temporary: Path(temporary).write_bytes(content))


def config_of(recipe: Recipe, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """What `config.json` says of a model, and further facts under `extra`."""
    return {
        "format": FORMAT,
        "builder": recipe.builder,
        "arguments": recipe.arguments,
        "torch": torch.__version__,
        **({"extra": extra} if extra else {}),
    }


def load(folder: str | Path) -> Autoencoder:
    """Load an autoencoder saved by `save`, in evaluation mode.

    Raises:
        StorageError: A missing or broken file, a newer format, weights that do not fit the architecture.
    """
    folder = Path(folder)
    config = read_config(folder)
    try:
        weights = load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise StorageError(
            f"{folder} must hold a readable config.json and model.safetensors, got: {_reason(error)}."
            " Save the model again."
        ) from error
    try:
        with torch.device("meta"):  # shapes only: what a changed config asks for takes no memory before it is compared
            autoencoder = Recipe(config["builder"], config["arguments"]).build()
        if not weights:
            raise ValueError("no weights")
        autoencoder.load_state_dict(weights, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StorageError(
            f"{folder} must describe the weights it holds, got: {_reason(error)}. One of its files was changed."
        ) from error
    return autoencoder.eval()


def read_config(folder: Path) -> dict[str, Any]:
    """The settings in `config.json` of a folder.

    Raises:
        StorageError: A missing or broken file, or one of another format.
    """
    try:
        text = (folder / "config.json").read_bytes()
        if len(text) > _LARGEST_CONFIG:
            raise ValueError(f"{len(text)} bytes, more than any that is written")
        config = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(
            f"{folder} must hold a readable config.json and model.safetensors, got: {_reason(error)}."
            " Save the model again."
        ) from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise StorageError(f"format of {folder} must be {FORMAT}, got {found}. Use the version that wrote it.")
    return config


def _reason(error: Exception) -> str:
    """What another library says, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[: 2 if lines[0].endswith(":") else 1])[:300].rstrip(".?")


def tensors_checksum(tensors: Iterable[Tensor]) -> int:
    """CRC-32 of the values of all tensors, one after the other."""
    found = 0
    for tensor in tensors:
        plain = tensor.detach().cpu().contiguous().flatten()  # numpy has no bfloat16: its bytes do
        found = zlib.crc32(plain.view(torch.uint8).numpy().tobytes(), found)
    return found


def architecture(module: nn.Module) -> str:
    """What a module prints, without addresses in memory: weights alone do not tell a ReLU from a sigmoid."""
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", repr(module))
