"""How much of the data the code keeps."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import apply, variance

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Reconstruction:
    """Reconstruction error.

    Attributes:
        errors: ||r(x) - x||^2 per example, summed over features, shape (rows,).
        r2: 1 - mean error / variance of the rows: 1 is perfect, 0 no better than their mean; NaN where rows
            do not vary.
    """

    errors: Tensor
    r2: float

    @property
    def mean(self) -> float:
        """Mean error per example."""
        return float(self.errors.mean())


@torch.no_grad()
def reconstruction(reconstruct: Map, x: Tensor) -> Reconstruction:
    """Measure the squared error of `reconstruct`, g(f(x)), at the rows of x (rows, *features)."""
    flat = x.flatten(1)
    errors = (apply(reconstruct, x) - flat).square().sum(1)
    around_mean = variance(flat)
    return Reconstruction(errors, 1 - float(errors.mean()) / around_mean if around_mean > 0 else float("nan"))
