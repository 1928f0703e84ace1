"""The unbiased estimate ||v^T J||^2: one row per probe from the code down to the input."""

from dataclasses import dataclass

from torch import Tensor

from contractive.jacobian._chain import Chain, Tape
from contractive.jacobian._sweep import Gradients, State, Weights, per_example, squared_sum


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
        if self.gram:
            closing = row @ (weights[0] @ weights[0].T)
            norm = (closing * row).sum(1)
        else:
            closing = chain.layers[0].affine.pull(row, weights[0], tape.inputs[0].shape[1:])
            norm = squared_sum(closing)
        if self.num_probes > 1:
            norm = norm.reshape(-1, self.num_probes).mean(1)
        return norm, [*u, *p, closing]

    def pull_back(self, chain: Chain, weights: Weights, tape: Tape, state: State, g: Tensor) -> Gradients:
        depth = len(weights)
        u, p, closing = state[:depth], state[depth:-1], state[-1]
        first = u[0]
        assert closing is not None and first is not None
        gradients = Gradients(chain, [None] * depth)
        if self.num_probes > 1:
            g = (g / self.num_probes).repeat_interleave(self.num_probes)
        weighted = closing * per_example(2 * g, closing)
        if self.gram:
            moment = (first * per_example(2 * g, first)).T @ first
            gradients.weights[0] = moment @ weights[0]
            pulled = weighted
        else:
            gradients.add_weight(0, first, weighted, weights[0])
            pulled = chain.layers[0].affine.push(weighted, weights[0])
        for i in range(depth):
            above, here = u[i], p[i]
            assert above is not None and here is not None
            if i > 0:
                pulled = pulled.reshape(-1, *tape.inputs[i].shape[1:])
                gradients.add_weight(i, above, pulled, weights[i])
                pulled = chain.layers[i].affine.push(pulled, weights[i])
            if chain.layers[i].is_curved:
                product = pulled * here
                if self.num_probes > 1:
                    product = product.unflatten(0, (-1, self.num_probes)).sum(1)
                gradients.add_slope(i, product)
            if i + 1 < depth:
                pulled = self._scaled(pulled, tape.slopes[i])
        return gradients

    def _scaled(self, rows: Tensor, slope: Tensor | None) -> Tensor:
        if slope is None:
            return rows
        return rows * (slope if self.num_probes == 1 else slope.repeat_interleave(self.num_probes, 0))
