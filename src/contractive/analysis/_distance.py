"""Distance between points that may move along their tangent directions (Simard, LeCun and Denker 1993).

Notation: x is a query and y a point, d = x - y; the rows of T_x (num, features) and T_y are their tangents.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.core.errors import InvalidValue
from contractive.core.results import Result
from contractive.jacobian import MEMORY_BUDGET


@torch.no_grad()
def orthonormal(tangents: Tensor) -> Tensor:
    """Return an orthonormal basis of each example's tangents (examples, num, features), same shape.

    They may have any length and depend on each other; rows that are not needed are zero.
    """
    num = max(1, tangents.shape[1])
    per_example = 3 * 8 * max(1, tangents.shape[1] * tangents.shape[2])
    floor = max(10 * num * torch.finfo(torch.float64).eps, (num * torch.finfo(tangents.dtype).eps) ** 2)
    bases = []
    for part in tangents.split(max(1, MEMORY_BUDGET // per_example)):
        rows = part.double()  # T T^T squares the condition of T: single precision would lose small angles
        lengths = torch.linalg.vector_norm(rows, dim=2, keepdim=True)
        rows = rows / torch.where(lengths > 0, lengths, 1)  # a short tangent spans as much as a long one
        # T T^T = V L V^T: the rows of L^-1/2 V^T T are orthonormal, since (L^-1/2 V^T) T T^T (V L^-1/2) = I.
        # Cheaper by far than decomposing T, whose rows are many numbers long.
        for least in (floor, 0.5):  # the second turn removes what the first leaves of nearly dependent tangents
            values, turn = torch.linalg.eigh(rows @ rows.mT)
            inverse = torch.where(values > least, values.clamp_min(least).rsqrt(), 0)
            rows = (turn * inverse.unsqueeze(1)).mT @ rows
        bases.append(rows.to(tangents.dtype))
    return torch.cat(bases)


@torch.no_grad()
def squared_tangent_distances(
    queries: Tensor,
    points: Tensor,
    *,
    query_tangents: Tensor | None = None,
    point_tangents: Tensor | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> Tensor:
    """Squared tangent distances of all pairs, (queries, points).

    min over a and b of ||(x + T_x^T a) - (y + T_y^T b)||^2: two-sided with both tangents, one-sided with one, Euclidean
    with none. With orthonormal tangents this is ||d||^2 less the squared length of the projection of d on the tangents'
    span, which for two sides needs one small system per pair.

    Queries and points are rows (rows, features), tangents any basis (rows, num, features). `memory_budget` is in bytes
    and bounds the numbers per pair that are computed at a time.
    """
    q, t_q = _prepared("queries", queries, "query_tangents", query_tangents)
    p, t_p = _prepared("points", points, "point_tangents", point_tangents)
    if q.shape[1] != p.shape[1]:
        rule = f"have {p.shape[1]} features like points"
        raise InvalidValue("queries", rule, q.shape[1], "Use the same data.")
    if not len(q) or not len(p):
        return q.new_zeros(len(q), len(p))
    shift = p.mean(0)  # smaller numbers, less cancellation
    q, p = q - shift, p - shift
    num_q, num_p = t_q.shape[1], t_p.shape[1]
    per_pair = 4 * (1 + num_q + num_p + num_q * num_p + num_p**2) * q.element_size()
    side = max(1, math.isqrt(max(1, memory_budget // per_pair)))
    starts = range(0, len(p), side)
    rows = [
        torch.cat([_block(here, p[j : j + side], t_here, t_p[j : j + side]) for j in starts], 1)
        for here, t_here in zip(q.split(side), t_q.split(side), strict=True)
    ]
    return torch.cat(rows)


@dataclass(frozen=True, repr=False)
class TangentNeighbors(Result):
    """The nearest points of each query, nearest first."""

    squared_distances: Tensor  # (queries, k)
    indices: Tensor  # into the points, (queries, k)


def tangent_neighbors(
    queries: Tensor,
    points: Tensor,
    k: int,
    *,
    query_tangents: Tensor | None = None,
    point_tangents: Tensor | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> TangentNeighbors:
    """Find the k nearest points of every query, at most all; arguments as in `squared_tangent_distances`."""
    if not 1 <= k <= len(points):
        raise InvalidValue("k", f"lie between 1 and the {len(points)} points", k, "Take fewer neighbours.")
    values, indices = [queries.new_zeros(0, k)], [torch.zeros(0, k, dtype=torch.long, device=queries.device)]
    step = max(1, memory_budget // (2 * len(points) * queries.element_size()))
    for i in range(0, len(queries), step):
        tangents = None if query_tangents is None else query_tangents[i : i + step]
        options = {"point_tangents": point_tangents, "memory_budget": memory_budget}
        distances = squared_tangent_distances(queries[i : i + step], points, query_tangents=tangents, **options)
        found = distances.topk(k, largest=False)
        values.append(found.values)
        indices.append(found.indices)
    return TangentNeighbors(torch.cat(values), torch.cat(indices))


def _prepared(name: str, x: Tensor, tangents_name: str, tangents: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return rows and their orthonormal tangents, none of them where none are given."""
    if x.ndim != 2:
        raise InvalidValue(name, "have the shape (rows, features)", tuple(x.shape), "Flatten them.")
    if tangents is None:
        return x, x.new_zeros(len(x), 0, x.shape[1])
    if tangents.ndim != 3 or tangents.shape[:1] + tangents.shape[2:] != x.shape:
        rule = f"have the shape ({len(x)}, num, {x.shape[1]})"
        raise InvalidValue(tangents_name, rule, tuple(tangents.shape), "One set per row.")
    return x, orthonormal(tangents.to(x.dtype))


def _block(q: Tensor, p: Tensor, t_q: Tensor, t_p: Tensor) -> Tensor:
    distances = q.square().sum(1)[:, None] + p.square().sum(1) - 2 * q @ p.T
    along_q = torch.einsum("imd,id->im", t_q, q)[:, None] - torch.einsum("imd,jd->ijm", t_q, p)  # T_x d
    along_p = torch.einsum("jnd,id->ijn", t_p, q) - torch.einsum("jnd,jd->jn", t_p, p)  # T_y d
    distances = distances - along_q.square().sum(2)
    if t_q.shape[1] == 0 or t_p.shape[1] == 0:  # one set of directions: less the squared length of the projection
        return (distances - along_p.square().sum(2)).clamp_min(0)
    # the rest of T_y after the projection on T_x: S = I - C^T C, r = T_y d - C^T T_x d, and r^T S^-1 r is its share
    cosines = torch.einsum("imd,jnd->ijmn", t_q, t_p)
    rest = along_p - torch.einsum("ijmn,ijm->ijn", cosines, along_q)
    eye = torch.eye(t_p.shape[1], dtype=q.dtype, device=q.device)
    # planes that share a direction make S singular; r has no part there, and the ridge keeps the division sane
    ridge = 10 * (t_q.shape[1] + t_p.shape[1]) * torch.finfo(q.dtype).eps
    factor = torch.linalg.cholesky((1 + ridge) * eye - cosines.mT @ cosines)
    solved = torch.linalg.solve_triangular(factor, rest.unsqueeze(3), upper=False)
    return (distances - solved.square().sum((2, 3))).clamp_min(0)
