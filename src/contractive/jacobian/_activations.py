"""Elementwise activations with their first and second derivatives in closed form.

The chain formulas need act'(a) in the forward pass and act''(a) in the backward pass. Each entry states both
in terms of what is cheapest to keep: the output where that is enough (sigmoid, tanh), else the input.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Activation:
    """An elementwise map h = act(a).

    Attributes:
        apply: a -> h.
        slope: (a, h) -> act'(a).
        curvature: (a, h, slope) -> act''(a); None where it is zero almost everywhere.
        keeps_input: Whether any of them reads `a`; where not, `a` need not be stored.
        bend: (y, a, h, slope) -> y act''(a) / act'(a), which saves keeping what stood before the slope; None where
            act' has zeros with act'' not zero.
    """

    apply: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]
    curvature: Callable[[Tensor, Tensor, Tensor], Tensor] | None
    keeps_input: bool
    bend: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None = None


_SIGMOID = Activation(
    torch.sigmoid,
    slope=lambda a, h: torch.addcmul(h, h, h, value=-1),
    curvature=lambda a, h, s: torch.addcmul(s, s, h, value=-2),
    keeps_input=False,
    bend=lambda y, a, h, s: torch.addcmul(y, y, h, value=-2),
)
_TANH = Activation(
    torch.tanh,
    slope=lambda a, h: 1 - h * h,
    curvature=lambda a, h, s: (h * s).mul_(-2),
    keeps_input=False,
    bend=lambda y, a, h, s: (y * h).mul_(-2),
)
_RELU = Activation(torch.relu, lambda a, h: (h > 0).to(h.dtype), None, keeps_input=False)


def _leaky_relu(module: nn.LeakyReLU) -> Activation:
    low = module.negative_slope

    def slope(a: Tensor, h: Tensor) -> Tensor:
        return torch.where(a > 0, 1.0, torch.full_like(a, low))

    return Activation(lambda a: F.leaky_relu(a, low), slope, None, keeps_input=True)


def _elu(module: nn.ELU) -> Activation:
    alpha = module.alpha

    def slope(a: Tensor, h: Tensor) -> Tensor:
        # not h + alpha, which has no digits left where h is near -alpha
        return torch.where(a > 0, 1.0, alpha * torch.exp(a.clamp(max=0)))

    def curvature(a: Tensor, h: Tensor, s: Tensor) -> Tensor:
        return torch.where(a > 0, 0.0, s)

    def bend(y: Tensor, a: Tensor, h: Tensor, s: Tensor) -> Tensor:
        return torch.where(a > 0, 0.0, y)

    return Activation(lambda a: F.elu(a, alpha), slope, curvature, keeps_input=True, bend=bend)


def _softplus(module: nn.Softplus) -> Activation:
    beta, threshold = module.beta, module.threshold

    def slope(a: Tensor, h: Tensor) -> Tensor:
        # torch's own softplus is the identity beyond the threshold; so must be its derivative
        return torch.where(a * beta > threshold, 1.0, torch.sigmoid(a * beta))

    def curvature(a: Tensor, h: Tensor, s: Tensor) -> Tensor:
        return beta * s * (1 - s)

    def bend(y: Tensor, a: Tensor, h: Tensor, s: Tensor) -> Tensor:
        return y * (1 - s).mul_(beta)

    return Activation(lambda a: F.softplus(a, beta, threshold), slope, curvature, keeps_input=True, bend=bend)


def _silu(_: nn.Module) -> Activation:
    def slope(a: Tensor, h: Tensor) -> Tensor:
        p = torch.sigmoid(a)
        return p * (1 + a * (1 - p))

    def curvature(a: Tensor, h: Tensor, s: Tensor) -> Tensor:
        p = torch.sigmoid(a)
        return p * (1 - p) * (2 + a * (1 - 2 * p))

    return Activation(F.silu, slope, curvature, keeps_input=True)


def _normal_density(a: Tensor) -> Tensor:
    return torch.exp(-0.5 * a * a) / math.sqrt(2 * math.pi)


def _gelu(module: nn.GELU) -> Activation | None:
    if module.approximate != "none":
        return None  # the tanh approximation goes through autograd

    def slope(a: Tensor, h: Tensor) -> Tensor:
        return torch.special.ndtr(a) + a * _normal_density(a)

    def curvature(a: Tensor, h: Tensor, s: Tensor) -> Tensor:
        return _normal_density(a) * (2 - a * a)

    return Activation(F.gelu, slope, curvature, keeps_input=True)


_KNOWN: dict[type[nn.Module], Callable[..., Activation | None]] = {
    nn.Sigmoid: lambda _: _SIGMOID,
    nn.Tanh: lambda _: _TANH,
    nn.ReLU: lambda _: _RELU,
    nn.LeakyReLU: _leaky_relu,
    nn.ELU: _elu,
    nn.Softplus: _softplus,
    nn.SiLU: _silu,
    nn.GELU: _gelu,
}


def activation_of(module: nn.Module) -> Activation | None:
    """The derivatives of an activation module, or None where it is not one of the known ones (subclasses are not)."""
    build = _KNOWN.get(type(module))
    return build(module) if build else None
