"""Greedy layer-wise pretraining of a stack (Bengio et al. 2007; Rifai et al. 2011)."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

from contractive.analysis import apply
from contractive.core.errors import InvalidValue
from contractive.models import Autoencoder
from contractive.objectives import Objective
from contractive.training._fit import FIT_DEFAULTS, FitOptions, fit
from contractive.training._history import History
from contractive.training._rows import as_tensor
from contractive.training._settings import settings_of

_RARE = 1e-3  # clamp means away from the ends, where the inverse of the activation is infinite
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
        x: (examples, *features), floating point.

    Raises:
        ValueError: Another kind of decoder, rows that do not fit it, no rows, NaN or infinite entries.
    """
    last = [module for module in autoencoder.decoder.modules() if not list(module.children())][-2:]
    if isinstance(last[-1], nn.Linear):  # a linear output without an identity after it
        last = [last[-1], nn.Identity()]
    inverse = _INVERSES.get(type(last[-1]))
    bias = getattr(last[0], "bias", None)
    if inverse is None or not isinstance(bias, Tensor):
        rule = "end with a biased layer and sigmoid, tanh or linear output"
        names = ", ".join(type(module).__name__ for module in last)
        raise InvalidValue("decoder", rule, names, "Set the bias yourself.")
    mean = as_tensor(x).to(bias).mean(0)
    if mean.shape != bias.shape:
        raise InvalidValue("x", f"have rows of {tuple(bias.shape)} numbers", tuple(mean.shape), "Reshape it.")
    if not bool(torch.isfinite(mean).all()):
        raise InvalidValue("x", "be finite rows", f"{len(x)} of which the mean is not", "Impute or drop them.")
    bias.copy_(inverse(mean))


def pretrain(
    layers: Sequence[Autoencoder],
    x: Tensor | np.ndarray,
    objective: Objective | Sequence[Objective],
    *,
    validation: Tensor | np.ndarray | None = None,
    checkpoints: str | Path | None = None,
    on_layer: Callable[[int, History], None] = lambda layer, history: None,
    callbacks: Sequence[Callback] = (),
    **options: Unpack[FitOptions],
) -> tuple[History, ...]:
    """Train the layers in place from the lowest up, each on the codes of the one below; return their histories.

    Args:
        layers: As from `models.stack`, or any autoencoders whose codes fit the next one's inputs.
        x: (examples, *features), floating point, in memory.
        objective: One for all layers or one for each.
        validation: Rows on which every epoch is measured, encoded like the training rows.
        checkpoints: Folder for the state of each layer's training; a call that finds them there resumes from them.
        on_layer: Called with the number of a layer, from 0, and its history when it is trained.
        callbacks: As in `fit`; so are `options`, and layer i, from 0, has the seed `seed` + i.

    Raises:
        ValueError: As many objectives as layers are not given; and as `fit`.
    """
    seed = settings_of(pretrain, options, FitOptions.__annotations__, FIT_DEFAULTS)[0].seed
    objectives = [objective] * len(layers) if isinstance(objective, Objective) else list(objective)
    if len(objectives) != len(layers):
        rule = f"be one, or one for each of the {len(layers)} layers"
        raise InvalidValue("objective", rule, len(objectives), "Match them.")
    rows = as_tensor(x)
    held_out = None if validation is None else as_tensor(validation)
    histories = []
    for i, (layer, goal) in enumerate(zip(layers, objectives, strict=True)):
        path = None if checkpoints is None else Path(checkpoints) / f"layer-{i + 1}.ckpt"
        resume = path is not None and path.exists()
        more: Any = {**options, "seed": seed + i, "callbacks": callbacks}
        histories.append(fit(layer, rows, goal, validation=held_out, checkpoint=path, resume=resume, **more))
        on_layer(i, histories[-1])
        if i + 1 < len(layers):
            like = next(layer.parameters())
            rows = apply(layer.encode, rows.to(like))
            held_out = None if held_out is None else apply(layer.encode, held_out.to(like))
    return tuple(histories)
