"""Take a trained model out: ONNX and torch.export, the scaling of the data included."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contractive.autoencoder import Autoencoder
from contractive.runs import Run
from contractive.storage import replace_file

PARTS = ("encoder", "decoder", "autoencoder")
ENDINGS = (".onnx", ".pt2")


class Exported(nn.Module):
    """One part of an autoencoder between raw numbers: (x - offset) / scale before the encoder, back after the decoder.

    Args:
        autoencoder: The trained model.
        part: `encoder` (rows to codes), `decoder` (codes to rows), or `autoencoder` (rows to rows).
        offset: Of each feature, or one number.
        scale: Likewise.
    """

    def __init__(self, autoencoder: Autoencoder, part: str, offset: np.ndarray, scale: np.ndarray) -> None:
        super().__init__()
        self.encoder = autoencoder.encoder if part != "decoder" else nn.Identity()
        self.decoder = autoencoder.decoder if part != "encoder" else nn.Identity()
        self.scales_input, self.scales_output = part != "decoder", part != "encoder"
        dtype = next(autoencoder.parameters()).dtype
        self.offset: Tensor
        self.scale: Tensor
        self.register_buffer("offset", torch.as_tensor(offset).to(dtype))
        self.register_buffer("scale", torch.as_tensor(scale).to(dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to rows or codes (batch, numbers)."""
        if self.scales_input:
            x = (x - self.offset) / self.scale
        y = self.decoder(self.encoder(x))
        return y * self.scale + self.offset if self.scales_output else y


def export(run: Run, path: str | Path, *, part: str = "encoder", overwrite: bool = False) -> Path:
    """Write a part of a run's model as ONNX (.onnx) or as a torch.export program (.pt2), for any batch size.

    It takes and gives raw numbers, unscaled; of a table the features in the order of
    `run.preparation.feature_names`, text columns already one-hot and dates in days.

    Args:
        run: A run with a trained model.
        path: File to write, whole or not at all.
        part: `encoder`, `decoder` or `autoencoder`.
        overwrite: Replace an existing file.

    Raises:
        ValueError: An unknown part or ending, or a file that exists.
        ModuleNotFoundError: ONNX is asked for and the extra `export` is not installed.
    """
    path = Path(path)
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}. Check the spelling.")
    if path.suffix not in ENDINGS:
        raise ValueError(f"output must end in one of {', '.join(ENDINGS)}, got {path.name}. Rename it.")
    if path.exists() and not overwrite:
        raise ValueError(f"output must be a new file, got {path}. Choose another one or give --force.")
    if not path.parent.is_dir():
        raise ValueError(f"output must lie in a folder that exists, got {path}. Make the folder first.")
    module = module_of(run, part)
    width = run.settings.code or 1 if part == "decoder" else run.preparation.features
    example = torch.zeros(2, width)
    write = _onnx if path.suffix == ".onnx" else _program
    replace_file(path, lambda temporary: write(module, example, temporary))
    return path


def module_of(run: Run, part: str) -> nn.Module:
    """The part as a torch module on raw numbers, in evaluation mode."""
    preparation = run.preparation
    return Exported(run.autoencoder(), part, preparation.offset, preparation.scale).eval()


def _onnx(module: nn.Module, example: Tensor, path: str) -> None:
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"ONNX export needs {error.name}. Run: pip install 'contractive[export]'", name=error.name
        ) from error
    names: dict[str, Any] = {"input_names": ["x"], "output_names": ["y"]}
    shapes = ({0: torch.export.Dim("batch")},)
    with _quiet():
        made: Any = torch.onnx.export(module, (example,), dynamo=True, dynamic_shapes=shapes, verbose=False, **names)
    onnx.save(made.model_proto, path)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what torch says about packages that this model does not need."""
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        try:
            yield
        finally:
            exporter.setLevel(level)


def _program(module: nn.Module, example: Tensor, path: str) -> None:
    batch = torch.export.Dim("batch")
    with open(path, "wb") as file:
        torch.export.save(torch.export.export(module, (example,), dynamic_shapes=({0: batch},)), file)
