"""The penalty by its definition, and the formulas that are mistaken for it.

A formula gives one value per example, differentiable in the parameters just as the mistaken code is.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

Map = Callable[[Tensor], Tensor]
Formula = Callable[[], Tensor]

_SLOPES = {"own": (), "sigmoid": ("sigmoid slope",), "none": ("slope dropped",)}


def by_definition(encoder: Map, x: Tensor) -> Tensor:
    """||J||_F^2 per example, (batch,)."""
    return _jacobian(encoder, x).square().sum((1, 2))


def formulas(encoder: Map, x: Tensor) -> Iterator[tuple[tuple[str, ...], Formula]]:
    """Yield (mistakes, formula) pairs; the first is right, with no mistakes."""
    yield (), lambda: by_definition(encoder, x)
    yield ("summed outputs",), lambda: _jacobian(encoder, x).sum(1).square().sum(1)
    yield ("summed inputs",), lambda: _jacobian(encoder, x).sum(2).square().sum(1)
    yield ("not squared",), lambda: by_definition(encoder, x).sqrt()
    layer = _last_linear(encoder, x)
    if layer is None:
        return
    several = not torch.allclose(_one_layer(encoder, layer, x, "own", ""), by_definition(encoder, x), rtol=1e-4, atol=0)
    for slope, detached in product(_SLOPES, ("", "weight", "slope")):
        mistakes = (*_SLOPES[slope], *(["last layer only"] * several), *([f"detached {detached}"] if detached else []))
        yield mistakes, lambda s=slope, d=detached: _one_layer(encoder, layer, x, s, d)


def _jacobian(encoder: Map, x: Tensor) -> Tensor:
    """(batch, k, d), one autograd row for each unit of the code, on the graph of the parameters."""
    x = x.detach().clone().requires_grad_()
    with sdpa_kernel(SDPBackend.MATH):  # the faster kernels of attention have no second derivative
        units = encoder(x).flatten(1).unbind(1)
    rows = [torch.autograd.grad(unit.sum(), x, create_graph=True, materialize_grads=True)[0] for unit in units]
    return torch.stack([row.flatten(1) for row in rows], 1)


def _one_layer(encoder: Map, layer: nn.Linear, x: Tensor, slope: str, detached: str) -> Tensor:
    """sum_j slope_j^2 ||W_j||^2 with W the weight of `layer`, from whose output the code is computed."""
    code, preactivation = _with_output_of(layer, encoder, x)
    if slope == "own":
        (factors,) = torch.autograd.grad(code.sum(), preactivation, create_graph=True)
    else:
        factors = code * (1 - code) if slope == "sigmoid" else torch.ones_like(code)
    factors = factors.detach() if detached == "slope" else factors
    weight = layer.weight.detach() if detached == "weight" else layer.weight
    return factors.square() @ weight.square().sum(1)


def _last_linear(encoder: Map, x: Tensor) -> nn.Linear | None:
    """The last Linear layer, if its shapes allow that the code is an elementwise function of its output."""
    modules = encoder.modules() if isinstance(encoder, nn.Module) else ()
    layers = [module for module in modules if isinstance(module, nn.Linear)]
    if not layers:
        return None
    code, output = _with_output_of(layers[-1], encoder, x)
    if code.shape != output.shape or code.ndim != 2:
        return None
    (path,) = torch.autograd.grad(code.sum(), output, allow_unused=True)  # None for a layer beside the code's
    return None if path is None else layers[-1]


def _with_output_of(layer: nn.Linear, encoder: Map, x: Tensor) -> tuple[Tensor, Tensor]:
    """The code and the output of the layer on the way to it, an empty tensor if it was not called."""
    outputs: list[Any] = [x.new_empty(0)]
    handle = layer.register_forward_hook(lambda module, args, output: outputs.append(output))
    try:
        with sdpa_kernel(SDPBackend.MATH):
            return encoder(x), outputs[-1]
    finally:
        handle.remove()
