"""Certified bounds on how much a network stretches, at a row and everywhere within a distance of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from contractive.analysis._rows import check_mode, check_rows
from contractive.core.errors import InvalidType, InvalidValue
from contractive.core.results import TableResult
from contractive.jacobian import is_altered


def _at_zero(low: Tensor, high: Tensor) -> Tensor:
    return torch.zeros_like(low).clamp(low, high)


def _softplus(module: Any, low: Tensor, high: Tensor) -> Tensor:
    largest = torch.maximum(module.beta * low, module.beta * high)
    return torch.where(largest > module.threshold, 1, torch.sigmoid(largest))  # torch's is the identity from there on


# the largest slope of an activation over an interval: of those below it is where it is nearest to 0, or at an end
_SLOPES: dict[type[nn.Module], Callable[[nn.Module, Tensor, Tensor], Tensor]] = {
    nn.Identity: lambda _, low, high: torch.ones_like(low),
    nn.ReLU: lambda _, low, high: (high > 0).to(low),
    nn.Sigmoid: lambda _, low, high: (lambda h: h * (1 - h))(torch.sigmoid(_at_zero(low, high))),
    nn.Tanh: lambda _, low, high: 1 - torch.tanh(_at_zero(low, high)).square(),
    nn.Softplus: _softplus,
}
_LEAST_THRESHOLD = 20  # of softplus, the usual one: it jumps there, by less than 3e-9 / beta
_NAMES = [kind.__name__ for kind in _SLOPES]


@dataclass(frozen=True, repr=False)
class CertifiedNorms(TableResult):
    """Bounds that hold for every point of the ball, for rows and smaller radii included."""

    operator: Tensor  # at least sigma_max of J at every point within `radius` of the row, (rows,)
    exact: Tensor  # sigma_max of J at the row itself, (rows,)
    radius: float
    _table = ("operator", "exact")

    @property
    def contractive_share(self) -> float:
        """Share of the rows around which the map is proven to stretch no direction anywhere in the ball."""
        return float((self.operator <= 1).double().mean())


@torch.no_grad()
def certified_norms(encoder: nn.Sequential, x: Tensor, *, radius: float = 0.0) -> CertifiedNorms:
    """Bound the largest singular value of the Jacobian at the rows x (rows, features) and within `radius` of them.

    For a chain of linear layers with ReLU, sigmoid, tanh or softplus. J = D_L W_L ... D_1 W_1 with slopes D, and
    ||D W|| grows with every slope: the bound is the product over layers of ||S_l W_l||, where S_l are the largest
    slopes that the layer can have (the product of Szegedy et al., ICLR 2014, with local slopes). How far the input of
    an activation can move is bounded twice, and the smaller counts: by ||w_i|| times the bound on the distance of the
    layer below, and by intervals (Gowal et al., ICCV 2019). By the mean value inequality the bound also holds for the
    change of the code over the whole ball, per unit of length. In float64, up to whose rounding it is certain.

    Raises:
        InvalidType: Another module or activation, for which no slope is known here.
        InvalidValue: A radius below 0, a module in training mode that changes the map, or a softplus with a threshold
            so low that it jumps there.
    """
    check_rows(x, 1)
    if not 0 <= radius < float("inf"):
        raise InvalidValue("radius", "be at least 0 and finite", radius, "0 is the row itself.")
    check_mode(encoder)
    value = x.flatten(1).double()
    bound, distance = value.new_ones(len(x)), value.new_full((len(x),), radius)  # of the layer's input, at most
    spread = value.new_full(value.shape, radius)  # of each entry of it, at most
    exact = torch.eye(value.shape[1], dtype=value.dtype, device=x.device)
    for linear, activation in _layers(encoder):
        weight, slope_of = linear.weight.double(), partial(_SLOPES[type(activation)], activation)
        value = nn.functional.linear(value, weight, None if linear.bias is None else linear.bias.double())
        reach = torch.minimum(distance.unsqueeze(1) * weight.norm(dim=1), spread @ weight.abs().T)
        slope = slope_of(value - reach, value + reach)  # (rows, units)
        norm = torch.linalg.matrix_norm(slope.unsqueeze(2) * weight, 2)
        exact = slope_of(value, value).unsqueeze(2) * weight @ exact
        bound, distance, spread, value = bound * norm, distance * norm, slope * reach, activation(value)
    return CertifiedNorms(bound.to(x), torch.linalg.matrix_norm(exact, 2).to(x), float(radius))


def _flat(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules of plain sequences within each other, one that is used twice both times."""
    if type(module) is nn.Sequential and not is_altered(module):
        for part in module:
            yield from _flat(part)
    else:
        yield module


def _layers(encoder: nn.Module) -> list[tuple[nn.Linear, nn.Module]]:
    """Return the linear layers with the activation after each; refuse what is no such chain."""
    pairs: list[tuple[nn.Linear, nn.Module]] = []
    for module in _flat(encoder):
        if type(module) is nn.Linear and not is_altered(module):
            pairs.append((module, nn.Identity()))
        elif type(module) in _SLOPES and not is_altered(module) and pairs and type(pairs[-1][1]) is nn.Identity:
            if isinstance(module, nn.Softplus) and not module.threshold >= _LEAST_THRESHOLD:
                rule = f"have a softplus with a threshold of at least {_LEAST_THRESHOLD}, below which it jumps"
                raise InvalidValue("encoder", rule, module.threshold, "Use norms, which holds at the rows alone.")
            pairs[-1] = (pairs[-1][0], module)
        else:
            rule = f"be an nn.Sequential of nn.Linear, each with one activation of {', '.join(_NAMES)}"
            raise InvalidType("encoder", rule, type(module).__name__, "Use norms, which holds at the rows alone.")
    return pairs
