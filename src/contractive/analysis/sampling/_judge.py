"""Judge samples: log-likelihood of test points under a Gaussian Parzen window on them, and a sheet to look at."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contractive.core.errors import InvalidValue, check_at_least, check_positive
from contractive.core.results import Result

_PAIRS_AT_ONCE = 2**24


@dataclass(frozen=True, repr=False)
class Parzen(Result):
    """A Parzen-window estimate in nats.

    Attributes:
        mean: Mean log-density of the test points.
        standard_error: Of that mean over the test points; it does not show the chance in the samples themselves.
        bandwidth: Standard deviation of the kernel.
        num_samples: Samples the window was put on.
    """

    mean: float
    standard_error: float
    bandwidth: float
    num_samples: int


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
    if len(centres) == 0 or len(rows) == 0:
        got = f"{len(centres)} and {len(rows)}"
        raise InvalidValue("samples and points", "not be empty", got, "Draw some.")
    features = centres.shape[1]
    if rows.shape[1] != features:
        raise InvalidValue("points", f"have {features} features like samples", rows.shape[1], "Use the same data.")
    found = []
    for part in rows.split(max(1, _PAIRS_AT_ONCE // len(centres))):
        squares = torch.cdist(part, centres).square_()
        found.append(torch.stack([torch.logsumexp(squares / (-2 * width**2), 1) for width in bandwidths]))
    widths = torch.tensor(bandwidths, dtype=torch.float64, device=centres.device)
    constant = math.log(len(centres)) + 0.5 * features * torch.log(2 * math.pi * widths.square())
    return torch.cat(found, 1) - constant.unsqueeze(1)


def sheet(
    rows: Tensor | np.ndarray, shape: Sequence[int], *, columns: int = 10, gap: int = 1, background: float = 1.0
) -> np.ndarray:
    """Lay many small grey images out row by row, and return one array (height, width), values as they are.

    Args:
        rows: (images, features) or any shape with height * width numbers per image.
        shape: (height, width) of one image.
        columns: Images side by side.
        gap: Pixels between images.
        background: Value between images and where the last row is not full.

    Example:
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
