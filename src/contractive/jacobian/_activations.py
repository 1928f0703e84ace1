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


def _normal_density(a: Tensor) -> Tensor:
    return torch.exp(-0.5 * a * a) / math.sqrt(2 * math.pi)


def _silu_curvature(a: Tensor) -> Tensor:
    p = torch.sigmoid(a)
    return p * (1 - p) * (2 + a * (1 - 2 * p))


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
_SILU = Activation(
    F.silu,
    slope=lambda a, h: (p := torch.sigmoid(a)) * (1 + a * (1 - p)),
    curvature=lambda a, h, s: _silu_curvature(a),
    keeps_input=True,
)
_GELU = Activation(
    F.gelu,
    slope=lambda a, h: torch.special.ndtr(a) + a * _normal_density(a),
    curvature=lambda a, h, s: _normal_density(a) * (2 - a * a),
    keeps_input=True,
)


def _leaky_relu(low: float) -> Activation:
    return Activation(
        lambda a: F.leaky_relu(a, low),
        slope=lambda a, h: torch.where(a > 0, 1.0, torch.full_like(a, low)),
        curvature=None,
        keeps_input=True,
    )


def _elu(alpha: float) -> Activation:
    return Activation(
        lambda a: F.elu(a, alpha),
        # not h + alpha, which has no digits left where h is near -alpha
        slope=lambda a, h: torch.where(a > 0, 1.0, alpha * torch.exp(a.clamp(max=0))),
        curvature=lambda a, h, s: torch.where(a > 0, 0.0, s),
        keeps_input=True,
        bend=lambda y, a, h, s: torch.where(a > 0, 0.0, y),
    )


def _softplus(beta: float, threshold: float) -> Activation:
    return Activation(
        lambda a: F.softplus(a, beta, threshold),
        # torch's own softplus is the identity beyond the threshold; so must be its derivative
        slope=lambda a, h: torch.where(a * beta > threshold, 1.0, torch.sigmoid(a * beta)),
        curvature=lambda a, h, s: beta * s * (1 - s),
        keeps_input=True,
        bend=lambda y, a, h, s: y * (1 - s).mul_(beta),
    )


class PartlyLinear(nn.Module):
    """The identity for the first units of a layer, the SiLU for the others: a linear and a hidden layer side by side.

    Args:
        num_linear: Number of units that are left as they are.
    """

    def __init__(self, num_linear: int) -> None:
        super().__init__()
        self.num_linear = num_linear

    def forward(self, a: Tensor) -> Tensor:
        """Apply it to rows (batch, units)."""
        return torch.cat([a[:, : self.num_linear], F.silu(a[:, self.num_linear :])], 1)

    def extra_repr(self) -> str:
        return f"num_linear={self.num_linear}"


def _partly_linear(module: PartlyLinear) -> Activation:
    n = module.num_linear

    def joined(linear: float, a: Tensor, rest: Tensor) -> Tensor:
        return torch.cat([torch.full_like(a[:, :n], linear), rest], 1)

    return Activation(
        module.forward,
        slope=lambda a, h: joined(1.0, a, _SILU.slope(a[:, n:], h[:, n:])),
        curvature=lambda a, h, s: joined(0.0, a, _silu_curvature(a[:, n:])),
        keeps_input=True,
    )


_KNOWN: dict[type[nn.Module], Callable[..., Activation | None]] = {
    nn.Sigmoid: lambda _: _SIGMOID,
    nn.Tanh: lambda _: _TANH,
    nn.ReLU: lambda _: _RELU,
    nn.LeakyReLU: lambda module: _leaky_relu(module.negative_slope),
    nn.ELU: lambda module: _elu(module.alpha),
    nn.Softplus: lambda module: _softplus(module.beta, module.threshold),
    nn.SiLU: lambda _: _SILU,
    PartlyLinear: _partly_linear,
    nn.GELU: lambda module: _GELU if module.approximate == "none" else None,  # the tanh form goes through autograd
}


def activation_of(module: nn.Module) -> Activation | None:
    """Return the derivatives of an activation module, or None where it is not known (subclasses are not)."""
    build = _KNOWN.get(type(module))
    return build(module) if build else None
