"""The findings of a check in words, the penalty by its definition, and the formulas that are mistaken for it.

A formula gives one value per example, differentiable in the parameters just as the mistaken code is.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

Map = Callable[[Tensor], Tensor]
Formula = Callable[[], Tensor]

MISTAKES = {
    "summed outputs": "It is ||J^T 1||^2: the units of the code were summed before differentiating. Differentiate each"
    " unit on its own, or give the units random signs and average over draws.",
    "summed inputs": "It is ||J 1||^2: the weights of a unit were summed before squaring. Square first, then sum.",
    "last layer only": "It is the one-layer formula with the last weight, and the encoder has more layers."
    " Differentiate through all of them, with contractive.value_and_squared_norm or autograd.",
    "sigmoid slope": "It takes h (1 - h), the slope of a sigmoid, for another activation. Use that one's own slope.",
    "slope dropped": "It is ||W||^2 without the slope of the activation. Multiply row j of W by act'(a_j).",
    "not squared": "It is ||J||, the root of the penalty. Leave out .sqrt(), or square .norm().",
    "floor division": "It is rounded down, which has no gradient. Divide with / instead of //.",
    "constant factor": "The norm is multiplied by {factor}. Leave that out, or fold it into the weight of the penalty.",
    "batch factor": "The norm is multiplied by {factor}, which changes with the batch: no weight makes up for it."
    " Differentiate the sum over examples, not their mean.",
    "stale weight": "It does not follow the weights: it uses a copy made earlier. Read the weight at every call.",
    "detached weight": "The gradient through the weight is missing. Use layer.weight itself, no copy or .data.",
    "detached slope": "The gradient through the slope of the activation is missing. Do not detach the code.",
    "no gradient": "Its gradient in the parameters is missing or zero: it trains nothing. Keep create_graph=True, and"
    " leave out .detach(), .data, .item() and torch.no_grad().",
    "gradient factor": "Its gradient is {ratio:.4g} times that of its value. Let autograd derive it.",
    "unknown value": "Its value is no multiple of ||J||^2 and no known mistake. Compare with contractive.squared_norm.",
    "unknown gradient": "Its gradient is not that of its value. Let autograd derive it, from the weights themselves.",
    "wrong code": "The code returned with the values is not encoder(x). Return (encoder(x), values).",
    "wrong shape": "It must return one value per example or one for the batch, got shape {got} for {batch} examples."
    " Sum over features and units only.",
    "not a tensor": "It must return a tensor of real numbers, got {got}. Leave out .item() and .tolist().",
    "not finite": "Its value or gradient is nan or infinite. Look for roots and logarithms of zero.",
    "an exception": "It raised {got}. If it is made for one kind of encoder, check it with that one.",
    "too noisy": "The estimate varies too much to tell right from wrong. Use more probe vectors, or more `draws`.",
}


@dataclass(frozen=True)
class EncoderCheck:
    """The findings with one encoder; true if all is right."""

    encoder: str  # its name
    value_right: bool = False  # the value is ||J||_F^2, per example or as batch mean or sum
    gradient_right: bool = False  # the gradient in the parameters is that of ||J||_F^2
    value_error: float = math.nan  # ||value - truth|| / ||truth||; nan where there is nothing to compare
    gradient_error: float = math.nan
    gradient_cosine: float = math.nan  # of the angle to the true gradient
    reduction: str = "unknown"  # or `per example`, `batch mean`, `batch sum`
    factor: str = ""  # constant before ||J||^2, such as `1`, `1/2` or `1/(d*k)`; empty if it is no multiple of it
    stochastic: bool = False  # calls differed, and the mean of many was compared by its standard error
    mistakes: tuple[str, ...] = ()  # keys of `MISTAKES`
    findings: tuple[str, ...] = ()  # for each mistake what is wrong and what to do

    def __bool__(self) -> bool:
        return self.value_right and self.gradient_right

    @property
    def undecided(self) -> bool:
        """True if the estimate is too noisy to tell right from wrong."""
        return self.mistakes == ("too noisy",)

    def __str__(self) -> str:
        if self.undecided:
            return f"{self.encoder}: could not be decided"
        if self:
            return f"{self.encoder}: right, {self.reduction}{', unbiased estimate' * self.stochastic}"
        head = f"{self.encoder}: {', '.join(self.mistakes)}"
        if math.isnan(self.value_error):
            return head
        errors = f"value {self.value_error:.2g}, gradient {self.gradient_error:.2g}"
        return f"{head} (relative error of the {errors}; cosine {self.gradient_cosine:.2f})"


@dataclass(frozen=True)
class PenaltyCheck:
    """The outcome with every encoder; true only if all is right with all of them. Print it for a report."""

    encoders: tuple[EncoderCheck, ...]

    def __bool__(self) -> bool:
        return all(self.encoders)

    def __str__(self) -> str:
        undecided = sum(one.undecided for one in self.encoders)
        wrong = sum(not one for one in self.encoders) - undecided
        verdict = f"The penalty is wrong with {wrong} of {len(self.encoders)} encoders." if wrong else ""
        if undecided:
            verdict += f" It could not be decided with {undecided} of {len(self.encoders)} encoders."
        findings = {text: name for one in self.encoders for name, text in zip(one.mistakes, one.findings, strict=True)}
        explained = [f"{name}: {text}" for text, name in findings.items()]
        verdict = verdict.lstrip() or "The penalty is right."
        return "\n".join([verdict, *(f"  {one}" for one in self.encoders), *explained])


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
