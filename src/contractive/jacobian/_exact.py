"""The exact norm from the code side: in closed form for one layer, else by all rows, none as wide as the input."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from contractive.core.randomness import this_rank_groups
from contractive.jacobian._chain import Chain, Tape
from contractive.jacobian._layers import Dense
from contractive.jacobian._propagation import (
    GROUP,
    Gradients,
    State,
    add_symmetric,
    mirror,
    spread,
    squared_sum,
    symmetric_product,
    through_slope,
    weighted,
)
from contractive.jacobian._shared import wide


@dataclass(frozen=True)
class OneLayer:
    """||J||_F^2 = sum_j act'(a_j)^2 ||W_j||^2 (Rifai et al. 2011, section 3, there for the sigmoid).

    Linear in the size of W. For a convolution, ||W_j||^2 belongs to one output position: the squared kernel without
    what lies in the padding.
    """

    asks_common: ClassVar[bool] = True

    def value(self, tape: Tape) -> tuple[Tensor, State]:
        affine, weight, slope = tape.layers[0].affine, tape.weights[0], tape.slopes[0]
        if isinstance(affine, Dense):
            norms = torch.linalg.vector_norm(weight, dim=1).square_()
        else:
            norms = affine.push(torch.ones_like(tape.inputs[0][:1]), weight.square())[0]  # (*code)
        if slope is None:
            return norms.sum().repeat(tape.batch), [norms]
        squares = slope.square()
        return squares.flatten(1) @ norms.flatten(), [norms, squares]

    def pull_back(self, tape: Tape, state: State, g: Tensor | None) -> Gradients:
        (norms, *squares), layer, weight, slope = state, tape.layers[0], tape.weights[0], tape.slopes[0]
        gradients = Gradients(tape, 2.0)
        if squares:
            flat = squares[0].flatten(1)
            in_norms = (flat.sum(0) if g is None else g @ flat).reshape(norms.shape)
        else:
            in_norms = (tape.batch if g is None else g.sum()) * torch.ones_like(norms)
        if slope is not None and layer.is_curved:
            along = slope if layer.needs_both_sides else squares[0]
            gradients.slopes[0].append(weighted(along * norms, g))
        # half the gradient of sum_j g_j ||W_j||^2 in W
        if isinstance(layer.affine, Dense):
            gradients.weights[0] = weight * in_norms.unsqueeze(1)
        else:
            ones = torch.ones_like(tape.inputs[0][:1])
            kernel = layer.affine.weight_gradient(in_norms.unsqueeze(0).contiguous(), ones, weight, None)
            gradients.weights[0] = kernel * weight
        return gradients


def one_layer_and_difference(
    chain: Chain, x: Tensor, sigma: float, copies: int, generator: torch.Generator | None, rows: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return code, ||J(x)||^2 and mean over copies of ||J(x) - J(x + e)||^2 of act(W x + b), exact given the noise.

    J(x) - J(x') = (D - D') W, so both norms are weighted sums of the ||W_j||^2. With W (x + e) = W x + W e the encoder
    runs once, and W e is computed for one e in a group of eight examples: each example's noise is N(0, sigma^2 I).
    """
    (layer,) = chain.layers
    given, (weight, bias) = x.dtype, layer.parameters()
    x, weight, bias = wide(x), wide(weight), None if bias is None else wide(bias)
    act = layer.activation
    a = layer.affine.apply(x, weight, bias)
    norms = weight.square().sum(1)
    batch = len(x) if rows is None else len(rows)
    if act is None:
        return a.to(given), norms.sum().expand(batch), torch.zeros_like(a[:, 0])[:batch]
    code = h = act.apply(a)
    if rows is not None:
        a, h = a.index_select(0, rows), h.index_select(0, rows)
    slope = act.slope(a, h)
    device = generator.device if generator is not None else x.device
    noise, offset = this_rank_groups(
        lambda groups: torch.randn((copies, groups, x.shape[1]), generator=generator, dtype=x.dtype, device=device),
        batch,
        GROUP,
        axis=1,
    )
    shift = layer.affine.push(noise.to(x.device).mul_(sigma).flatten(0, 1), weight).unflatten(0, noise.shape[:2])
    moved = a + shift.repeat_interleave(GROUP, 1)[:, offset : offset + batch]
    difference = act.slope(moved, act.apply(moved)) - slope
    return code.to(given), slope.square() @ norms, difference.square().mean(0) @ norms


