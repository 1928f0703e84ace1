"""Exact Jacobian norms over a set of points."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.jacobian import singular_values

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Norms:
    """Jacobian norms at each point; three different measures, kept apart.

    Attributes:
        squared_frobenius: ||J||_F^2, shape (rows,).
        operator: Largest singular value sigma_max of J, shape (rows,).
    """

    squared_frobenius: Tensor
    operator: Tensor

    @property
    def frobenius(self) -> Tensor:
        """||J||_F, shape (rows,)."""
        return self.squared_frobenius.sqrt()

    @property
    def contractive_share(self) -> float:
        """Share of the points where the encoder stretches no direction: sigma_max <= 1."""
        return float((self.operator <= 1).double().mean())


@torch.no_grad()
def norms(encode: Map, x: Tensor) -> Norms:
    """Compute ||J||_F^2 and sigma_max exactly, from all singular values, at the rows of x (rows, *features)."""
    values = singular_values(encode, x)
    return Norms(values.square().sum(1), values[:, 0])
