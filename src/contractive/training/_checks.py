"""What `fit` refuses, each in one line with the remedy."""

import operator
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contractive.models import Autoencoder
from contractive.objectives import Objective
from contractive.training._batches import Rows, TrainingRows, as_tensor
from contractive.training._modes import evaluating

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed"}
MOST_SEEDS = 2**32 - 1
_UNBOUNDED = float("inf")


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


def counts(**named: int) -> Iterator[int]:
    """The counts in their order, as plain integers of at least 1."""
    for name, value in named.items():
        count = whole(name, value)
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {value}. Leave it out for the default.")
        yield count


def whole(name: str, value: int) -> int:
    """The value as a plain integer; numpy's are taken, too."""
    try:
        return operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, got {value!r}. Round it, or leave it out.") from None


def check_settings(
    *,
    learning_rate: float,
    patience: int | None,
    gradient_clip: float | None,
    validation: Any,
) -> None:
    """Refuse settings out of range."""
    if not 0 < learning_rate < _UNBOUNDED:
        raise ValueError(f"learning_rate must be above 0 and finite, got {learning_rate}. Try 1e-3.")
    if gradient_clip is not None and not gradient_clip > 0:
        raise ValueError(f"gradient_clip must be above 0, got {gradient_clip}. Leave it out for no clipping.")
    if patience is not None and patience < 1:
        raise ValueError(f"patience must be at least 1, got {patience}. Leave it out to train all epochs.")
    if patience is not None and validation is None:
        raise ValueError("patience must come with validation data, got none. Pass validation=.")


def check_device(device: str) -> None:
    """Refuse a device that does not exist."""
    if device not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(DEVICES)}, got {device!r}. Leave it out to choose itself.")
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not there.get(device, True):
        raise ValueError(f"device must be there, got {device!r}, which torch does not see. Leave it out, or take cpu.")


def place_of(device: str) -> str:
    """The device that `auto` stands for; any other is itself."""
    return ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device


def check_strategy(strategy: str) -> None:
    """Refuse a strategy that Lightning does not have."""
    from lightning.pytorch.strategies import StrategyRegistry

    known = ("auto", *sorted(StrategyRegistry.available_strategies()))
    if strategy not in known:
        raise ValueError(f"strategy must be one of {', '.join(known)}, got {strategy!r}. Leave it out for auto.")


def check_seconds(checkpoint_seconds: float) -> None:
    """Refuse a time between checkpoints that is none."""
    if not checkpoint_seconds >= 0:
        raise ValueError(f"checkpoint_seconds must be at least 0, got {checkpoint_seconds}. 10 is the default.")


def check_seed(seed: int) -> None:
    """Refuse a seed that not all generators take."""
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < MOST_SEEDS:
        raise ValueError(f"seed must be a whole number from 0 to {MOST_SEEDS - 1}, got {seed!r}. For instance 0.")


def check_machine(device: str, precision: str, devices: int, resume: bool, checkpoint: Any) -> None:
    """Refuse where and how to run that does not exist."""
    check_device(device)
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}. Leave it out for 32.")
    if device == "cuda" and devices > torch.cuda.device_count():
        raise ValueError(f"devices must be at most {torch.cuda.device_count()} here, got {devices}. Take fewer.")
    if resume and checkpoint is None:
        raise ValueError("resume must come with a checkpoint, got none. Pass checkpoint=.")
