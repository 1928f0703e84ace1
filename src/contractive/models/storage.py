"""Models as folders: weights in `model.safetensors`, architecture in `config.json`. Nothing is pickled."""

import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
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
from contractive.core.randomness import global_randomness
from contractive.models._autoencoder import BUILDERS, Autoencoder, Recipe

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


Builder = Callable[..., Autoencoder]


def save(autoencoder: Autoencoder, folder: str | Path, *, builder: Builder | None = None, extra: Any = None) -> None:
    """Save an autoencoder into a folder, made if missing; files are replaced.

    What a builder made (`mlp`, `tied`, `conv`, `residual`) is loaded by the folder alone. Of modules of your own the
    folder holds the weights and the name of a `builder`, which `load` must be given again; no code is stored.

    Args:
        autoencoder: What is saved.
        folder: Where.
        builder: For modules of your own: a function, or a `functools.partial` with numbers, strings and lists of them
            by keyword, that makes the same architecture with any weights.
        extra: JSON-able facts beside the architecture.

    Raises:
        StorageError: An autoencoder that neither its recipe nor the builder makes.

    Examples:
        >>> import contractive as ct, tempfile
        >>> from functools import partial
        >>> def normed(width):
        ...     return Autoencoder(nn.Sequential(nn.Linear(8, width), nn.LayerNorm(width)), nn.Linear(width, 8))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ct.save(normed(3), folder, builder=partial(normed, width=3))
        ...     ct.load(folder, builder=normed).encoder[1].normalized_shape
        (3,)
    """
    recipe = _recipe_of(builder) if builder is not None else autoencoder.recipe
    if recipe is None:
        raise StorageError(
            "autoencoder must come from a builder (mlp, tied, conv, residual) to be saved, got one of your own modules."
            " Pass builder=, a function that makes it."
        )
    _check_made(autoencoder, recipe, builder)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(autoencoder, folder / "model.safetensors")
    write_config(folder, recipe, extra)


def _check_made(autoencoder: Autoencoder, recipe: Recipe, builder: Builder | None) -> None:
    """Raise where what is saved would come back as something else."""
    kind = type(autoencoder)
    for name in ("forward", "encode", "decode") if builder is None else ():
        if getattr(kind, name) is not getattr(Autoencoder, name):
            raise StorageError(
                f"The `{name}` of {kind.__name__} would be lost: a folder holds encoder and decoder alone. Move it into"
                " them, or pass builder=, a function that makes it."
            )
    built = _built(recipe, builder)
    for part in ("encoder", "decoder"):
        if architecture(getattr(autoencoder, part)) != architecture(getattr(built, part)):
            raise StorageError(
                f"The {part} has other modules than {recipe.builder} made, and they would be lost. Build it with the"
                " arguments you want, or pass builder=, a function that makes it."
            )
    if builder is not None and (type(built) is not kind or _tensors(built) != _tensors(autoencoder)):
        raise StorageError(
            f"The weights have other names, shapes or types than those that {recipe.builder} makes. Let it make the"
            " same autoencoder."
        )


def _recipe_of(builder: Builder) -> Recipe:
    """Return the name of a builder and the arguments that a partial has bound."""
    function, given = (builder.func, builder.keywords) if isinstance(builder, partial) else (builder, {})
    for name, value in given.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if not isinstance(one, str | int | float | None):
                raise StorageError(
                    f"The builder's argument {name!r} must be a number, a string, or a list of them to be stored, got"
                    f" {type(one).__name__}. Make it inside the builder."
                )
    if isinstance(builder, partial) and builder.args:
        raise StorageError("The builder's arguments must be given by keyword. Write partial(builder, name=value).")
    return Recipe(getattr(function, "__name__", type(function).__name__), given)


def _built(recipe: Recipe, builder: Builder | None) -> Autoencoder:
    """Return an autoencoder of the recipe, of a library's builder without memory for its weights."""
    if builder is None:
        with torch.device("meta"):  # shapes only: what a changed config asks for takes no memory before it is compared
            return recipe.build()
    with global_randomness():
        return (builder.func if isinstance(builder, partial) else builder)(**recipe.arguments)


def _tensors(module: nn.Module) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in module.state_dict().items()}


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights as a safetensors file, whole or not at all."""
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    seen = set[int]()
    for name, tensor in weights.items():  # the format has no shared memory: tied weights are written twice
        weights[name] = tensor.clone() if tensor.data_ptr() in seen else tensor
        seen.add(tensor.data_ptr())
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


def load(folder: str | Path, *, builder: Builder | None = None) -> Autoencoder:
    """Load an autoencoder saved by `save`, in evaluation mode, with the builder it was saved with if it was with one.

    Raises:
        StorageError: A missing or broken file, another format, weights that do not fit the architecture, a builder that
            is missing or has another name.
    """
    config, path = read_config(folder), Path(folder) / "model.safetensors"
    weights, recipe = read_weights(path), config.recipe
    if builder is not None and _recipe_of(builder).builder != recipe.builder:
        raise StorageError(f"{folder} must be loaded with the builder {recipe.builder!r}, got another. Pass that one.")
    if builder is None and recipe.builder not in BUILDERS:
        raise StorageError(
            f"{folder} must be loaded with its builder, {recipe.builder!r:.80}, which is none of this library's. Pass"
            " the function it was saved with as builder=."
        )
    try:
        autoencoder = _built(recipe, builder)
        if not weights:
            raise ValueError("no weights")
        autoencoder.load_state_dict(weights, assign=builder is None)  # tied weights of a builder's own stay tied
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
