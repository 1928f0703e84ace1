"""The unbiased estimate ||v^T J||^2: one row per probe vector v, E[v v^T] = I, from the code down to the input.

On the code side each probe vector is a row of a Hadamard matrix with random signs on its columns: every one is a
Rademacher vector, and those of n neighbours satisfy sum v v^T = n I exactly, so that over them the noise of
similar Jacobians partly cancels (measured in docs/performance.md).
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from contractive.core.randomness import this_rank_slice
from contractive.jacobian._chain import Chain, Tape
from contractive.jacobian._propagation import (
    Gradients,
    State,
    Weights,
    reshaped,
    scaled,
    squared_sum,
    symmetric_product,
    through_slope,
    weighted,
)

_LARGEST_HADAMARD = 2048  # 16 MB in float32; beyond it rows are drawn independently


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
        u, for_slope = [], []  # from the last layer to the first
        row, slopes = self.probes, self._for_each_probe(tape.slopes)
        for i in range(depth - 1, -1, -1):
            row, before = through_slope(chain.layers[i], row, slopes[i], fresh=i < depth - 1)
            u.append(row)
            for_slope.append(before)
            if i > 0:
                row = chain.layers[i].affine.pull(row, weights[i], tape.inputs[i].shape[1:])
                row = reshaped(row, (len(row), *tape.outputs[i - 1].shape[1:]))
        if self.gram:
            end = row @ symmetric_product(weights[0], weights[0])
            norm = torch.linalg.vecdot(end, row)
        else:
            end = chain.layers[0].affine.pull(row, weights[0], tape.inputs[0].shape[1:])
            norm = squared_sum(end)
        return self._sum(norm) / self.num_probes, [*u[::-1], *for_slope[::-1], end]

    def pull_back(self, chain: Chain, weights: Weights, tape: Tape, state: State, g: Tensor | None) -> Gradients:
        depth = len(weights)
        *rows, end = state
        u, for_slope, slopes = rows[:depth], rows[depth:], self._for_each_probe(tape.slopes)
        g = g if g is None or self.num_probes == 1 else g.repeat_interleave(self.num_probes)
        gradients = Gradients(chain, [None] * depth, scale=2 / self.num_probes)
        if self.gram:
            gradients.weights[0] = symmetric_product(weighted(u[0], g).T, u[0].T) @ weights[0]
            below = weighted(end, g)
        else:
            end = weighted(end, g)
            gradients.add_weight(0, u[0], end, weights[0])
            below = chain.layers[0].affine.push(end, weights[0])
        for i, layer in enumerate(chain.layers):  # `below` is the gradient in U_i
            if layer.is_curved:
                gradients.add_slope(i, self._sum(below * for_slope[i]))
            if i + 1 < depth:
                tangents = reshaped(scaled(below, slopes[i]), (len(below), *tape.inputs[i + 1].shape[1:]))
                gradients.add_weight(i + 1, u[i + 1], tangents, weights[i + 1])
                below = chain.layers[i + 1].affine.push(tangents, weights[i + 1])
        return gradients

    def _for_each_probe(self, slopes: list[Tensor | None]) -> list[Tensor | None]:
        if self.num_probes == 1:
            return slopes
        return [None if slope is None else slope.repeat_interleave(self.num_probes, 0) for slope in slopes]

    def _sum(self, rows: Tensor) -> Tensor:
        """Sum over the probe vectors of each example."""
        return rows if self.num_probes == 1 else rows.unflatten(0, (-1, self.num_probes)).sum(1)


def code_probes(batch: int, num_probes: int, size: int, *, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw probe vectors of shape (batch, num_probes, size) in the dtype and on the device of `like`."""
    device = generator.device if generator is not None else like.device
    order = 1 << max(size - 1, 0).bit_length()
    count = batch * num_probes
    if order > _LARGEST_HADAMARD:
        probes = this_rank_slice(lambda shape: _signs(shape, like.dtype, device, generator), (count, size))
    else:

        def indices(shape: tuple[int, ...]) -> Tensor:  # they run through 0 .. order - 1 as often as needed
            rows = torch.randperm(order, generator=generator, device=device)
            return rows.repeat(-(-shape[0] // order))[: shape[0]]

        rows = this_rank_slice(indices, (count,))
        signs = _signs((size,), like.dtype, device, generator)
        probes = hadamard(order, like.dtype, device).index_select(0, rows)[:, :size] * signs
    return probes.reshape(batch, num_probes, size).to(like.device)


def input_probes(count: int, num_probes: int, size: int, *, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw independent Rademacher vectors of shape (count, num_probes, size)."""
    device = generator.device if generator is not None else like.device
    shape = (count, num_probes, size)
    return this_rank_slice(lambda whole: _signs(whole, like.dtype, device, generator), shape).to(like.device)


@lru_cache(maxsize=8)
def hadamard(order: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return Sylvester's Hadamard matrix: entries +-1, orthogonal rows, `order` a power of two."""
    matrix = torch.ones(1, 1, dtype=dtype, device=device)
    while len(matrix) < order:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix


def _signs(
    shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, generator: torch.Generator | None
) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=device).bernoulli_(generator=generator).mul_(2).sub_(1)