@dataclass(frozen=True)
class ExactRows:
    """||J||_F^2 = sum((A G) * A) with A = D_1 W_2^T ... brought down to the first layer and G = W_1 W_1^T.

    A has the shape (batch, code, units of layer 1), so that the cost does not grow with the input. The gradient is
    dA = 2 A G and dW_1 = 2 (sum A^T A) W_1, then up the chain. Examples are done in chunks, and no rows outlive theirs:
    `value` takes the gradient of the sum of all norms in passing, which backpropagation has only to scale where it
    asks for their mean. For other weights of the examples the rows are computed again.
    """

    gram: bool  # close with G (first layer Dense only); else with the rows A W_1 themselves
    chunk: int  # examples at a time
    ahead: bool  # whether `value` takes the gradient too
    asks_common: ClassVar[bool] = True

    def value(self, tape: Tape) -> tuple[Tensor, State]:
        if not self.ahead:
            return self._walk(tape, None, None), []
        gradients = Gradients(tape)
        norm = self._walk(tape, gradients, None)
        found = [*gradients.weights, *map(gradients.slope, range(tape.depth))]
        return norm, [gradient for gradient in found if gradient is not None]

    def pull_back(self, tape: Tape, state: State, g: Tensor | None) -> Gradients:
        gradients = Gradients(tape, 2.0)
        if g is not None or not state:
            self._walk(tape, gradients, g)
            return gradients
        gradients.weights = [weight.clone() for weight in state[: tape.depth]]  # others are added to them in place
        curved = [i for i, layer in enumerate(tape.layers) if layer.is_curved]
        for i, slope in zip(curved, state[tape.depth :], strict=True):
            gradients.slopes[i].append(slope)
        return gradients

    def _walk(self, tape: Tape, gradients: Gradients | None, g: Tensor | None) -> Tensor:
        """Return the norms; add the gradients of sum(g * norm) / 2 where they are wanted."""
        # sum over rows of ||A W_1||^2 = sum((A G) * A): with G = W_1 W_1^T no row is as wide as the input
        first = tape.weights[0]
        full = symmetric_product(first, first) if self.gram else None
        total = first.new_zeros(len(first), len(first)) if self.gram and gradients else None
        norm, scratch = tape.outputs[0].new_empty(tape.batch), Scratch(tape.outputs[0])
        for start in range(0, tape.batch, self.chunk):
            here = slice(start, start + self.chunk)
            part = Part(tape.rows(here.start, here.stop), scratch)
            norm[here] = part.close(full)
            if gradients:
                part.open(gradients, total, None if g is None else g[here])
                part.ascend(gradients)
        # d/dW_1 of tr(A W_1 W_1^T A^T) = 2 A^T A W_1, the sum over examples first
        if gradients and total is not None:
            gradients.weights[0] = mirror(total) @ first
        return norm


class Scratch:
    """Memory for products that are used up at once, so that it stays in the processor's cache."""

    def __init__(self, like: Tensor) -> None:
        self._held = [like.new_empty(0), like.new_empty(0)]

    def product(self, rows: Tensor, factor: Tensor | None, place: int = 0) -> Tensor:
        """Return rows * factor, valid until the next product in this place."""
        if factor is None:
            return rows
        return torch.mul(rows, factor, out=self._held[place].resize_(rows.shape))


