"""The leading singular values and right singular vectors of J, without the whole Jacobian where that is cheaper."""

from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.jacobian import _dense
from contractive.jacobian._chain import recognise
from contractive.jacobian._linearise import Linearisation, Map, linearise
from contractive.jacobian._norms import jacobian
from contractive.jacobian._plan import MEMORY_BUDGET

WAYS = ("auto", "exact", "iterate")
_SPARE = 10  # extra directions carried along: they speed up convergence and guard close singular values
_SMALL = 128  # up to this size of the smaller side a decomposition beats iterating


@dataclass(frozen=True)
class Leading:
    """The leading part of the singular value decomposition of each example's Jacobian.

    Attributes:
        values: Singular values, descending, (batch, num).
        vectors: Orthonormal right singular vectors, (batch, num, features flattened): directions of the input space
            in which the code moves most.
    """

    values: Tensor
    vectors: Tensor


@torch.no_grad()
def leading(
    f: Map,
    x: Tensor,
    num: int,
    *,
    method: str = "auto",
    tolerance: float = 1e-4,
    max_iterations: int = 100,
    generator: torch.Generator | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> Leading:
    """Compute the `num` leading singular values and right singular vectors of df/dx at every row of x.

    `exact` decomposes the Jacobian; for a dense chain J = A W_1 with W_1^T = Q R it decomposes A R^T and turns the
    result by Q. `iterate` is block power iteration on J^T J with `num` + 10 directions (Halko, Martinsson and Tropp
    2011, algorithm 4.4), which needs J u and J^T v only: for 784-1000 it is several times faster.

    Args:
        f: Map whose row i depends on row i of `x` only.
        x: Points, (batch, *features).
        num: How many; at most the smaller of code and features.
        method: `auto` iterates where the smaller side of J is above 128 and above four times the block.
        tolerance: Iteration ends when no wanted squared singular value grew by more than this share.
        max_iterations: And at the latest then.
        generator: Source of the directions to start from; a fixed one if omitted, so that the result is repeatable.
        memory_budget: Bytes for the matrices handled at a time.

    Raises:
        ValueError: `num` below 1 or above what J has, an unknown method, a tolerance or a count that is not above 0.
    """
    if method not in WAYS:
        raise ValueError(f"method must be one of {', '.join(WAYS)}, got {method!r}. Leave it out for auto.")
    if not tolerance > 0 or max_iterations < 1:
        got = f"{tolerance} and {max_iterations}"
        raise ValueError(f"tolerance and max_iterations must be above 0, got {got}. Leave them out.")
    first = linearise(f, x[:1])
    units, features = first.value.shape[1:].numel(), x.shape[1:].numel()
    side = min(units, features)
    if not 1 <= num <= side:
        raise ValueError(f"num must lie between 1 and {side}, got {num}. A Jacobian has no more singular values.")
    block = min(num + _SPARE, side)
    iterates = method == "iterate" or (method == "auto" and side > max(_SMALL, 4 * block))
    numbers = 6 * block * max(units, features) if iterates else 4 * units * features
    parts = x.split(max(1, memory_budget // (numbers * x.element_size())))
    start = None
    if iterates:
        generator = generator or torch.Generator().manual_seed(0)
        start = torch.randn(block, features, generator=generator, dtype=x.dtype, device=generator.device)
        start = start.to(x.device)
    found = [
        _exact(f, part, num)
        if start is None
        else _iterate(linearise(f, part), part, num, start, tolerance, max_iterations)
        for part in parts
    ]
    return Leading(torch.cat([part.values for part in found]), torch.cat([part.vectors for part in found]))


def _exact(f: Map, x: Tensor, num: int) -> Leading:
    chain = recognise(f)
    if chain is not None and chain.fits(x) and chain.is_dense:
        rows, weight = _dense.factors(chain, x)
        if len(weight) >= num:  # a narrower first layer leaves too few directions
            q, r = torch.linalg.qr(weight.T)
            _, values, right = torch.linalg.svd(rows @ r.T, full_matrices=False)
            return Leading(values[:, :num], right[:, :num] @ q.T)
    _, values, right = torch.linalg.svd(jacobian(f, x), full_matrices=False)
    return Leading(values[:, :num], right[:, :num])


def _iterate(at: Linearisation, x: Tensor, num: int, start: Tensor, tolerance: float, most: int) -> Leading:
    basis = torch.linalg.qr(start.T).Q.mT.expand(len(x), -1, -1)
    before = x.new_zeros(len(x), num)
    scale = None  # of J, whose squares might be beyond what numbers can hold
    for _ in range(most):
        pushed = at.push(basis.reshape(*basis.shape[:2], *x.shape[1:]))
        flat = pushed.flatten(2)
        if scale is None:
            largest = flat.abs().amax((1, 2), keepdim=True)
            scale = torch.where(largest > 0, largest, 1)
        flat = flat / scale
        squares = torch.linalg.eigvalsh(flat @ flat.mT).flip(1)[:, :num]
        noise = torch.finfo(x.dtype).eps * squares[:, :1]
        if bool((squares - before <= tolerance * squares + noise).all()):
            break
        before = squares
        basis = torch.linalg.qr(at.pull(flat.reshape(pushed.shape)).flatten(2).mT).Q.mT
    pushed = at.push(basis.reshape(*basis.shape[:2], *x.shape[1:])).flatten(2)
    # Rayleigh-Ritz: the best directions inside the span
    turned, values, _ = torch.linalg.svd(pushed, full_matrices=False)
    return Leading(values[:, :num], (turned.mT @ basis)[:, :num])
