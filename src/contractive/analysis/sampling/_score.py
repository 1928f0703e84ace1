"""A reconstruction function as an estimate of the score, and the walks that a score allows.

For a denoising autoencoder with Gaussian noise, or one whose reconstruction is contracted, trained to the optimum,
(r(x) - x) / sigma^2 tends to the gradient of log p as sigma tends to 0 (Alain and Bengio, JMLR 2014, theorem 1).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from contractive.analysis.sampling._walk import _normal_like

Map = Callable[[Tensor], Tensor]


def score(reconstruct: Map, sigma: float) -> Map:
    """The map x -> (r(x) - x) / sigma^2, an estimate of the gradient of log p at x.

    At finite sigma the optimal r gives exactly the score of the data with noise N(0, sigma^2) added.

    Args:
        reconstruct: r, for instance an `Autoencoder`.
        sigma: Standard deviation of the noise r was trained with; for a penalty weight * ||J_r||^2, sqrt(weight).

    Raises:
        ValueError: Sigma not above 0.
    """
    if not sigma > 0:
        raise ValueError(f"sigma must be above 0, got {sigma}. It is the noise that r was trained with.")
    return partial(_scaled_residual, reconstruct, sigma)


def _scaled_residual(reconstruct: Map, sigma: float, x: Tensor) -> Tensor:
    return (reconstruct(x) - x) / sigma**2


@torch.no_grad()
def energy_difference(score: Map, x: Tensor, y: Tensor, *, num_points: int = 5) -> Tensor:
    """Log p(y) - log p(x) of each pair of rows from the score alone, shape (rows,).

    The line integral of the score from x to y (Alain and Bengio 2014, section 3.4) by Gauss-Legendre quadrature. Exact
    for a polynomial score of degree below 2 * num_points; the path matters where the estimate is no gradient field.

    Args:
        score: Map of rows, for instance from `score`.
        x: Where the path begins, (rows, *features).
        y: Where it ends.
        num_points: Evaluations of the score per pair.

    Raises:
        ValueError: Fewer than one point.
    """
    if num_points < 1:
        raise ValueError(f"num_points must be at least 1, got {num_points}. Five are plenty for short steps.")
    nodes, weights = np.polynomial.legendre.leggauss(num_points)
    step = y - x
    total = x.new_zeros(len(x))
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        at = x + (node + 1) / 2 * step
        total += weight / 2 * (score(at) * step).flatten(1).sum(1)
    return total


@torch.no_grad()
def langevin(
    score: Map, start: Tensor, num_steps: int, *, step_size: float, generator: torch.Generator | None = None
) -> Tensor:
    """Walk x <- x + step_size^2 / 2 * score(x) + step_size * N(0, I) and return the last points, shape of `start`.

    Unadjusted: the stationary distribution is off by a term of order step_size^2.

    Args:
        score: Map of rows, for instance from `score`.
        start: First points, (walkers, *features).
        num_steps: Steps of each walker.
        step_size: Standard deviation of the noise of a step, in the units of x.
        generator: Source of randomness.

    Raises:
        ValueError: A step size that is not above 0.
    """
    _check_step(step_size)
    x = start
    for _ in range(num_steps):
        x = x + 0.5 * step_size**2 * score(x) + step_size * _normal_like(x, generator)
    return x


@dataclass(frozen=True)
class Metropolis:
    """The end of a Metropolis-Hastings walk.

    Attributes:
        points: Where the walkers are, (walkers, *features).
        acceptance: Share of the proposals that were accepted.
    """

    points: Tensor
    acceptance: float


@torch.no_grad()
def metropolis(
    score: Map,
    start: Tensor,
    num_steps: int,
    *,
    step_size: float,
    num_points: int = 5,
    generator: torch.Generator | None = None,
) -> Metropolis:
    """Metropolis-Hastings walk with proposals x + step_size * N(0, I), accepted by the estimated energy difference.

    With an exact score the stationary distribution is exact (Alain and Bengio 2014, section 3.4).

    Args:
        score: Map of rows, for instance from `score`.
        start: First points, (walkers, *features).
        num_steps: Proposals to each walker.
        step_size: Standard deviation of a proposal, in the units of x.
        num_points: As in `energy_difference`.
        generator: Source of randomness.

    Raises:
        ValueError: A step size that is not above 0, fewer than one point.
    """
    _check_step(step_size)
    x, accepted = start, 0.0
    for _ in range(num_steps):
        proposal = x + step_size * _normal_like(x, generator)
        rise = energy_difference(score, x, proposal, num_points=num_points)
        device = x.device if generator is None else generator.device
        draw = torch.rand(rise.shape, generator=generator, dtype=x.dtype, device=device).to(x.device)
        taken = draw.log() < rise
        x = torch.where(taken.reshape(-1, *(1,) * (x.ndim - 1)), proposal, x)
        accepted += float(taken.double().mean())
    return Metropolis(x, accepted / num_steps if num_steps else math.nan)


def _check_step(step_size: float) -> None:
    if not step_size > 0:
        raise ValueError(f"step_size must be above 0, got {step_size}. Try a tenth of the spread of the data.")
