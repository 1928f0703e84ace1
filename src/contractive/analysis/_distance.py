"""Distance between points that may move along their tangent directions (Simard, LeCun and Denker 1993)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

MEMORY_BUDGET = 256 * 2**20


@dataclass(frozen=True)
class TangentNeighbors:
    """The nearest points of each query, nearest first.

    Attributes:
        squared_distances: (queries, k).
        indices: Into the points, (queries, k).
    """

    squared_distances: Tensor
    indices: Tensor


@torch.no_grad()
def orthonormal(tangents: Tensor) -> Tensor:
    """An orthonormal basis of each example's tangents, same shape; rows that are not needed are zero.

    Args:
        tangents: (examples, num, features), of any length, even linearly dependent.
    """
    per_example = 3 * 8 * max(1, tangents.shape[1] * tangents.shape[2])
    parts = tangents.split(max(1, MEMORY_BUDGET // per_example))
    return torch.cat([_orthonormal(part).to(tangents.dtype) for part in parts])


def _orthonormal(tangents: Tensor) -> Tensor:
    rows = tangents.double()  # T T^T squares the condition of T: single precision would lose small angles
    lengths = torch.linalg.vector_norm(rows, dim=2, keepdim=True)
    rows = rows / torch.where(lengths > 0, lengths, 1)  # a short tangent spans as much as a long one
    num = max(1, tangents.shape[1])
    floor = max(10 * num * torch.finfo(torch.float64).eps, (num * torch.finfo(tangents.dtype).eps) ** 2)
    # eigenvalues of T T^T: cheaper by far than decomposing T, whose rows are many numbers long
    for least in (floor, 0.5):  # the second turn removes what the first leaves of nearly dependent tangents
        values, turn = torch.linalg.eigh(rows @ rows.mT)
        inverse = torch.where(values > least, values.clamp_min(least).rsqrt(), 0)
        rows = (turn * inverse.unsqueeze(1)).mT @ rows
    return rows


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
    with none. With orthonormal tangents this is ||d||^2, d = x - y, less the squared length of its projection on the
    tangents' span, which for two sides needs one small system per pair.

    Args:
        queries: (queries, features).
        points: (points, features).
        query_tangents: (queries, num, features), any basis, or None.
        point_tangents: (points, num, features), any basis, or None.
        memory_budget: Bytes for what is computed per pair at a time.

    Raises:
        ValueError: Shapes that do not fit.
    """
    q, t_q = _prepared("query", queries, query_tangents)
    p, t_p = _prepared("point", points, point_tangents)
    if q.shape[1] != p.shape[1]:
        raise ValueError(f"queries must have {p.shape[1]} features like points, got {q.shape[1]}. Use the same data.")
    if not len(q) or not len(p):
        return q.new_zeros(len(q), len(p))
    shift = p.mean(0)  # smaller numbers, less cancellation
    q, p = q - shift, p - shift
    num_q, num_p = (0 if t is None else t.shape[1] for t in (t_q, t_p))
    per_pair = 4 * (1 + num_q + num_p + num_q * num_p + num_p**2) * q.element_size()
    side = max(1, math.isqrt(max(1, memory_budget // per_pair)))
    rows = []
    for i in range(0, len(q), side):
        here = None if t_q is None else t_q[i : i + side]
        blocks = [
            _block(q[i : i + side], p[j : j + side], here, None if t_p is None else t_p[j : j + side])
            for j in range(0, len(p), side)
        ]
        rows.append(torch.cat(blocks, 1))
    return torch.cat(rows)


def tangent_neighbors(
    queries: Tensor,
    points: Tensor,
    k: int,
    *,
    query_tangents: Tensor | None = None,
    point_tangents: Tensor | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> TangentNeighbors:
    """Find the k nearest points of every query under the tangent distance; arguments as in `squared_tangent_distances`.

    Raises:
        ValueError: k below 1 or above the number of points, and as `squared_tangent_distances`.
    """
    if not 1 <= k <= len(points):
        raise ValueError(f"k must lie between 1 and the {len(points)} points, got {k}. Take fewer neighbours.")
    found = []
    step = max(1, memory_budget // (2 * len(points) * queries.element_size()))
    for i in range(0, len(queries), step):
        tangents = None if query_tangents is None else query_tangents[i : i + step]
        distances = squared_tangent_distances(
            queries[i : i + step],
            points,
            query_tangents=tangents,
            point_tangents=point_tangents,
            memory_budget=memory_budget,
        )
        found.append(distances.topk(k, largest=False))
    if not found:
        return TangentNeighbors(queries.new_zeros(0, k), torch.zeros(0, k, dtype=torch.long))
    return TangentNeighbors(torch.cat([part.values for part in found]), torch.cat([part.indices for part in found]))


def _prepared(what: str, x: Tensor, tangents: Tensor | None) -> tuple[Tensor, Tensor | None]:
    if x.ndim != 2:
        raise ValueError(f"{what} rows must have the shape (rows, features), got {tuple(x.shape)}. Flatten them.")
    if tangents is None:
        return x, None
    if tangents.ndim != 3 or tangents.shape[:1] + tangents.shape[2:] != x.shape:
        rule = f"({len(x)}, num, {x.shape[1]})"
        raise ValueError(f"{what}_tangents must have the shape {rule}, got {tuple(tangents.shape)}. One set per row.")
    return x, orthonormal(tangents.to(x.dtype))


def _block(q: Tensor, p: Tensor, t_q: Tensor | None, t_p: Tensor | None) -> Tensor:
    distances = q.square().sum(1)[:, None] + p.square().sum(1) - 2 * q @ p.T
    along_q = None if t_q is None else _along(t_q, q)[:, None] - torch.einsum("imd,jd->ijm", t_q, p)
    along_p = None if t_p is None else torch.einsum("jnd,id->ijn", t_p, q) - _along(t_p, p)
    first, second = (along_q, along_p) if along_q is not None else (along_p, None)
    if first is not None:
        distances = distances - first.square().sum(2)
    if t_q is None or t_p is None or along_q is None or second is None:
        return distances.clamp_min(0)
    # the rest of T_y after the projection on T_x: S = I - C^T C, r = T_y d - C^T T_x d, and r^T S^-1 r is its share
    cosines = torch.einsum("imd,jnd->ijmn", t_q, t_p)
    rest = second - torch.einsum("ijmn,ijm->ijn", cosines, along_q)
    eye = torch.eye(t_p.shape[1], dtype=q.dtype, device=q.device)
    # planes that share a direction make S singular; r has no part there, and the ridge keeps the division sane
    ridge = 10 * (t_q.shape[1] + t_p.shape[1]) * torch.finfo(q.dtype).eps
    factor = torch.linalg.cholesky((1 + ridge) * eye - cosines.mT @ cosines)
    solved = torch.linalg.solve_triangular(factor, rest.unsqueeze(3), upper=False)
    return (distances - solved.square().sum((2, 3))).clamp_min(0)


def _along(tangents: Tensor, x: Tensor) -> Tensor:
    """Components of each row along its own tangents."""
    return torch.einsum("imd,id->im", tangents, x)
