"""What `fit` refuses, each in one line with the remedy."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contractive.core.errors import InvalidValue
from contractive.models import Autoencoder
from contractive.objectives import Objective
from contractive.training._batches import Rows, TrainingRows, as_tensor
from contractive.training._modes import evaluating
from contractive.training._settings import TrainingSettings, check_device, check_strategy


def training_rows(
    autoencoder: Autoencoder, like: Tensor, data: Any, validation: Any, sample_weight: Any
) -> TrainingRows:
    """All rows, checked against the autoencoder."""
    train = rows_of(data, "data", like)
    held_out = None if validation is None else tensor_of(validation, "validation", like)
    check_fit(autoencoder, train, "data")
    if held_out is not None:
        check_fit(autoencoder, held_out, "validation")
    return TrainingRows(train, held_out, None if sample_weight is None else weights_of(sample_weight, train))


def rows_of(data: Any, what: str, like: Tensor) -> Tensor | Rows:
    """The data as a tensor in the precision of the weights, or as rows read in slices, or a clear error."""
    if isinstance(data, Rows) and not isinstance(data, Tensor | np.ndarray):
        tensor_of(data[0 : min(len(data), 2)], what, like)
        return data
    return tensor_of(data, what, like)


def tensor_of(data: Any, what: str, like: Tensor) -> Tensor:
    """The data as a tensor in the precision of the weights."""
    if not isinstance(data, Tensor | np.ndarray):
        kind = type(data).__name__
        raise TypeError(f"{what} must be a tensor or an array, got {kind}. A data frame: df.to_numpy('float32').")
    x = as_tensor(data)
    if not x.is_floating_point():
        raise TypeError(f"{what} must be floating-point numbers, got {x.dtype}. Convert and scale them first.")
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"{what} must have the shape (examples, *features), got {tuple(x.shape)}. Give it rows.")
    x = x.to(like.dtype)
    bad = int((~torch.isfinite(x)).sum())
    if bad:
        raise ValueError(f"{what} must be finite, got {bad} NaN or infinite entries. Impute or drop them.")
    return x


def weights_of(sample_weight: Any, rows: Tensor | Rows) -> Tensor:
    """One factor per row, with mean 1."""
    if not isinstance(rows, Tensor):
        raise TypeError("sample_weight must come with data in memory, got rows read in slices. Leave it out.")
    weights = as_tensor(sample_weight, rows.dtype)
    if weights.shape != (len(rows),):
        got = tuple(weights.shape)
        raise ValueError(f"sample_weight must have one number per row, shape ({len(rows)},), got {got}. Flatten it.")
    if not bool(torch.isfinite(weights).all()) or float(weights.min()) < 0 or not float(weights.sum()) > 0:
        low = float(weights.min())
        raise ValueError(f"sample_weight must be finite, at least 0 and not all 0, got a least one of {low:.4g}.")
    return weights / weights.mean()


def check_what(autoencoder: Autoencoder, objective: Objective) -> nn.Parameter:
    """Refuse what cannot be trained; returns a parameter, whose precision and device the data take."""
    if not isinstance(autoencoder, Autoencoder):
        kind = type(autoencoder).__name__
        raise TypeError(f"autoencoder must be an Autoencoder, got {kind}. Wrap it: Autoencoder(encoder, decoder).")
    if not isinstance(objective, Objective):
        kind = getattr(objective, "__name__", repr(objective))
        raise TypeError(f"objective must be an Objective, got {kind}. For instance objectives.contractive(0.1).")
    trained = [parameter for parameter in autoencoder.parameters() if parameter.requires_grad]
    if not trained:
        raise ValueError("autoencoder must have parameters to train, got none that require a gradient. Unfreeze some.")
    return trained[0]


def check_fit(autoencoder: Autoencoder, x: Tensor | Rows, what: str) -> None:
    """Run one row through, so that a wrong width is one clear line and not an error from deep inside."""
    first = next(autoencoder.parameters())
    row = as_tensor(x[0:1]).to(first.device, first.dtype)
    try:
        with evaluating(autoencoder):
            shape = tuple(autoencoder(row).shape[1:])
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{what} must fit the autoencoder, got rows of shape {tuple(x.shape[1:])}: {reason}."
            " Build it for this number of features."
        ) from error
    if shape != tuple(x.shape[1:]):
        raise ValueError(
            f"reconstructions must have the shape of the data {tuple(x.shape[1:])}, got {shape}."
            " Let the decoder end with the number of features."
        )


def check_machine(settings: TrainingSettings) -> None:
    """Refuse a device, a strategy or a number of devices that this machine does not have."""
    check_device(settings.device)
    check_strategy(settings.strategy)
    if settings.device == "cuda" and settings.devices > torch.cuda.device_count():
        raise InvalidValue("devices", f"be at most {torch.cuda.device_count()} here", settings.devices, "Take fewer.")
