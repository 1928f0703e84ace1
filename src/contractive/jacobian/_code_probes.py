"""The unbiased estimate ||v^T J||^2: one row per probe from the code down to the input."""

from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.jacobian._chain import Chain, Tape
from contractive.jacobian._propagation import (
    Gradients,
    State,
    Weights,
    cross,
    facing,
    gram,
    moment,
    present,
    scaled,
    shaped,
    squared_sum,
    weighted,
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
        depth = len(weights)
        u: State = [None] * depth
        p: State = [None] * depth
        row, slopes = self.probes, self._for_each_probe(tape.slopes)
        for i in range(depth - 1, -1, -1):
            row, p[i] = cross(chain.layers[i], row, slopes[i], fresh=i < depth - 1)
            u[i] = row
            if i > 0:
                row = chain.layers[i].affine.pull(row, weights[i], tape.inputs[i].shape[1:])
                row = shaped(row, (len(row), *tape.outputs[i - 1].shape[1:]))
        if self.gram:
            end = row @ gram(weights[0])
            norm = torch.linalg.vecdot(end, row)
        else:
            end = chain.layers[0].affine.pull(row, weights[0], tape.inputs[0].shape[1:])
            norm = squared_sum(end)
        return self._sum(norm) / self.num_probes, [*u, *p, end]

    def pull_back(self, chain: Chain, weights: Weights, tape: Tape, state: State, g: Tensor | None) -> Gradients:
        depth = len(weights)
        *rows, end = state
        u, p, slopes = rows[:depth], rows[depth:], self._for_each_probe(tape.slopes)
        first, end = present(u[0]), present(end)
        g = g if g is None or self.num_probes == 1 else g.repeat_interleave(self.num_probes)
        gradients = Gradients(chain, [None] * depth, scale=2 / self.num_probes)
        if self.gram:
            gradients.weights[0] = moment(weighted(first, g), first) @ weights[0]
            below = weighted(end, g)
        else:
            end = weighted(end, g)
            gradients.add_weight(0, first, end, weights[0])
            below = chain.layers[0].affine.push(end, weights[0])
        for i, layer in enumerate(chain.layers):  # `below` is the gradient in U_i
            if layer.is_curved:
                gradients.add_slope(i, self._sum(below * facing(u[i], p[i])))
            if i + 1 < depth:
                tangents = shaped(scaled(below, slopes[i]), (len(below), *tape.inputs[i + 1].shape[1:]))
                gradients.add_weight(i + 1, present(u[i + 1]), tangents, weights[i + 1])
                below = chain.layers[i + 1].affine.push(tangents, weights[i + 1])
        return gradients

    def _for_each_probe(self, slopes: list[Tensor | None]) -> list[Tensor | None]:
        if self.num_probes == 1:
            return slopes
        return [None if slope is None else slope.repeat_interleave(self.num_probes, 0) for slope in slopes]

    def _sum(self, rows: Tensor) -> Tensor:
        """Over the probes of each example."""
        return rows if self.num_probes == 1 else rows.unflatten(0, (-1, self.num_probes)).sum(1)
