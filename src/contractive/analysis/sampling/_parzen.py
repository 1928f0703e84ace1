"""Log-likelihood of points under a Gaussian Parzen window on samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_PAIRS_AT_ONCE = 2**24


@dataclass(frozen=True)
class Parzen:
    """A Parzen-window estimate in nats.

    Attributes:
        mean: Mean log-density of the test points.
        standard_error: Of that mean over the test points; says nothing of the samples' own chance.
        bandwidth: Standard deviation of the kernel.
        num_samples: Samples the window was put on.
    """

    mean: float
    standard_error: float
    bandwidth: float
    num_samples: int


@torch.no_grad()
def log_densities(samples: Tensor, points: Tensor, bandwidth: float) -> Tensor:
    """Log of the mean over samples of N(point; sample, bandwidth^2 I), in nats, shape (points,), in double precision.

    Args:
        samples: Centres, (samples, *features).
        points: Where the density is wanted, (points, *features).
        bandwidth: Standard deviation of the kernel, in the units of the data.

    Raises:
        ValueError: No sample, a bandwidth not above 0, other numbers of features.
    """
    if not bandwidth > 0:
        raise ValueError(f"bandwidth must be above 0, got {bandwidth}. It is a standard deviation.")
    return _log_densities(samples, points, (bandwidth,))[0]


@torch.no_grad()
def choose_bandwidth(samples: Tensor, validation: Tensor, candidates: Sequence[float]) -> float:
    """The candidate bandwidth with the highest mean log-density of the validation points.

    Raises:
        ValueError: No candidates, and as `log_densities`.
    """
    if not len(candidates) or not all(width > 0 for width in candidates):
        raise ValueError(f"candidates must be bandwidths above 0, got {list(candidates)}. Try 0.1 to 0.5.")
    found = _log_densities(samples, validation, candidates)
    return float(candidates[int(found.mean(1).argmax())])


def parzen(samples: Tensor, test: Tensor, *, validation: Tensor, candidates: Sequence[float]) -> Parzen:
    """Estimate the mean log-likelihood of the test points, the bandwidth chosen on the validation points.

    The protocol of Breuleux, Bengio and Vincent (2011), which later papers follow with 10,000 samples. Biased; in
    many dimensions says little of a model's quality (Theis, van den Oord and Bethge 2016).

    Raises:
        ValueError: As `choose_bandwidth` and `log_densities`.
    """
    bandwidth = choose_bandwidth(samples, validation, candidates)
    found = log_densities(samples, test, bandwidth)
    return Parzen(float(found.mean()), float(found.std()) / math.sqrt(len(found)), bandwidth, len(samples))


def _log_densities(samples: Tensor, points: Tensor, bandwidths: Sequence[float]) -> Tensor:
    """(bandwidths, points); distances are computed once for all bandwidths."""
    centres, rows = samples.flatten(1).double(), points.flatten(1).double()
    if len(centres) == 0 or len(rows) == 0:
        raise ValueError(f"samples and points must not be empty, got {len(centres)} and {len(rows)}. Draw some.")
    features = centres.shape[1]
    if rows.shape[1] != features:
        raise ValueError(f"points must have {features} features like samples, got {rows.shape[1]}. Use the same data.")
    found = []
    for part in rows.split(max(1, _PAIRS_AT_ONCE // len(centres))):
        squares = torch.cdist(part, centres).square_()
        found.append(torch.stack([torch.logsumexp(squares / (-2 * width**2), 1) for width in bandwidths]))
    widths = torch.tensor(bandwidths, dtype=torch.float64, device=centres.device)
    constant = math.log(len(centres)) + 0.5 * features * torch.log(2 * math.pi * widths.square())
    return torch.cat(found, 1) - constant.unsqueeze(1)
