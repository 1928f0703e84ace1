"""The same network trained on digits with growing strengths of one penalty, over seeds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contractive.analysis import codes, reconstruction, sensitivity, spread_rows
from contractive.data import load
from contractive.jacobian import squared_norm
from contractive.models import Autoencoder
from contractive.objectives import Gaussian, Objective
from contractive.studies.illustrations._networks import Budget, seeded

_NOISE = 0.1  # standard deviation, pixels lie in [0, 1]
_NORM_ROWS = 200


@dataclass(frozen=True)
class Sweep:
    """Measures on test digits, each of shape (strengths, seeds).

    Attributes:
        strengths: Weights of the penalty.
        error: Squared reconstruction error per example, summed over pixels.
        r2: Share of the test data's variance reconstructed.
        squared_norm: Mean of ||J_f||^2, exact.
        sensitivity: Mean of ||f(x+e) - f(x)|| / ||e||, e ~ N(0, 0.1^2): falls when the code is rescaled.
        scale_free: The same against the spread of the code and of the data: does not.
        activation: Mean activation of the code.
        saturation: Share of activations below 0.05 or above 0.95.
        distinct: Distinct codes after rounding to 0 or 1, as a share of the test digits.
        entropy: Mean over units of the entropy of their rounded activation, bits: 1 where it is 1 half of the time, 0
            where it never changes.
        slope: Mean squared slope h(1 - h) of the last layer's sigmoid units.
        weights: Mean squared length of the last encoder layer's weight vectors.
        histograms: Shares of activations in twenty bins between 0 and 1, first seed, (strengths, 20).
    """

    strengths: tuple[float, ...]
    error: np.ndarray
    r2: np.ndarray
    squared_norm: np.ndarray
    sensitivity: np.ndarray
    scale_free: np.ndarray
    activation: np.ndarray
    saturation: np.ndarray
    distinct: np.ndarray
    entropy: np.ndarray
    slope: np.ndarray
    weights: np.ndarray
    histograms: np.ndarray

    def mean(self, measure: str) -> np.ndarray:
        """Mean over seeds, one per strength."""
        return getattr(self, measure).mean(1)

    def text(self, measure: str, at: int) -> str:
        """Mean and standard deviation over seeds at one strength."""
        values = getattr(self, measure)[at]
        spread = f" ± {values.std(ddof=1):.1g}" if len(values) > 1 else ""
        return f"{values.mean():.3g}{spread}"


def sweep(
    build: Callable[[], Autoencoder],
    objective: Callable[[float], Objective],
    strengths: Sequence[float],
    budget: Budget,
    seeds: int,
    seed: int,
) -> Sweep:
    """Train `build()` on digits for every strength and seed alike and measure it on test digits."""
    split = load("digits")
    x, test = torch.from_numpy(split.train), torch.from_numpy(split.test)
    found: list[list[dict[str, float]]] = []
    histograms = []
    for strength in strengths:
        nets = [budget.train(seeded(build, at), x, objective(strength), at) for at in range(seed, seed + seeds)]
        found.append([_figures(net, test) for net in nets])
        histograms.append(_histogram(nets[0], test))
    arrays = {name: np.array([[row[name] for row in rows] for rows in found]) for name in found[0][0]}
    return Sweep(tuple(strengths), **arrays, histograms=np.array(histograms))


@torch.no_grad()
def _figures(net: Autoencoder, test: Tensor) -> dict[str, float]:
    code = net.encode(test)
    rebuilt = reconstruction(net, test)
    noise = torch.Generator().manual_seed(0)  # the same for every net: differences are not its doing
    moved = sensitivity(net.encode, test, Gaussian(_NOISE), generator=noise)
    last = [module for module in net.encoder.modules() if isinstance(module, nn.Linear)][-1]
    norms = squared_norm(net.encoder, spread_rows(test, _NORM_ROWS), method="exact")
    return {
        "error": rebuilt.mean,
        "r2": rebuilt.r2,
        "squared_norm": float(norms.mean()),
        "sensitivity": moved.mean,
        "scale_free": moved.scale_free,
        "activation": float(code.mean()),
        "saturation": codes(net.encode, test).saturation,
        "distinct": len(torch.unique(code > 0.5, dim=0)) / len(code),
        "entropy": float(_entropy((code > 0.5).double().mean(0)).mean()),
        "slope": float((code * (1 - code)).square().mean()),
        "weights": float(last.weight.square().sum(1).mean()),
    }


def _entropy(share: Tensor) -> Tensor:
    """Of a yes-or-no with that probability, in bits."""
    return -(torch.special.xlogy(share, share) + torch.special.xlogy(1 - share, 1 - share)) / np.log(2)


@torch.no_grad()
def _histogram(net: Autoencoder, test: Tensor) -> np.ndarray:
    counts, _ = np.histogram(net.encode(test).numpy(), bins=20, range=(0, 1))
    return counts / counts.sum()
