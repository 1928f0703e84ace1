"""Columns of the Jacobian from the input up to the code: J u for probes shared by groups, or every column exactly."""

from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.jacobian._chain import Chain, Tape
from contractive.jacobian._propagation import (
    Gradients,
    State,
    Weights,
    scaled,
    spread,
    squared_sum,
    through_slope,
    weighted,
)


@dataclass(frozen=True)
class InputSide:
    """||J||_F^2 = E ||J u||^2 for E[u u^T] = I, or the sum over all columns.

    W_1 u is the same for every example that shares u, so the widest product of the net is done once per group.
    All columns are the one group whose probes are the identity.

    Attributes:
        probes: (groups, columns, *features).
        group: Consecutive examples that share a row of `probes`.
        scale: 1 / number of probes for an estimate, 1 for all columns.
        chunk: Examples at a time; a multiple of `group` or the whole batch.
        keep: Whether `value` keeps its tangents for `pull_back`; if not, they are computed again.
    """

    probes: Tensor
    group: int
    scale: float
    chunk: int
    keep: bool

    def value(self, chain: Chain, weights: Weights, tape: Tape) -> tuple[Tensor, State]:
        first = self._first(chain, weights)
        norm, state = tape.outputs[0].new_empty(tape.batch), []
        for start in range(0, tape.batch, self.chunk):
            stop = start + self.chunk
            tangents = self._ascend(chain, weights, tape.rows(start, stop), first, start)
            norm[start:stop] = squared_sum(tangents[-1])
            state += tangents if self.keep else []
        return norm.mul_(self.scale), state

    def pull_back(self, chain: Chain, weights: Weights, tape: Tape, state: State, g: Tensor | None) -> Gradients:
        gradients = Gradients(chain, [None] * len(weights), scale=2 * self.scale)
        first = self._first(chain, weights) if not self.keep else None
        size = 2 * len(weights)
        for start in range(0, tape.batch, self.chunk):
            part = tape.rows(start, start + self.chunk)
            if first is None:
                i = start // self.chunk * size
                tangents = state[i : i + size]
            else:
                tangents = self._ascend(chain, weights, part, first, start)
            pulled = weighted(tangents[-1], None if g is None else g[start : start + self.chunk])
            self._descend(chain, weights, part, tangents, pulled, start, gradients)
        return gradients

    def _first(self, chain: Chain, weights: Weights) -> Tensor:
        """Return W_1 u, (groups, columns, *features)."""
        pushed = chain.layers[0].affine.push(self.probes.flatten(0, 1), weights[0])
        return pushed.unflatten(0, self.probes.shape[:2])

    def _groups(self, start: int, count: int) -> Tensor:
        return torch.arange(start, start + count, device=self.probes.device) // self.group

    def _ascend(self, chain: Chain, weights: Weights, tape: Tape, first: Tensor, start: int) -> State:
        """Return what gives the gradient in each slope (see `through_slope`), and then T_1 .. T_L."""
        for_slope, t, shared = [], [], len(first) == 1
        rows = first.expand(tape.batch, *first.shape[1:]) if shared else first[self._groups(start, tape.batch)]
        for i in range(len(weights)):
            if i > 0:
                tangents = rows.reshape(-1, *tape.inputs[i].shape[1:])
                rows = chain.layers[i].affine.push(tangents, weights[i]).unflatten(0, rows.shape[:2])
            fresh = i > 0 or not shared
            rows, before = through_slope(chain.layers[i], rows, spread(tape.slopes[i]), fresh=fresh)
            for_slope.append(before)
            t.append(rows)
        return [*for_slope, *t]

    def _descend(
        self,
        chain: Chain,
        weights: Weights,
        tape: Tape,
        tangents: State,
        pulled: Tensor,
        start: int,
        gradients: Gradients,
    ) -> None:
        """From the gradient in T_L down to the probes, leaving gradients in every slope and weight on the way."""
        depth = len(weights)
        for_slope, t = tangents[:depth], tangents[depth:]
        for i in range(depth - 1, -1, -1):
            if chain.layers[i].is_curved:
                gradients.add_slope(i, (pulled * for_slope[i]).sum(1))
            below = scaled(pulled, spread(tape.slopes[i]))
            if i > 0:
                under = t[i - 1].reshape(*below.shape[:2], *tape.inputs[i].shape[1:])
                gradients.add_weight(i, below.flatten(0, 1), under.flatten(0, 1), weights[i])
                rows = chain.layers[i].affine.pull(below.flatten(0, 1), weights[i], tape.inputs[i].shape[1:])
                pulled = rows.reshape(*below.shape[:2], *tape.outputs[i - 1].shape[1:])
            else:
                shared = below.new_zeros(len(self.probes), *below.shape[1:])
                shared.index_add_(0, self._groups(start, tape.batch), below)
                gradients.add_weight(0, shared.flatten(0, 1), self.probes.flatten(0, 1), weights[0])
