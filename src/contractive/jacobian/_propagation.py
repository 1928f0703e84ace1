"""The interface of all ways to ||J||_F^2 of a chain, and the steps that they share.

A propagation computes the squared norm from a `Tape` and, given the gradient of a loss in that norm, returns the
gradients in the slopes act'(a_l) and in the weights W_l in closed form: no double backward anywhere. `_function.py`
joins them with ordinary backpropagation. Derivations are in docs/mathematics.md.

Notation in all of them: rows have the shape (batch, rows per example, *features). U_l = P_l * act'(a_l) is a cotangent
at the preactivation of layer l and P_l at its output; T_l = Z_l * act'(a_l) are tangents at the same two, in the other
order.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from contractive.jacobian._chain import Chain, Layer, Tape

Weights = Sequence[Tensor]
State = list[Tensor]


@dataclass
class Gradients:
    """Gradients in the slopes and the weights of each layer, gathered over chunks of examples.

    Attributes:
        weights: In the weights, divided by `scale`.
        slopes: In the slopes, divided by `scale`, and times the slopes where the activation can `bend`.
        scale: A factor of all of them, for who joins them with other gradients to apply in passing.
    """

    chain: Chain
    weights: list[Tensor | None]
    scale: float = 1.0
    slopes: list[list[Tensor]] = field(init=False)

    def __post_init__(self) -> None:
        self.slopes = [[] for _ in self.weights]

    def add_weight(self, layer: int, cotangents: Tensor, tangents: Tensor, weight: Tensor) -> None:
        """Add the gradient of sum <u, W t> over rows u and t."""
        affine = self.chain.layers[layer].affine
        self.weights[layer] = affine.weight_gradient(cotangents, tangents, weight, self.weights[layer])

    def add_slope(self, layer: int, gradient: Tensor) -> None:
        """Add that of the slopes of the next examples; needed only where the activation is curved."""
        self.slopes[layer].append(gradient)

    def slope(self, layer: int) -> Tensor | None:
        """Return the whole gradient in the slopes of one layer."""
        parts = self.slopes[layer]
        return None if not parts else parts[0] if len(parts) == 1 else torch.cat(parts)


class Propagation(Protocol):
    """One way to the squared norm of a chain."""

    def value(self, chain: Chain, weights: Weights, tape: Tape) -> tuple[Tensor, State]:
        """The norm per example, shape (batch,), and what `pull_back` needs."""
        ...

    def pull_back(self, chain: Chain, weights: Weights, tape: Tape, state: State, g: Tensor | None) -> Gradients:
        """Gradients of sum(g * norm), g of shape (batch,), or of sum(norm) for None."""
        ...


def scaled(rows: Tensor, factor: Tensor | None) -> Tensor:
    """Return rows times a factor, if there is one."""
    return rows if factor is None else rows * factor


def through_slope(layer: Layer, rows: Tensor, slope: Tensor | None, *, fresh: bool) -> tuple[Tensor, Tensor]:
    """Return the rows times the slope, and what gives the gradient in that slope (see `Gradients.slopes`).

    `slope` has a shape that multiplies the rows. Rows that are `fresh`, nobody else's, are overwritten.
    """
    if slope is None:
        return rows, rows
    # With V the gradient in U = P * act', the gradient in the slope is <V, P>. Where act''/act' is finite (`bend`),
    # <V, U> serves instead, and P need not be kept.
    if layer.needs_both_sides:
        return rows * slope, rows
    scaled = rows.mul_(slope) if fresh else rows * slope
    return scaled, scaled


def spread(slope: Tensor | None) -> Tensor | None:
    """Give a slope (batch, *features) the shape that multiplies rows (batch, rows, *features)."""
    return None if slope is None else slope.unsqueeze(1)


def weighted(rows: Tensor, g: Tensor | None) -> Tensor:
    """Return each example's rows times its g, of shape (batch,)."""
    return rows if g is None else rows * g.reshape(-1, *(1,) * (rows.ndim - 1))


def squared_sum(rows: Tensor) -> Tensor:
    """Return the sum of squares of the rows of each example."""
    return torch.linalg.vector_norm(rows.flatten(1), dim=1).square_()


def add_symmetric(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a b^T, known to be symmetric, to the upper blocks of `total`: five eighths of the multiplications.

    `mirror` completes `total` when all is added. On an accelerator one large product is faster than four.
    """
    for start, stop in _blocks(total):
        total[start:stop, start:].addmm_(a[start:stop], b[start:].T)


def mirror(total: Tensor) -> Tensor:
    """Copy what `add_symmetric` left above the diagonal below it, in place."""
    for start, stop in _blocks(total):
        total[stop:, start:stop] = total[start:stop, stop:].T
    return total


def _blocks(total: Tensor) -> Iterator[tuple[int, int]]:
    size = len(total)
    # four strips, each from its diagonal block on: (4 + 3 + 2 + 1) / 16 of the square, five eighths
    step = -(-size // 4) if total.is_cpu else size
    return ((start, min(start + step, size)) for start in range(0, size, step))


def symmetric_product(a: Tensor, b: Tensor) -> Tensor:
    """Return a b^T, known to be symmetric."""
    total = a.new_zeros(len(a), len(a))
    add_symmetric(total, a, b)
    return mirror(total)


def reshaped(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Reshape only where it changes something: a call costs much beside a small net's products."""
    return tensor if tensor.shape == shape else tensor.reshape(shape)
