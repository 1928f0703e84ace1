"""Walks of an autoencoder: along its own leading directions, or with its reconstruction as a score.

Notation: f encodes, g decodes, r = g o f, J = df/dx. For a denoising autoencoder with Gaussian noise, or one whose
reconstruction is contracted, trained to the optimum, (r(x) - x) / sigma^2 tends to the gradient of log p as sigma
tends to 0 (Alain and Bengio, JMLR 2014, theorem 1).
"""

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from contractive.analysis._rows import Generator, Map
from contractive.core.errors import check_at_least, check_positive
from contractive.core.randomness import draw
from contractive.core.results import Result
from contractive.jacobian import linearise
from contractive.models import Autoencoder

_STEP_REMEDY = "Try a tenth of the spread of the data."


@torch.no_grad()
def step(autoencoder: Autoencoder, x: Tensor, *, sigma: float = 1.0, generator: Generator = None) -> Tensor:
    """Take one step of the walk from every row: x <- g(h + J J^T a), h = f(x), a ~ N(0, sigma^2 I), shape of x.

    J J^T a is a product from the code to the input and back: J is not formed. Rifai, Bengio, Dauphin and Vincent
    (ICML 2012, section 3); in the authors' code sigma, which is in the units of the code, is 1.
    """
    check_at_least("sigma", sigma, 0, "It is a standard deviation; the authors take 1.")
    at = linearise(autoencoder.encoder, x)
    noise = sigma * draw(torch.randn, tuple(at.value.shape), like=at.value, generator=generator)
    return autoencoder.decode(at.value + at.push(at.pull(noise.unsqueeze(1))).squeeze(1))


def walk(
    autoencoder: Autoencoder,
    start: Tensor,
    num_steps: int,
    *,
    sigma: float = 1.0,
    keep_every: int = 1,
    generator: Generator = None,
) -> Tensor:
    """Walk from every row of `start` at once and return where the walkers were, (kept, walkers, *features).

    Every walker makes `num_steps` of `step`; its points after every `keep_every` of them are kept, the start is not.
    """
    check_at_least("num_steps", num_steps, 1, "Take more steps.")
    check_at_least("keep_every", keep_every, 1, "1 keeps every step.")
    x, kept = start, []
    for i in range(num_steps):
        x = step(autoencoder, x, sigma=sigma, generator=generator)
        if (i + 1) % keep_every == 0:
            kept.append(x)
    return torch.stack(kept) if kept else start.new_zeros(0, *start.shape)


def score(reconstruct: Map, sigma: float) -> Map:
    """Return the map x -> (r(x) - x) / sigma^2, an estimate of the gradient of log p at x.

    At finite sigma the optimal r gives exactly the score of the data with noise N(0, sigma^2) added.

    sigma is the standard deviation of the noise r was trained with; for a penalty weight * ||J_r||^2, sqrt(weight).
    """
    check_positive("sigma", sigma, "It is the noise that r was trained with.")
    return partial(_scaled_residual, reconstruct, sigma)  # unlike a lambda it can be pickled


def _scaled_residual(reconstruct: Map, sigma: float, x: Tensor) -> Tensor:
    return (reconstruct(x) - x) / sigma**2


@torch.no_grad()
def energy_difference(score: Map, x: Tensor, y: Tensor, *, num_points: int = 5) -> Tensor:
    """Log p(y) - log p(x) of each pair of rows from the score alone, shape (rows,).

    The line integral of the score from x to y (Alain and Bengio 2014, section 3.4) by Gauss-Legendre quadrature. Exact
    for a polynomial score of degree below 2 * num_points, its evaluations per pair; the path matters where the estimate
    is no gradient field.
    """
    check_at_least("num_points", num_points, 1, "Five are plenty for short steps.")
    nodes, weights = np.polynomial.legendre.leggauss(num_points)  # on [-1, 1], with weights that sum to 2
    path = y - x
    total = x.new_zeros(len(x))
    for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
        at = x + (node + 1) / 2 * path
        total += weight / 2 * (score(at) * path).flatten(1).sum(1)
    return total


@torch.no_grad()
def langevin(score: Map, start: Tensor, num_steps: int, *, step_size: float, generator: Generator = None) -> Tensor:
    """Walk x <- x + step_size^2 / 2 * score(x) + step_size * N(0, I) and return the last points, shape of `start`.

    Unadjusted: the stationary distribution is off by a term of order step_size^2.
    """
    check_positive("step_size", step_size, _STEP_REMEDY)
    x = start
    for _ in range(num_steps):
        noise = draw(torch.randn, tuple(x.shape), like=x, generator=generator)
        x = x + 0.5 * step_size**2 * score(x) + step_size * noise
    return x


@dataclass(frozen=True, repr=False)
class Metropolis(Result):
    """The end of a Metropolis-Hastings walk.

    Attributes:
        points: Where the walkers are, (walkers, *features).
        acceptance: Share of the proposals that were accepted.
    """

    points: Tensor
    acceptance: float


@torch.no_grad()
def metropolis(
    score: Map, start: Tensor, num_steps: int, *, step_size: float, num_points: int = 5, generator: Generator = None
) -> Metropolis:
    """Metropolis-Hastings walk with proposals x + step_size * N(0, I), accepted by the estimated energy difference.

    With an exact score the stationary distribution is exact (Alain and Bengio 2014, section 3.4). `num_points` as in
    `energy_difference`.
    """
    check_positive("step_size", step_size, _STEP_REMEDY)
    x, accepted = start, 0.0
    for _ in range(num_steps):
        proposal = x + step_size * draw(torch.randn, tuple(x.shape), like=x, generator=generator)
        rise = energy_difference(score, x, proposal, num_points=num_points)
        # accept with probability min(1, p(proposal) / p(x)): the proposals are symmetric
        taken = draw(torch.rand, (len(x),), like=x, generator=generator).log() < rise
        x = torch.where(taken.reshape(-1, *(1,) * (x.ndim - 1)), proposal, x)
        accepted += float(taken.double().mean())
    return Metropolis(x, accepted / num_steps if num_steps else math.nan)
