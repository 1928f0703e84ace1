"""Models as folders: weights in `model.safetensors`, architecture in `config.json`. Nothing is pickled."""

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor, nn

from contractive.core.artifacts import Artifact, ArtifactError
from contractive.core.errors import ContractiveError
from contractive.core.files import check_regular, replace_file
from contractive.models._autoencoder import Autoencoder, Recipe

_KIND, _NAME = "model", "config"
_LARGEST, _LARGEST_HEADER = 2**37, 2**20  # bytes of a weight file


class StorageError(ContractiveError):
    """A model folder that cannot be written or read, and what to do about it."""


@dataclass(frozen=True)
class ModelConfig:
    """The content of `config.json`."""

    recipe: Recipe
    torch: str  # version that wrote it
    extra: Any = None  # JSON-able facts beside the architecture


def save(autoencoder: Autoencoder, folder: str | Path, *, extra: Any = None) -> None:
    """Save an autoencoder made by a builder (`mlp`, `tied`, `conv`) into a folder, made if missing; files are replaced.

    Raises:
        StorageError: The autoencoder was not made by a builder, or has other modules than it made.
    """
    recipe = autoencoder.recipe
    if recipe is None:
        raise StorageError(
            "autoencoder must come from a builder (mlp, tied, conv, residual) to be saved, got one of your own modules."
            " Save its state_dict() with safetensors instead."
        )
    kind = type(autoencoder)
    for name in ("forward", "encode", "decode"):
        if getattr(kind, name) is not getattr(Autoencoder, name):
            raise StorageError(
                f"The `{name}` of {kind.__name__} would be lost: a folder holds encoder and decoder alone. Move it into"
                " them, or save its state_dict() with safetensors."
            )
    with torch.device("meta"):
        built = recipe.build()
    for part in ("encoder", "decoder"):
        if architecture(getattr(autoencoder, part)) != architecture(getattr(built, part)):
            raise StorageError(
                f"The {part} has other modules than {recipe.builder} made, and they would be lost. Build it with the"
                " arguments you want, or save its state_dict() with safetensors."
            )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(autoencoder, folder / "model.safetensors")
    write_config(folder, recipe, extra)


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights as a safetensors file, whole or not at all."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    content = serialized(weights)  # in memory first: a full disk is then an OSError like any other
    replace_file(path, lambda temporary: Path(temporary).write_bytes(content))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file; what is no regular file, or has a header of a million names, is refused unread.

    Raises:
        StorageError: A missing or broken file, or one with numbers that are not finite.
    """
    try:
        check_regular(path, _LARGEST)
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
        if header > _LARGEST_HEADER:
            raise ValueError(f"a header of {header} bytes, more than the {_LARGEST_HEADER} that are read")
        weights = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise StorageError(f"{path} cannot be read: {_reason(error)}. Save the model again.") from error
    for name, tensor in weights.items():
        if not tensor.isfinite().all():
            raise StorageError(f"{path} holds numbers that are not finite, in {name!r:.80}. Save the model again.")
    return weights


def write_config(folder: Path, recipe: Recipe, extra: Any = None) -> None:
    """Write `config.json`, whole or not at all; arguments as in `ModelConfig`."""
    Artifact.of(_KIND, ModelConfig(recipe, torch.__version__, extra)).write(folder, _NAME)


def read_config(folder: str | Path) -> ModelConfig:
    """Read `config.json` of a folder.

    Raises:
        StorageError: A missing or broken file, or one of another format.
    """
    try:
        return Artifact.read(folder, _NAME, _KIND).to(ModelConfig, Path(folder) / f"{_NAME}.json")
    except ArtifactError as error:
        raise StorageError(str(error)) from error


def load(folder: str | Path) -> Autoencoder:
    """Load an autoencoder saved by `save`, in evaluation mode.

    Raises:
        StorageError: A missing or broken file, another format, weights that do not fit the architecture.
    """
    config, path = read_config(folder), Path(folder) / "model.safetensors"
    weights = read_weights(path)
    try:
        with torch.device("meta"):  # shapes only: what a changed config asks for takes no memory before it is compared
            autoencoder = config.recipe.build()
        if not weights:
            raise ValueError("no weights")
        autoencoder.load_state_dict(weights, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StorageError(
            f"{folder} must describe the weights it holds, got: {_reason(error)}. One of its files was changed."
        ) from error
    return autoencoder.eval()


def _reason(error: Exception) -> str:
    """Return the message of another library in one line."""
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
    """Return what a module prints, without addresses in memory: weights alone do not tell a ReLU from a sigmoid."""
    return re.sub(r" at 0x[0-9A-Fa-f]+", "", repr(module))
