"""The leading singular values and right singular vectors of J, without the whole Jacobian where that is cheaper."""

from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.core.errors import InvalidValue
from contractive.jacobian import _dense, _krylov
from contractive.jacobian._chain import recognise
from contractive.jacobian._linearise import Map, linearise
from contractive.jacobian._norms import jacobian
from contractive.jacobian._plan import MEMORY_BUDGET

WAYS = ("auto", "exact", "iterate")
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
    result by Q. `iterate` builds a block Krylov space of J^T J (Musco and Musco 2015, algorithm 2), which needs J u and
    J^T v only: for 784-1000 it is several times faster. Singular values below 1e-8 of the largest are not told apart.

    Args:
        f: Map whose row i depends on row i of `x` only.
        x: Points, (batch, *features).
        num: How many; at most the smaller of code and features.
        method: `auto` iterates where the smaller side of J is above 128 and above six times `num`.
        tolerance: Iteration ends when no wanted squared singular value grew by more than this share in a step, which
            adds a third of `num` directions.
        max_iterations: And at the latest after so many steps.
        generator: Source of the directions to start from; a fixed one if omitted, so that the result is repeatable.
        memory_budget: Bytes for the matrices handled at a time.

    Raises:
        ValueError: `num` below 1 or above what J has, an unknown method, a tolerance or a count that is not above 0.
    """
    if method not in WAYS:
        raise InvalidValue("method", f"be one of {', '.join(WAYS)}", repr(method), "Leave it out for auto.")
    if not tolerance > 0 or max_iterations < 1:
        got = f"{tolerance} and {max_iterations}"
        raise InvalidValue("tolerance and max_iterations", "be above 0", got, "Leave them out.")
    first = linearise(f, x[:1])
    units, features = first.value.shape[1:].numel(), x.shape[1:].numel()
    side = min(units, features)
    if not 1 <= num <= side:
        raise InvalidValue("num", f"lie between 1 and {side}", num, "A Jacobian has no more singular values.")
    iterates = method == "iterate" or (method == "auto" and side > max(_SMALL, 6 * num))
    if iterates:
        numbers = 2 * _krylov.room(num, features) * (units + features)
    else:
        numbers = max(4 * units * features, _dense.numbers(recognise(f)))
    seed = 0 if generator is None else int(torch.randint(2**31, (1,), generator=generator, device=generator.device))
    found = [
        _krylov.iterate(linearise(f, part), part, num, tolerance, max_iterations, seed)
        if iterates
        else _exact(f, part, num)
        for part in x.split(max(1, memory_budget // (numbers * x.element_size())))
    ]
    values, vectors = zip(*found, strict=True)
    return Leading(torch.cat(values), torch.cat(vectors))


def _exact(f: Map, x: Tensor, num: int) -> tuple[Tensor, Tensor]:
    chain = recognise(f)
    if chain is not None and chain.fits(x) and chain.is_dense:
        rows, weight = _dense.factors(chain, x)
        if len(weight) >= num:  # a narrower first layer leaves too few directions
            q, r = torch.linalg.qr(weight.T)
            _, values, right = torch.linalg.svd(rows @ r.T, full_matrices=False)
            return values[:, :num], right[:, :num] @ q.T
    _, values, right = torch.linalg.svd(jacobian(f, x), full_matrices=False)
    return values[:, :num], right[:, :num]
