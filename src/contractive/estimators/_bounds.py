"""Intervals that the outputs of an autoencoder cannot leave."""

import numpy as np
import torch
from torch import Tensor, nn

from contractive.core.errors import InvalidValue
from contractive.estimators._crossfit import SAFEGUARD, CrossFit
from contractive.models import Autoencoder

_CODES = {nn.Sigmoid: (0.0, 1.0), nn.Tanh: (-1.0, 1.0)}
# monotone: an interval of inputs becomes that of the values at its ends
_MONOTONE = (nn.Identity, nn.ReLU, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.LeakyReLU, nn.ELU, nn.SELU, nn.Hardtanh)


def output_bounds(network: Autoencoder) -> np.ndarray:
    """Return the smallest and largest value that each output can have, whatever the input, (2, features).

    Interval arithmetic: an affine layer maps centre c and radius r to W c + b and |W| r.

    Raises:
        InvalidValue: An encoder that does not end in a bounded activation, or a decoder of other layers.
    """
    layers, decoder = (
        [layer for layer in part.modules() if not isinstance(layer, nn.Sequential)]
        for part in (network.encoder, network.decoder)
    )
    bounds = next((span for kind, span in _CODES.items() if layers and isinstance(layers[-1], kind)), None)
    if bounds is None:
        got = type(layers[-1]).__name__ if layers else "an encoder of one's own"
        raise InvalidValue("activation", "be sigmoid or tanh, which bound the code", got, "Fit with one of them.")
    low, high = None, None
    for layer in decoder:
        if isinstance(layer, nn.Linear):
            weight = layer.weight.detach().double()
            if low is None:
                low, high = (torch.full((weight.shape[1],), end, dtype=torch.float64) for end in bounds)
            assert high is not None
            centre, radius = (low + high) / 2, (high - low) / 2
            middle = weight @ centre + (0 if layer.bias is None else layer.bias.detach().double())
            low, high = middle - weight.abs() @ radius, middle + weight.abs() @ radius
        elif isinstance(layer, _MONOTONE) and low is not None and high is not None:
            low, high = _applied(layer, low), _applied(layer, high)
        else:
            kind = type(layer).__name__
            rule = "be linear layers and monotone activations for guaranteed bounds"
            raise InvalidValue("decoder", rule, kind, "Leave `tied` and `decoder_activation` out.")
    if low is None or high is None:
        raise InvalidValue("decoder", "have a linear layer for guaranteed bounds", "none", "Leave `tied` out.")
    return np.stack([low.numpy(), high.numpy()])


def row_bounds(fit: CrossFit, limit: float) -> np.ndarray:
    """Return the scaled values of each feature below and above which every row has a score above the limit.

    Beyond the interval of its output by more than the longest residual that is not flagged, (2, features).

    Raises:
        InvalidValue: As `output_bounds`.
    """
    longest = fit.residuals.inverse(limit + SAFEGUARD) if limit < fit.ceiling else np.inf
    intervals = np.array([output_bounds(member.network) for member in fit.members])  # (folds, 2, features)
    return np.stack([intervals[:, 0].min(0) - longest, intervals[:, 1].max(0) + longest])


def _applied(layer: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        return layer(x)
