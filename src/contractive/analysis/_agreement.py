"""Do the tangents follow the data: neighbours lie in them, and neighbours have the same."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import check_count, check_rows, spread_rows
from contractive.analysis._neighbours import nearest
from contractive.analysis._principal import principal_axes
from contractive.analysis._random import normal
from contractive.analysis._tangents import tangents

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TangentAgreement:
    """Tangent spaces against the data around them.

    Attributes:
        shares: Share of ||x_j - x_i||^2 in the tangent space of point i, for its nearest neighbours j,
            (points, neighbours); NaN where a neighbour is a copy of the point.
        random_shares: The same for a random subspace of equal dimension, drawn anew for each point.
        principal_shares: The same for the leading principal directions of all data, one subspace for all points.
        expected_random: The mean share of a random subspace, tangents / features.
        angles: Principal angles in radians between the tangent spaces of point and neighbour, ascending,
            (points, neighbours, tangents).
        random_angles: The same between two random subspaces, one pair per point, (points, tangents).
    """

    shares: Tensor
    random_shares: Tensor
    principal_shares: Tensor
    expected_random: float
    angles: Tensor
    random_angles: Tensor

    @property
    def mean_share(self) -> float:
        """Mean of `shares` without the copies."""
        return float(self.shares.nanmean())


@torch.no_grad()
def tangent_agreement(
    encode: Map,
    x: Tensor,
    num_tangents: int = 8,
    *,
    num_neighbors: int = 5,
    num_points: int = 100,
    generator: torch.Generator | None = None,
) -> TangentAgreement:
    """Compare tangent spaces of the encoder with differences to near data and with the neighbours' tangent spaces.

    Args:
        encode: Encoder f, in evaluation mode.
        x: Rows, (rows, *features), among which neighbours are sought.
        num_tangents: Dimension of the tangent spaces.
        num_neighbors: Nearest neighbours per point, Euclidean.
        num_points: At most so many evenly spaced rows are taken as points.
        generator: Source of the random subspaces.

    Raises:
        ValueError: Not more rows than neighbours; counts below 1; more tangents than the Jacobian has.
    """
    check_count("num_neighbors", num_neighbors)
    check_count("num_points", num_points)
    check_rows(x, num_neighbors + 1)
    flat = x.flatten(1)
    chosen = spread_rows(torch.arange(len(x), device=x.device), num_points)
    _, neighbours = nearest(flat[chosen], flat, num_neighbors, skip=chosen)
    needed, position = torch.cat([chosen, neighbours.flatten()]).unique(return_inverse=True)
    basis = tangents(encode, x[needed], num_tangents).basis
    own = basis[position[: len(chosen)]]
    others = basis[position[len(chosen) :]].view(*neighbours.shape, *basis.shape[1:])
    one, other = (_random_subspaces(own, generator) for _ in range(2))
    steps = flat[neighbours] - flat[chosen].unsqueeze(1)
    principal = principal_axes(flat)[1][:num_tangents].expand(len(chosen), -1, -1)
    return TangentAgreement(
        shares=_shares(steps, own),
        random_shares=_shares(steps, one),
        principal_shares=_shares(steps, principal),
        expected_random=num_tangents / flat.shape[1],
        angles=principal_angles(own.unsqueeze(1), others),
        random_angles=principal_angles(one, other),
    )


def principal_angles(one: Tensor, other: Tensor) -> Tensor:
    """Principal angles in radians, ascending, between the spans of orthonormal rows (..., vectors, features).

    From sines where an angle is small and from cosines where it is large, either alone loses half the digits there
    (Björck and Golub 1973).
    """
    cosines = torch.linalg.svdvals(one @ other.mT).clamp(max=1)  # descending: angles ascending
    rest = other - (other @ one.mT) @ one
    sines = torch.linalg.svdvals(rest).flip(-1).clamp(max=1)[..., : cosines.shape[-1]]
    return torch.where(cosines.square() > 0.5, sines.asin(), cosines.acos())


def _shares(steps: Tensor, basis: Tensor) -> Tensor:
    """||P step||^2 / ||step||^2 for steps (points, neighbours, features), bases (points, vectors, features)."""
    return (steps @ basis.mT).square().sum(2) / steps.square().sum(2)


def _random_subspaces(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.linalg.qr(normal(tuple(like.shape), like, generator).mT)[0].mT