class Part:
    """The rows of one chunk of examples: from the code down to the first layer, then their gradient up again."""

    below: Tensor  # the gradient in U of the layer at hand
    overlap: Tensor  # in Gram form, what both the norm and the gradient in the first slope are made of

    def __init__(self, tape: Tape, scratch: Scratch) -> None:
        self.tape, self.scratch = tape, scratch
        # rows (batch, code, *features) at the preactivation of each layer, which the last may lack
        self.u: dict[int, Tensor] = {}
        self.for_slope: dict[int, Tensor] = {}  # what gives the gradient in the slope of each
        top, rows, fresh = self._start()
        for i in range(top, -1, -1):
            rows, self.for_slope[i] = through_slope(tape.layers[i], rows, spread(tape.slopes[i]), fresh=fresh)
            self.u[i], fresh = rows, True
            rows = tape.pull(i, rows) if i else rows

    def _start(self) -> tuple[int, Tensor, bool]:
        """Return the layer at whose output the rows begin, those rows, and whether they may be overwritten."""
        tape, last, slope = self.tape, self.tape.weights[-1], self.tape.slopes[-1]
        if not isinstance(tape.layers[-1].affine, Dense) or tape.depth == 1:
            code = tape.outputs[-1]
            size = code.shape[1:].numel()
            eye = torch.eye(size, dtype=code.dtype, device=code.device).reshape(size, *code.shape[1:])
            return tape.depth - 1, eye.expand(len(code), *eye.shape), False
        # D_L W_L is a row scaling: no product with the identity
        rows = last if slope is None else slope.unsqueeze(2) * last
        rows = rows.expand(tape.batch, *last.shape).unflatten(2, tape.outputs[-2].shape[1:])
        return tape.depth - 2, rows, slope is not None

    def close(self, full: Tensor | None) -> Tensor:
        """Return the squared norm of each example; full is G, or None to end with the rows of the Jacobian."""
        first, layer, slope = self.u[0], self.tape.layers[0], self.tape.slopes[0]
        if full is None:
            self.below = self.tape.pull(0, first)
            return squared_sum(self.below)
        self.below = (first.flatten(0, 1) @ full).unflatten(0, first.shape[:2])
        self.overlap = self._overlap(0)
        return (self.overlap * slope if slope is not None and layer.needs_both_sides else self.overlap).sum(1)

    def open(self, gradients: Gradients, total: Tensor | None, g: Tensor | None) -> None:
        """Start the backward propagation: add the gradient in W_1 to `gradients`, or its A^T A to `total`."""
        first = self.u[0]
        # A G (Gram form) or A W_1: half the gradient of the norm in A, respectively in the rows of the Jacobian
        self.below = weighted(self.below, g)
        if total is not None:
            add_symmetric(total, weighted(first, g).flatten(0, 1).T, first.flatten(0, 1).T)
        else:
            gradients.add_weight(0, first, self.below)
            self.below = self.tape.push(0, self.below)
        if self.tape.layers[0].is_curved:
            gradients.slopes[0].append(self._overlap(0) if total is None else weighted(self.overlap, g))

    def ascend(self, gradients: Gradients) -> None:
        """From the gradient in U_1 up to the code, leaving gradients in every slope and weight on the way."""
        for i in range(1, self.tape.depth):
            tangents = self.scratch.product(self.below, spread(self.tape.slopes[i - 1]))
            if i not in self.u:
                self._end_at_row_scaling(tangents.flatten(2), gradients)
                return
            gradients.add_weight(i, self.u[i], tangents)
            # the gradient in U_i is that in U_(i-1), times the slope between them, pushed forward through W_i
            self.below = self.tape.push(i, tangents)
            if self.tape.layers[i].is_curved:
                gradients.slopes[i].append(self._overlap(i))

    def _overlap(self, layer: int) -> Tensor:
        """Return the gradient in the slopes of a layer (see `Gradients`)."""
        return self.scratch.product(self.below, self.for_slope[layer]).sum(1)

    def _end_at_row_scaling(self, tangents: Tensor, gradients: Gradients) -> None:
        """Add the gradients of P = D_L W_L, `tangents` (batch, code, features) being the gradient in P."""
        weight, slope, layer = self.tape.weights[-1], self.tape.slopes[-1], self.tape.layers[-1]
        if slope is not None and layer.is_curved:
            in_slope = self.scratch.product(tangents, weight, place=1).sum(2)
            gradients.slopes[-1].append(in_slope if layer.needs_both_sides else in_slope * slope)
        gradient = self.scratch.product(tangents, None if slope is None else slope.unsqueeze(2), place=1).sum(0)
        previous = gradients.weights[-1]
        gradients.weights[-1] = gradient if previous is None else previous.add_(gradient)
