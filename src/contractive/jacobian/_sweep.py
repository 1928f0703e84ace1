"""What every way to ||J||_F^2 of a chain has in common.

A sweep computes the squared norm from a `Tape` and, given the gradient of a loss in that norm, returns the gradients
in the slopes act'(a_l) and in the weights W_l in closed form: no double backward anywhere. `_function.py` joins them
with ordinary backpropagation. Derivations are in docs/mathematics.md.

Notation in the sweeps: rows have the shape (batch, rows per example, *features). U_l is a cotangent at the
preactivation of layer l and P_l at its output; Z_l and T_l are tangents at the same two places.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from contractive.jacobian._chain import Chain, Tape

Weights = Sequence[Tensor]
State = list[Tensor | None]


@dataclass
class Gradients:
    """Gradients in the slopes and the weights of each layer, gathered over chunks of examples."""

    chain: Chain
    weights: list[Tensor | None]
    slopes: list[list[Tensor]] = field(init=False)

    def __post_init__(self) -> None:
        self.slopes = [[] for _ in self.weights]

    def add_weight(self, layer: int, cotangents: Tensor, tangents: Tensor, weight: Tensor) -> None:
        """Add the gradient of sum <u, W t> over rows u and t."""
        affine = self.chain.layers[layer].affine
        self.weights[layer] = affine.weight_gradient(cotangents, tangents, weight, self.weights[layer])

    def add_slope(self, layer: int, gradient: Tensor) -> None:
        """Add the gradient in the slopes of the next examples; needed only where the activation is curved."""
        self.slopes[layer].append(gradient)

    def slope(self, layer: int) -> Tensor | None:
        """The whole gradient in the slopes of one layer."""
        parts = self.slopes[layer]
        return None if not parts else parts[0] if len(parts) == 1 else torch.cat(parts)


class Sweep(Protocol):
    """One way to the squared norm of a chain."""

    def value(self, chain: Chain, weights: Weights, tape: Tape) -> tuple[Tensor, State]:
        """The norm per example, shape (batch,), and what `pull_back` needs."""
        ...

    def pull_back(self, chain: Chain, weights: Weights, tape: Tape, state: State, g: Tensor) -> Gradients:
        """Gradients of sum(g * norm), g of shape (batch,)."""
        ...


def scaled(rows: Tensor, factor: Tensor | None) -> Tensor:
    """Rows (batch, rows, *features) times a factor (batch, *features) that is the same for all rows of an example."""
    return rows if factor is None else rows * factor.unsqueeze(1)


def per_example(values: Tensor, like: Tensor) -> Tensor:
    """Values (batch,) in a shape that multiplies `like` (batch, ...)."""
    return values.reshape(-1, *(1,) * (like.ndim - 1))


def squared_sum(rows: Tensor) -> Tensor:
    """Sum of the squares of the rows of each example."""
    return torch.linalg.vector_norm(rows.flatten(1), dim=1).square_()


def add_symmetric(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a b^T, known to be symmetric, to the upper half of `total`: three quarters of the multiplications.

    `mirror` completes `total` when all is added. On an accelerator one large product is faster than three.
    """
    if not total.is_cpu:
        total.addmm_(a, b.T)
        return
    half = len(total) // 2
    total[:half].addmm_(a[:half], b.T)
    total[half:, half:].addmm_(a[half:], b[half:].T)


def mirror(total: Tensor) -> Tensor:
    """Copy what `add_symmetric` left above the diagonal below it, in place."""
    half = len(total) // 2
    if total.is_cpu:
        total[half:, :half] = total[:half, half:].T
    return total


def gram(weight: Tensor) -> Tensor:
    """W W^T."""
    total = weight.new_zeros(len(weight), len(weight))
    add_symmetric(total, weight, weight)
    return mirror(total)


def present(tensor: Tensor | None) -> Tensor:
    """The tensor, which this sweep has set."""
    assert tensor is not None
    return tensor
