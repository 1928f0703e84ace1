"""The exact norm from the code side: every row of the Jacobian, none of them as wide as the input."""

from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.jacobian._affine import Dense
from contractive.jacobian._chain import Chain, Tape
from contractive.jacobian._sweep import (
    Gradients,
    State,
    Weights,
    add_symmetric,
    gram,
    mirror,
    per_example,
    present,
    scaled,
    squared_sum,
)


@dataclass(frozen=True)
class ExactRows:
    """||J||_F^2 = sum((A G) * A) with A = D_1 W_2^T ... brought down to the first layer and G = W_1 W_1^T.

    A has the shape (batch, code, units of layer 1), so that the cost does not grow with the input. The gradient is
    dA = 2 A G and dW_1 = 2 (sum A^T A) W_1, then up the chain.

    Attributes:
        gram: Close with G (first layer Dense only); else with the rows A W_1 themselves.
        chunk: Examples at a time.
        keep: Whether `value` keeps its rows for `pull_back`; if not, they are computed again.
    """

    gram: bool
    chunk: int
    keep: bool

    def value(self, chain: Chain, weights: Weights, tape: Tape) -> tuple[Tensor, State]:
        full = gram(weights[0]) if self.gram else None
        norm, state = tape.outputs[0].new_empty(tape.batch), []
        for start in range(0, tape.batch, self.chunk):
            part = tape.rows(start, start + self.chunk)
            rows = self._descend(chain, weights, part)
            closing = _close(chain, weights, part, rows, full)
            norm[start : start + self.chunk] = _norm(part, closing)
            state += [*rows, *closing] if self.keep else []
        return norm, state

    def pull_back(self, chain: Chain, weights: Weights, tape: Tape, state: State, g: Tensor) -> Gradients:
        full = gram(weights[0]) if self.gram and not self.keep else None
        gradients = Gradients(chain, [None] * len(weights))
        moment = weights[0].new_zeros(len(weights[0]), len(weights[0])) if self.gram else None
        size = 2 * len(weights) + 2
        for start in range(0, tape.batch, self.chunk):
            part = tape.rows(start, start + self.chunk)
            if self.keep:
                i = start // self.chunk * size
                rows, closing = state[i : i + size - 2], state[i + size - 2 : i + size]
            else:
                rows = self._descend(chain, weights, part)
                closing = _close(chain, weights, part, rows, full)
            below = _open(weights, part, rows, closing, g[start : start + self.chunk], gradients, moment)
            _ascend(chain, weights, part, rows, below, gradients)
        if moment is not None:
            gradients.weights[0] = mirror(moment).mul_(2) @ weights[0]
        return gradients

    def _descend(self, chain: Chain, weights: Weights, tape: Tape) -> State:
        """U_1 .. U_L and P_1 .. P_L, each (batch, code, *features of its layer)."""
        depth = len(weights)
        u: State = [None] * depth
        p: State = [None] * depth
        if isinstance(chain.layers[-1].affine, Dense) and depth > 1:
            # D_L W_L is a row scaling: no product with the identity
            top, slope = depth - 2, tape.slopes[-1]
            last = weights[-1] if slope is None else slope.unsqueeze(2) * weights[-1]
            p[top] = last.expand(tape.batch, *weights[-1].shape).unflatten(2, tape.outputs[top].shape[1:])
        else:
            top = depth - 1
            p[top] = _basis(tape.outputs[top])
        for i in range(top, -1, -1):
            rows = p[i]
            assert rows is not None
            u[i] = rows = scaled(rows, tape.slopes[i])
            if i > 0:
                pulled = chain.layers[i].affine.pull(rows.flatten(0, 1), weights[i], tape.inputs[i].shape[1:])
                p[i - 1] = pulled.reshape(*rows.shape[:2], *tape.outputs[i - 1].shape[1:])
        return [*u, *p]


