"""Greedy layer-wise pretraining (Bengio et al. 2007; Rifai et al. 2011)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contractive import training
from contractive.analysis import apply
from contractive.models import Autoencoder
from contractive.objectives import Objective
from contractive.training import History
from contractive.training._batches import as_tensor

_RARE = 1e-3  # a pixel that is never on is taken for one that is on so often
_INVERSES = {
    nn.Sigmoid: lambda mean: torch.logit(mean, eps=_RARE),
    nn.Tanh: lambda mean: torch.atanh(mean.clamp(_RARE - 1, 1 - _RARE)),
    nn.Identity: lambda mean: mean,
}


@torch.no_grad()
def start_at_mean(autoencoder: Autoencoder, x: Tensor | np.ndarray) -> None:
    """Set the last bias of the decoder so that it alone reconstructs the mean of the rows x.

    For pixels this is their log odds (Hinton, A Practical Guide to Training Restricted Boltzmann Machines, 2010,
    section 8). From a bias of 0 the first steps push all units down so that pixels which are mostly off go off, and
    many sigmoid units never come up again.

    Args:
        autoencoder: Whose decoder ends with a layer that has a bias, and sigmoid, tanh or nothing.
        x: (examples, *features), floating point; the decoder's outputs.

    Raises:
        ValueError: Another kind of decoder, rows that do not fit it, no rows, NaN or infinite entries.
    """
    last = [module for module in autoencoder.decoder.modules() if not list(module.children())][-2:]
    if isinstance(last[-1], nn.Linear):  # a linear output without a module that says so
        last = [last[-1], nn.Identity()]
    inverse = _INVERSES.get(type(last[-1]))
    bias = getattr(last[0], "bias", None)
    if inverse is None or not isinstance(bias, Tensor):
        names = ", ".join(type(module).__name__ for module in last)
        raise ValueError(
            f"decoder must end with a biased layer and sigmoid, tanh or linear output, got {names}. Set it by hand."
        )
    mean = as_tensor(x).to(bias).mean(0)
    if mean.shape != bias.shape:
        raise ValueError(f"x must have rows of {tuple(bias.shape)} numbers, got {tuple(mean.shape)}. Reshape it.")
    if not bool(torch.isfinite(mean).all()):
        raise ValueError(f"x must be finite rows, got {len(x)} of which the mean is not. Impute or drop them.")
    bias.copy_(inverse(mean))


def pretrain(
    layers: Sequence[Autoencoder],
    x: Tensor | np.ndarray,
    objective: Objective | Sequence[Objective],
    *,
    validation: Tensor | np.ndarray | None = None,
    seed: int = 0,
    checkpoints: str | Path | None = None,
    on_layer: Callable[[int, History], None] = lambda layer, history: None,
    **settings: Any,
) -> tuple[History, ...]:
    """Train the layers in place from the lowest up, each on the codes of the one below; returns their histories.

    Args:
        layers: As from `models.stack`, or any autoencoders whose codes fit the next one's inputs.
        x: (examples, *features), floating point, in memory.
        objective: One for all layers or one for each.
        validation: Rows on which every epoch is judged, encoded like the training rows.
        seed: Of the order of the data and of noise; layer i, from 0, takes seed + i.
        checkpoints: Folder for the state of each layer's training; a call that finds them there goes on from them, to
            the same weights.
        on_layer: Called with the number of a layer, from 0, and its history when it is trained.
        settings: Passed on to `training.fit`.

    Raises:
        ValueError: As many objectives as layers are not given; and what `fit` raises.
    """
    objectives = [objective] * len(layers) if isinstance(objective, Objective) else list(objective)
    if len(objectives) != len(layers):
        raise ValueError(
            f"objective must be one, or one for each of the {len(layers)} layers, got {len(objectives)}. Match them."
        )
    rows = as_tensor(x)
    held_out = None if validation is None else as_tensor(validation)
    histories = []
    for i, (layer, goal) in enumerate(zip(layers, objectives, strict=True)):
        history = training.fit(
            layer, rows, goal, validation=held_out, seed=seed + i, **_state(checkpoints, i), **settings
        )
        histories.append(history)
        on_layer(i, history)
        if i + 1 < len(layers):
            like = next(layer.parameters())
            rows = apply(layer.encode, rows.to(like))
            held_out = None if held_out is None else apply(layer.encode, held_out.to(like))
    return tuple(histories)


def _state(folder: str | Path | None, layer: int) -> dict[str, Any]:
    """Where the state of this layer is kept, and whether to go on from there."""
    if folder is None:
        return {}
    path = Path(folder) / f"layer-{layer + 1}.ckpt"
    return {"checkpoint": path, "resume": path.exists()}
