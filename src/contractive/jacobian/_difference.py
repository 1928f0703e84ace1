"""||J(x) - J(x')||_F^2 between an input and noisy copies of it: the penalty of the higher-order autoencoder."""

import torch
from torch import Tensor

from contractive.core.randomness import draw
from contractive.jacobian._autograd import Linearised
from contractive.jacobian._chain import Chain, Map
from contractive.jacobian._code_probes import code_probes
from contractive.jacobian._operations import Repeatable
from contractive.jacobian._plan import GROUP, Request


def one_layer(
    chain: Chain, x: Tensor, sigma: float, copies: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (code, ||J(x)||^2, mean over copies of ||J(x) - J(x + e)||^2) of act(W x + b), exact given the noise.

    J(x) - J(x') = (D - D') W, so both norms are weighted sums of the ||W_j||^2. With W (x + e) = W x + W e the encoder
    runs once, and W e is computed for one e in a group of eight examples: each example's noise is N(0, sigma^2 I).
    """
    (layer,) = chain.layers
    weight, bias = layer.parameters()
    act = layer.activation
    a = layer.affine.apply(x, weight, bias)
    norms = weight.square().sum(1)
    if act is None:
        return a, norms.sum().expand(len(x)), torch.zeros_like(a[:, 0])
    h = act.apply(a)
    slope = act.slope(a, h)
    groups = -(-len(x) // GROUP)
    noise = draw(torch.randn, (copies, groups, x.shape[1]), like=x, generator=generator, axis=1).mul_(sigma)
    shift = layer.affine.push(noise.flatten(0, 1), weight).unflatten(0, (copies, groups))
    moved = a + shift.repeat_interleave(GROUP, 1)[:, : len(x)]
    difference = act.slope(moved, act.apply(moved)) - slope
    return h, slope.square() @ norms, difference.square().mean(0) @ norms


def norm_and_difference(
    f: Map, chain: Chain | None, x: Tensor, sigma: float, copies: int, request: Request
) -> tuple[Tensor, Tensor, Tensor]:
    """Return code, norm and difference, in closed form for one dense layer."""
    if chain is not None and len(chain.layers) == 1 and chain.is_dense:
        if not chain.reshapes and not chain.layers[0].reshapes:
            return one_layer(chain, x, sigma, copies, request.generator)
    return through_autograd(f, x, sigma, copies, request)


def through_autograd(f: Map, x: Tensor, sigma: float, copies: int, request: Request) -> tuple[Tensor, Tensor, Tensor]:
    """Return the same for any encoder by probe vectors v: E ||v^T (J(x) - J(x'))||^2, one pass for x and its copies."""
    generator = request.generator
    noise = draw(torch.randn, (copies, *x.shape), like=x, generator=generator, axis=1).mul_(sigma)
    stacked = torch.cat([x.unsqueeze(0), x + noise]).flatten(0, 1)
    with Repeatable():
        at = Linearised(f, stacked)
    code = at.value.unflatten(0, (1 + copies, len(x)))[0]
    size = code.shape[1:].numel()
    if request.method == "exact":
        v = torch.eye(size, dtype=code.dtype, device=code.device).expand(len(x), size, size)
    else:
        v = code_probes(len(x), request.num_probes, size, like=code, generator=generator)
    squares = []
    for probe in v.unbind(1):
        row = at.rows(probe.reshape(1, *code.shape).repeat(1, 1 + copies, *(1,) * (code.ndim - 1)))[0]
        here, *there = row.unflatten(0, (1 + copies, len(x))).flatten(2)
        squares.append(torch.stack([here.square().sum(1), (here - torch.stack(there)).square().sum(2).mean(0)]))
    total = torch.stack(squares).sum(0)
    norm, difference = total if request.method == "exact" else total / request.num_probes
    return code, norm, difference
