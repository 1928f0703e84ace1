"""How far the code moves when the input does."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import apply
from contractive.corruption import Corruption

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Sensitivity:
    """Movement of the code under noise.

    Attributes:
        ratios: ||f(x+e) - f(x)|| / ||e|| per example, shape (rows,). Raw: it shrinks when the code is merely rescaled.
        scale_free: (E||f(x+e) - f(x)||^2 / E||f(x) - mean f||^2) / (E||e||^2 / E||x - mean x||^2). 1 means that noise
            moves the code as much, relative to the code's spread, as it moves the data relative to theirs. Unchanged
            when the code is rescaled; infinite when the code does not vary.
    """

    ratios: Tensor
    scale_free: float

    @property
    def mean(self) -> float:
        """Mean of the raw ratios."""
        return float(self.ratios.mean())


@torch.no_grad()
def sensitivity(
    encode: Map, x: Tensor, corruption: Corruption, *, generator: torch.Generator | None = None
) -> Sensitivity:
    """Measure how far the code moves when `corruption` moves the input.

    Args:
        encode: Encoder f, in evaluation mode.
        x: Rows, (rows, *features), at least two and not all equal.
        corruption: For instance `corruption.Gaussian(0.1)`.
        generator: Source of the noise.

    Raises:
        ValueError: Rows that do not vary, or a corruption that changes nothing.
    """
    noisy = corruption(x, generator)
    code, moved = apply(encode, x), apply(encode, noisy)
    steps, noise = (moved - code).square().sum(1), (noisy - x).flatten(1).square().sum(1)
    if not bool(noise.sum() > 0):
        raise ValueError(f"corruption must change the data, got {corruption} without effect. Use a larger level.")
    data_spread = _spread(x.flatten(1))
    if not data_spread > 0:
        raise ValueError(f"x must vary, got {len(x)} equal rows. Pass rows that differ.")
    touched = noise > 0
    ratios = (steps[touched] / noise[touched]).sqrt()
    code_spread = _spread(code)
    relative = float(steps.mean()) / code_spread if code_spread > 0 else float("inf")
    return Sensitivity(ratios, relative / (float(noise.mean()) / data_spread))


def _spread(rows: Tensor) -> float:
    """E||row - mean||^2."""
    return float((rows - rows.mean(0)).square().sum(1).mean())