def _close(chain: Chain, weights: Weights, tape: Tape, rows: State, full: Tensor | None) -> State:
    """(U_1 G, its products with P_1 summed over rows), or (the rows of the Jacobian, None)."""
    first = present(rows[0])
    flat = first.flatten(0, 1)
    if full is None:
        pulled = chain.layers[0].affine.pull(flat, weights[0], tape.inputs[0].shape[1:])
        return [pulled.unflatten(0, first.shape[:2]), None]
    closed = (flat @ full).unflatten(0, first.shape[:2])
    return [closed, (closed * present(rows[len(weights)])).sum(1)]


def _norm(tape: Tape, closing: State) -> Tensor:
    closed, overlap = closing
    if overlap is None:
        return squared_sum(present(closed))
    slope = tape.slopes[0]
    return (overlap if slope is None else overlap * slope).sum(1)


def _open(
    weights: Weights,
    tape: Tape,
    rows: State,
    closing: State,
    g: Tensor,
    gradients: Gradients,
    moment: Tensor | None,
) -> Tensor:
    """Gradient in P_1. The one in W_1 goes to `gradients`, or the A^T A of it to `moment`."""
    first, (closed, overlap) = present(rows[0]), closing
    closed, slope, curved = present(closed), tape.slopes[0], gradients.chain.layers[0].is_curved
    if moment is not None:
        weighted = first * per_example(g, first)
        add_symmetric(moment, weighted.flatten(0, 1).T, first.flatten(0, 1).T)
        if curved:
            gradients.add_slope(0, present(overlap) * (2 * g).unsqueeze(1))
        factor = (2 * g).unsqueeze(1) if slope is None else slope * (2 * g).unsqueeze(1)
        return closed * factor.unsqueeze(1)
    weighted = closed * per_example(2 * g, closed)
    gradients.add_weight(0, first.flatten(0, 1), weighted.flatten(0, 1), weights[0])
    pushed = gradients.chain.layers[0].affine.push(weighted.flatten(0, 1), weights[0])
    pushed = pushed.unflatten(0, first.shape[:2])
    if curved:
        gradients.add_slope(0, (pushed * present(rows[len(weights)])).sum(1))
    return scaled(pushed, slope)


def _ascend(chain: Chain, weights: Weights, tape: Tape, rows: State, below: Tensor, gradients: Gradients) -> None:
    """From the gradient in P_1 up to the code, leaving gradients in every slope and weight on the way."""
    depth = len(weights)
    u, p = rows[:depth], rows[depth:]
    for i in range(1, depth):
        here = p[i]
        if here is None:
            _end_at_row_scaling(weights[-1], tape.slopes[-1], below.flatten(2), gradients)
            return
        tangents = below.reshape(-1, *tape.inputs[i].shape[1:])
        gradients.add_weight(i, present(u[i]).flatten(0, 1), tangents, weights[i])
        pulled = chain.layers[i].affine.push(tangents, weights[i]).unflatten(0, below.shape[:2])
        if chain.layers[i].is_curved:
            gradients.add_slope(i, (pulled * here).sum(1))
        below = scaled(pulled, tape.slopes[i])


def _end_at_row_scaling(weight: Tensor, slope: Tensor | None, tangents: Tensor, gradients: Gradients) -> None:
    """The step P = D_L W_L, `tangents` (batch, code, features) being the gradient in P."""
    last = len(gradients.weights) - 1
    if slope is None:
        gradient = tangents.sum(0)
    else:
        if gradients.chain.layers[last].is_curved:
            gradients.add_slope(last, (tangents * weight).sum(2))
        gradient = (tangents * slope.unsqueeze(2)).sum(0)
    previous = gradients.weights[last]
    gradients.weights[last] = gradient if previous is None else previous.add_(gradient)


def _basis(code: Tensor) -> Tensor:
    """The identity on the code, (batch, code, *code)."""
    size = code.shape[1:].numel()
    eye = torch.eye(size, dtype=code.dtype, device=code.device).reshape(size, *code.shape[1:])
    return eye.expand(len(code), *eye.shape)
