"""The unbiased estimate ||v^T J||^2: one row per probe from the code down to the input."""

from dataclasses import dataclass

from torch import Tensor

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
)


@dataclass(frozen=True)
class CodeProbes:
    """||J||_F^2 = E ||v^T J||^2 for E[v v^T] = I (Hutchinson 1989; Hoffman et al. 2019).

    The last step ||u W_1||^2 = u G u^T may use the Gram matrix G = W_1 W_1^T, which pays for large batches.

    Attributes:
        probes: (batch * num_probes, *code); those of one example follow each other.
        num_probes: Probes per example.
        gram: Close with G (first layer Dense only); else with u W_1.
    """

    probes: Tensor
    num_probes: int
    gram: bool

    def value(self, chain: Chain, weights: Weights, tape: Tape) -> tuple[Tensor, State]:
        last = len(weights) - 1
        p: State = [None] * last + [self.probes]
        u: State = [None] * (last + 1)
        row = self.probes
        for i in range(last, -1, -1):
            row = u[i] = self._scaled(row, tape.slopes[i])
            if i > 0:
                row = chain.layers[i].affine.pull(row, weights[i], tape.inputs[i].shape[1:])
                row = p[i - 1] = row.reshape(-1, *tape.outputs[i - 1].shape[1:])
        first = chain.layers[0].affine
        if self.gram:
            full, closed = None, row @ gram(weights[0])
        else:
            full = first.pull(row, weights[0], tape.inputs[0].shape[1:])
            closed = first.push(full, weights[0])
        # u W_1 W_1^T u, and its gradient in the slope is twice `overlap`
        overlap = self._per_example(closed * present(p[0]))
        slope = tape.slopes[0]
        norm = (overlap if slope is None else overlap * slope).flatten(1).sum(1)
        return norm / self.num_probes, [*u, *p, full, closed, overlap]

    def pull_back(self, chain: Chain, weights: Weights, tape: Tape, state: State, g: Tensor) -> Gradients:
        depth = len(weights)
        *rows, full, closed, overlap = state
        u, p = rows[:depth], rows[depth:]
        first, closed, overlap = present(u[0]), present(closed), present(overlap)
        gradients = Gradients(chain, [None] * depth)
        g = g * (2 / self.num_probes)
        spread = g if self.num_probes == 1 else g.repeat_interleave(self.num_probes)
        weighted = first * per_example(spread, first)
        if full is None:
            moment = weights[0].new_zeros(len(weights[0]), len(weights[0]))
            add_symmetric(moment, weighted.T, first.T)
            gradients.weights[0] = mirror(moment) @ weights[0]
        else:
            gradients.add_weight(0, weighted, full, weights[0])
        if chain.layers[0].is_curved:
            gradients.add_slope(0, overlap * per_example(g, overlap))
        slope = tape.slopes[0]
        factor = per_example(g, closed) if slope is None else slope * per_example(g, slope)
        below = self._scaled(closed, factor)
        for i in range(1, depth):
            tangents = below.reshape(-1, *tape.inputs[i].shape[1:])
            gradients.add_weight(i, present(u[i]), tangents, weights[i])
            pulled = chain.layers[i].affine.push(tangents, weights[i])
            if chain.layers[i].is_curved:
                gradients.add_slope(i, self._per_example(pulled * present(p[i])))
            below = self._scaled(pulled, tape.slopes[i]) if i + 1 < depth else pulled
        return gradients

    def _per_example(self, rows: Tensor) -> Tensor:
        """Sum over the probes of each example."""
        return rows if self.num_probes == 1 else rows.unflatten(0, (-1, self.num_probes)).sum(1)

    def _scaled(self, rows: Tensor, slope: Tensor | None) -> Tensor:
        if slope is None:
            return rows
        return rows * (slope if self.num_probes == 1 else slope.repeat_interleave(self.num_probes, 0))
