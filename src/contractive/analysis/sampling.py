"""Samples from trained autoencoders and their quality. Needs torch and numpy only.

A contractive autoencoder walks along its own leading directions (Rifai et al., ICML 2012). A denoising or
reconstruction-contractive one is an estimate of the score, which Langevin and Metropolis-Hastings walks need: with
Gaussian noise, or a contracted reconstruction, trained to the optimum, (r(x) - x) / sigma^2 tends to the gradient of
log p as sigma tends to 0 (Alain and Bengio, JMLR 2014, theorem 1). Samples are judged by a Parzen window and looked at
as a sheet. The conventions and the notation of `contractive.analysis` hold here, too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from contractive.analysis._rows import Generator, Map
from contractive.core.errors import InvalidValue, check_at_least, check_positive
from contractive.core.randomness import draw
from contractive.core.results import Result
from contractive.jacobian import linearise
from contractive.models import Autoencoder

# the contractive autoencoder's walk
__all__ = ["walk", "step"]
# a reconstruction as a score
__all__ += ["score", "energy_difference", "langevin", "metropolis", "Metropolis"]
# the likelihood of other points under samples, and pictures of them
__all__ += ["parzen", "Parzen", "log_densities", "choose_bandwidth", "sheet"]

_PAIRS_AT_ONCE = 2**24
_MOST_ROUNDING = 1e-6  # of a log-density, in nats
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

    At finite sigma the optimal r gives exactly the score of the data with noise N(0, sigma^2) added. sigma is the
    standard deviation of the noise r was trained with; for a penalty weight * ||J_r||^2, sqrt(weight).
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
    """The end of a Metropolis-Hastings walk."""

    points: Tensor  # where the walkers are, (walkers, *features)
    acceptance: float  # share of the proposals that were accepted


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


@dataclass(frozen=True, repr=False)
class Parzen(Result):
    """A Parzen-window estimate in nats."""

    mean: float  # mean log-density of the test points
    standard_error: float  # of that mean over the test points; it does not show the chance in the samples themselves
    bandwidth: float  # standard deviation of the kernel
    num_samples: int  # samples the window was put on


@torch.no_grad()
def log_densities(samples: Tensor, points: Tensor, bandwidth: float) -> Tensor:
    """Log of the mean over samples of N(point; sample, bandwidth^2 I), in nats and float64, shape (points,)."""
    check_positive("bandwidth", bandwidth, "It is a standard deviation.")
    return _log_densities(samples, points, (bandwidth,))[0]


@torch.no_grad()
def choose_bandwidth(samples: Tensor, validation: Tensor, candidates: Sequence[float]) -> float:
    """Return the candidate bandwidth with the highest mean log-density of the validation points."""
    if not len(candidates) or not all(width > 0 for width in candidates):
        raise InvalidValue("candidates", "be bandwidths above 0", list(candidates), "Try 0.1 to 0.5.")
    found = _log_densities(samples, validation, candidates)
    return float(candidates[int(found.mean(1).argmax())])


def parzen(samples: Tensor, test: Tensor, *, validation: Tensor, candidates: Sequence[float]) -> Parzen:
    """Estimate the mean log-likelihood of the test points, the bandwidth chosen on the validation points.

    The protocol of Breuleux, Bengio and Vincent (2011), which later papers follow with 10,000 samples. Biased; in
    many dimensions it shows little of a model's quality (Theis, van den Oord and Bethge 2016).
    """
    bandwidth = choose_bandwidth(samples, validation, candidates)
    found = log_densities(samples, test, bandwidth)
    return Parzen(float(found.mean()), float(found.std()) / math.sqrt(len(found)), bandwidth, len(samples))


def _log_densities(samples: Tensor, points: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """(bandwidths, points); distances are computed once for all bandwidths."""
    centres, rows = samples.flatten(1).double(), points.flatten(1).double()
    for field, given in (("samples", centres), ("points", rows)):
        if len(given) == 0:
            raise InvalidValue(field, "have at least one row", "none", "Draw some.")
    features = centres.shape[1]
    if rows.shape[1] != features:
        raise InvalidValue("points", f"have {features} features like samples", rows.shape[1], "Use the same data.")
    centre = centres.mean(0)
    centres, rows = centres - centre, rows - centre
    # ||a - b||^2 = ||a||^2 - 2 a.b + ||b||^2 is faster, and cancels for near pairs that are far from the mean
    rounding = torch.finfo(torch.float64).eps * float(centres.square().sum(1).max()) / min(bandwidths) ** 2
    mode = "use_mm_for_euclid_dist" if rounding < _MOST_ROUNDING else "donot_use_mm_for_euclid_dist"
    found = []
    for part in rows.split(max(1, _PAIRS_AT_ONCE // len(centres))):
        squares = torch.cdist(part, centres, compute_mode=mode).square_()
        found.append(torch.stack([torch.logsumexp(squares / (-2 * width**2), 1) for width in bandwidths]))
    widths = torch.tensor(bandwidths, dtype=torch.float64, device=centres.device)
    constant = math.log(len(centres)) + 0.5 * features * torch.log(2 * math.pi * widths.square())
    return torch.cat(found, 1) - constant.unsqueeze(1)


def sheet(
    rows: Tensor | np.ndarray, shape: Sequence[int], *, columns: int = 10, gap: int = 1, background: float = 1.0
) -> np.ndarray:
    """Lay many small grey images (images, features) out row by row, and return one array (height, width).

    `shape` is the (height, width) of an image, `gap` the pixels between two, `background` their value.

    Examples:
        >>> sheet(torch.zeros(5, 6), (2, 3), columns=3).shape
        (5, 11)
    """
    images = rows.detach().cpu().numpy() if isinstance(rows, torch.Tensor) else np.asarray(rows)
    height, width = shape
    check_at_least("columns", columns, 1, "10 is usual.")
    check_at_least("gap", gap, 0, "1 is usual.")
    if len(images) == 0 or images[0].size != height * width:
        rule = f"be images of {height} x {width} numbers"
        raise InvalidValue("rows", rule, f"the shape {images.shape}", "Check shape.")
    lines = -(-len(images) // columns)
    cells = np.full((lines * columns, height + gap, width + gap), background, dtype=images.dtype)
    cells[: len(images), :height, :width] = images.reshape(-1, height, width)
    grid = cells.reshape(lines, columns, height + gap, width + gap).swapaxes(1, 2)
    whole = grid.reshape(lines * (height + gap), columns * (width + gap))
    return whole[: whole.shape[0] - gap, : whole.shape[1] - gap]
