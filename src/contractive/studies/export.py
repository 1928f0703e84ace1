"""Export a trained model as ONNX or a torch.export program, the scaling of the data included."""

import logging
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contractive.core.errors import InvalidValue, check_choice
from contractive.core.files import replace_file
from contractive.data import Preparation, preprocess
from contractive.estimators import ContractiveEstimator
from contractive.models import fold_means
from contractive.studies.runs import DetectorRun, Run

ENDINGS = (".onnx", ".pt2")


class PrecisionWarning(UserWarning):
    """An exported model has too few digits for raw numbers that are far from 0."""


_COARSE = 1e-4  # of a feature's scale


class Exported(nn.Module):
    """A part of a model between raw numbers: (x - offset) / scale before what takes rows, back after what gives rows.

    Steps on spectra come first; they are not taken back.

    What rounding takes from a large offset, such as a time in seconds, is made good after the division: x minus the
    rounded offset is exact.

    Args:
        module: The part, trained, on prepared numbers.
        preparation: Of the data, or the scaling of an estimator, with offset and scale.
        part: Its name, as in `export`.
    """

    def __init__(self, module: nn.Module, preparation: Any, part: str) -> None:
        super().__init__()
        self.module = fold_means(module)
        self.takes_rows, self.gives_rows = part != "decoder", part in ("decoder", "autoencoder")
        self.steps = getattr(preparation, "spectra", ())
        self.settings = (preparation.spectra_window, preparation.reference) if self.steps else ()
        self.logarithmic = getattr(preparation, "logarithmic", False)  # sign(z) log(1 + |z|) follows
        dtype = next(module.parameters()).dtype
        offset, scale = torch.as_tensor(preparation.offset).double(), torch.as_tensor(preparation.scale).double()
        self.offset: Tensor
        self.scale: Tensor
        self.rest: Tensor
        self.register_buffer("offset", offset.to(dtype))
        self.register_buffer("scale", scale.to(dtype))
        self.register_buffer("rest", ((offset - self.offset.double()) / scale).to(dtype))

    def forward(self, x: Tensor) -> Any:
        """Apply it to rows or codes (batch, numbers)."""
        if self.takes_rows:
            x = preprocess(x, self.steps, *self.settings)
            x = (x - self.offset) / self.scale - self.rest
            x = x.sign() * x.abs().log1p() if self.logarithmic else x
        y = self.module(x)
        if not self.gives_rows:
            return y
        y = y.sign() * y.abs().expm1() if self.logarithmic else y
        return (y + self.rest) * self.scale + self.offset


Trained = Run[Any, Any] | ContractiveEstimator


def export(trained: Trained, path: str | Path, *, part: str = "encoder", overwrite: bool = False) -> Path:
    """Write a part of a trained model as ONNX (.onnx) or as a torch.export program (.pt2), for any batch size.

    Its inputs and outputs are raw numbers, unscaled; of a table the features in the order of
    `run.preparation.feature_names`, text columns already one-hot and dates in days.

    Args:
        trained: A run with a trained model, or a fitted estimator.
        path: File to write, whole or not at all.
        part: `encoder`, `decoder` or `autoencoder`; of a classifier `encoder` or `classifier` (probabilities); of a
            detector `detector` (two outputs: score, and whether it flags).
        overwrite: Replace an existing file.

    Raises:
        InvalidValue: An unknown part or ending, a file that exists, or a score that needs the training rows.
        ModuleNotFoundError: ONNX is asked for and the extra `export` is not installed.
    """
    path = Path(path)
    module = module_of(trained, part)
    if path.suffix not in ENDINGS:
        raise InvalidValue("out", f"end in one of {', '.join(ENDINGS)}", path.name, "Rename it.")
    if path.exists() and not overwrite:
        raise InvalidValue("out", "be a new file", path, "Choose another one, or replace it with `force`.")
    if not path.parent.is_dir():
        raise InvalidValue("out", "lie in a folder that exists", path, "Make the folder first.")
    if isinstance(trained, Run):
        preparation, features, units = trained.preparation, trained.preparation.features, trained.num_units
    else:
        preparation, features, units = trained.scaling_, trained.n_features_in_, trained.n_components_
    _warn_of_rounding(preparation)
    example = torch.zeros(2, units if part == "decoder" else features)
    outputs = ["score", "flagged"] if part == "detector" else ["y"]
    write = partial(_onnx, outputs=outputs) if path.suffix == ".onnx" else _program
    replace_file(path, lambda temporary: write(module, example, temporary))
    return path


def _warn_of_rounding(preparation: Preparation | Any) -> None:
    """Warn of features whose raw numbers are too far from 0 for their spread: single precision merges neighbours."""
    offset, scale = np.broadcast_arrays(np.abs(preparation.offset), preparation.scale)
    step = np.spacing(np.float32(offset + scale)) / scale
    worst = int(step.argmax())
    if step.flat[worst] > _COARSE:
        names = getattr(preparation, "feature_names", None)
        name = f"feature {names[worst] if names and len(names) == step.size else worst}"
        warnings.warn(
            f"The file takes and gives numbers in single precision, in which neighbours of {name} are"
            f" {float(step.flat[worst]):.2g} of its scale apart: codes of raw numbers are off by as much. Subtract a"
            " constant from it before training.",
            PrecisionWarning,
            stacklevel=3,
        )


def module_of(trained: Trained, part: str) -> nn.Module:
    """Return the part as a torch module on raw numbers, in evaluation mode.

    Raises:
        InvalidValue: A part that the model does not have, or a score that needs the training rows.
    """
    if isinstance(trained, DetectorRun):
        return Exported(module_of(trained.detector, part), trained.preparation, part).eval()
    parts = trained.parts()
    check_choice("part", part, parts)
    return Exported(parts[part], trained.preparation if isinstance(trained, Run) else trained.scaling_, part).eval()


def _onnx(module: nn.Module, example: Tensor, path: str, outputs: list[str]) -> None:
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"ONNX export needs {error.name}. Run: pip install 'contractive[export]'", name=error.name
        ) from error
    options = {"input_names": ["x"], "output_names": outputs, "dynamic_shapes": ({0: torch.export.Dim("batch")},)}
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)  # of packages that this model does not need
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
            made: Any = torch.onnx.export(module, (example,), dynamo=True, verbose=False, **options)
    finally:
        exporter.setLevel(level)
    onnx.save(made.model_proto, path)


def _program(module: nn.Module, example: Tensor, path: str) -> None:
    batch = torch.export.Dim("batch")
    with open(path, "wb") as file:
        torch.export.save(torch.export.export(module, (example,), dynamic_shapes=({0: batch},)), file)
