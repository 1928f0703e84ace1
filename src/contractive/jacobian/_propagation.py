"""The interface of all ways to ||J||_F^2 of a chain, their steps, and the ways by probe vectors and by columns.

Notation in all of them: rows have the shape (batch, rows per example, *features). U_l = P_l * act'(a_l) is a cotangent
at the preactivation of layer l and P_l at its output; T_l = Z_l * act'(a_l) are tangents at the same two, in the other
order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Protocol

import torch
from torch import Tensor
from torch.utils._python_dispatch import _get_current_dispatch_mode

from contractive.core.randomness import place_of_rows, this_rank_groups, this_rank_slice
from contractive.jacobian._chain import Layer, Tape

GROUP = 8  # examples that share a forward probe, or noise
_LARGEST_HADAMARD = 2048  # 16 MB in float32; beyond it rows are drawn independently
State = list[Tensor]


@dataclass
class Gradients:
    """Gradients in the weights and slopes of each layer, gathered over chunks of examples, all divided by `scale`.

    Those in slopes are given where the activation is curved, and times the slopes where it can `bend`.
    """

    tape: Tape
    scale: float = 1.0

    def __post_init__(self) -> None:
        self.weights: list[Tensor | None] = [None] * self.tape.depth
        self.slopes: list[list[Tensor]] = [[] for _ in self.weights]  # of one chunk of examples after the other

    def add_weight(self, layer: int, cotangents: Tensor, tangents: Tensor) -> None:
        """Add the gradient of sum <u, W t> over rows u and t, (*leading, *features)."""
        u, t = self.tape.flat(layer, cotangents), self.tape.flat(layer, tangents, inputs=True)
        affine = self.tape.layers[layer].affine
        self.weights[layer] = affine.weight_gradient(u, t, self.tape.weights[layer], self.weights[layer])

    def slope(self, layer: int) -> Tensor | None:
        """Return the whole gradient in the slopes of one layer."""
        parts = self.slopes[layer]
        return None if not parts else parts[0] if len(parts) == 1 else torch.cat(parts)


class Propagation(Protocol):
    """One way to the squared norm of a chain.

    `value` returns the norm per example and what `pull_back` needs for the gradients of sum(g * norm), or of sum(norm)
    for g None, which is worth looking for where it `asks_common`.
    """

    asks_common: ClassVar[bool]

    def value(self, tape: Tape) -> tuple[Tensor, State]: ...
    def pull_back(self, tape: Tape, state: State, g: Tensor | None) -> Gradients: ...


def scaled(rows: Tensor, factor: Tensor | None) -> Tensor:
    """Return rows times a factor, if there is one."""
    return rows if factor is None else rows * factor


def through_slope(layer: Layer, rows: Tensor, slope: Tensor | None, *, fresh: bool) -> tuple[Tensor, Tensor]:
    """Return the rows times the slope, and what gives the gradient in that slope; `fresh` rows are overwritten."""
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
    flat = rows.flatten(1)
    return torch.linalg.vecdot(flat, flat)


def add_symmetric(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a b^T, known to be symmetric, to the upper blocks of `total`; `mirror` completes it when all is added."""
    for start, stop in _blocks(total):
        total[start:stop, start:].addmm_(a[start:stop], b[start:].T)


def mirror(total: Tensor) -> Tensor:
    """Copy what `add_symmetric` left above the diagonal below it, in place."""
    for start, stop in _blocks(total):
        total[stop:, start:stop] = total[start:stop, stop:].T
    return total


def _blocks(total: Tensor) -> Iterator[tuple[int, int]]:
    size = len(total)
    # four strips, each from its diagonal block on: (4 + 3 + 2 + 1) / 16 of the square, five eighths of the
    # multiplications; on an accelerator one large product is faster
    step = -(-size // 4) if total.is_cpu else size
    return ((start, min(start + step, size)) for start in range(0, size, step))


def symmetric_product(a: Tensor, b: Tensor) -> Tensor:
    """Return a b^T, known to be symmetric."""
    total = a.new_zeros(len(a), len(a))
    add_symmetric(total, a, b)
    return mirror(total)


@dataclass(frozen=True)
class CodeProbes:
    """||J||_F^2 = E ||v^T J||^2 for E[v v^T] = I (Hutchinson 1989; Hoffman et al. 2019).

    The last step ||u W_1||^2 = u G u^T may use the Gram matrix G = W_1 W_1^T, which pays for large batches.
    """

    probes: Tensor  # (batch * num_probes, *code); those of one example follow each other
    num_probes: int
    gram: bool  # close with G (first layer Dense only); else with u W_1
    asks_common: ClassVar[bool] = False

    def value(self, tape: Tape) -> tuple[Tensor, State]:
        u, before_slope = [], []  # from the last layer to the first; the latter where it is another than U
        row, slopes = self.probes, self._for_each_probe(tape.slopes)
        for i in range(tape.depth - 1, -1, -1):
            row, before = through_slope(tape.layers[i], row, slopes[i], fresh=i < tape.depth - 1)
            u.append(row)
            if before is not row:
                before_slope.append(before)
            if i > 0:
                row = tape.pull(i, row)
        if self.gram:
            end = row @ symmetric_product(tape.weights[0], tape.weights[0])
            norm = torch.linalg.vecdot(end, row)
        else:
            end = tape.pull(0, row)
            norm = squared_sum(end)
        norm = norm if self.num_probes == 1 else self._sum(norm) / self.num_probes
        return norm, [*u[::-1], end, *before_slope]

    def pull_back(self, tape: Tape, state: State, g: Tensor | None) -> Gradients:
        u, end, before_slope = state[: tape.depth], state[tape.depth], state[tape.depth + 1 :]
        slopes = self._for_each_probe(tape.slopes)
        g = g if g is None or self.num_probes == 1 else g.repeat_interleave(self.num_probes)
        end = weighted(end, g)
        gradients = Gradients(tape, 2 / self.num_probes)
        if self.gram:
            gradients.weights[0] = symmetric_product(weighted(u[0], g).T, u[0].T) @ tape.weights[0]
            below = end
        else:
            gradients.add_weight(0, u[0], end)
            below = tape.push(0, end)
        for i, layer in enumerate(tape.layers):  # `below` is the gradient in U_i
            if layer.is_curved:
                for_slope = before_slope.pop() if layer.needs_both_sides else u[i]
                gradients.slopes[i].append(self._sum(below * for_slope))
            if i + 1 < tape.depth:
                tangents = scaled(below, slopes[i])
                gradients.add_weight(i + 1, u[i + 1], tangents)
                below = tape.push(i + 1, tangents)
        return gradients

    def _for_each_probe(self, slopes: list[Tensor | None]) -> list[Tensor | None]:
        if self.num_probes == 1:
            return slopes
        return [None if slope is None else slope.repeat_interleave(self.num_probes, 0) for slope in slopes]

    def _sum(self, rows: Tensor) -> Tensor:
        """Sum over the probe vectors of each example."""
        return rows if self.num_probes == 1 else rows.unflatten(0, (-1, self.num_probes)).sum(1)


@dataclass(frozen=True)
class InputSide:
    """||J||_F^2 = E ||J u||^2 for E[u u^T] = I, or the sum over all columns.

    W_1 u is the same for every example that shares u, so the widest product of the net is done once per group.
    All columns are the one group whose probes are the identity.
    """

    probes: Tensor  # (groups, columns, *features)
    group: int  # consecutive examples that share a row of `probes`
    scale: float  # 1 / number of probes for an estimate, 1 for all columns
    chunk: int  # examples at a time; a multiple of `group` or the whole batch
    keep: bool  # whether `value` keeps its tangents for `pull_back`; if not, they are computed again
    offset: int = 0  # place of the first example in its group
    asks_common: ClassVar[bool] = False

    def value(self, tape: Tape) -> tuple[Tensor, State]:
        first = tape.push(0, self.probes)  # W_1 u, (groups, columns, *features)
        norm, state = tape.outputs[0].new_empty(tape.batch), []
        for start in range(0, tape.batch, self.chunk):
            stop = start + self.chunk
            tangents = self._ascend(tape.rows(start, stop), first, start)
            norm[start:stop] = squared_sum(tangents[-1])
            state += tangents if self.keep else []
        return norm.mul_(self.scale), state

    def pull_back(self, tape: Tape, state: State, g: Tensor | None) -> Gradients:
        gradients = Gradients(tape, 2 * self.scale)
        first = None if self.keep else tape.push(0, self.probes)
        size = 2 * tape.depth
        for start in range(0, tape.batch, self.chunk):
            part = tape.rows(start, start + self.chunk)
            if first is None:
                i = start // self.chunk * size
                tangents = state[i : i + size]
            else:
                tangents = self._ascend(part, first, start)
            pulled = weighted(tangents[-1], None if g is None else g[start : start + self.chunk])
            self._descend(part, tangents, pulled, start, gradients)
        return gradients

    def _groups(self, start: int, count: int) -> Tensor:
        return torch.arange(start, start + count, device=self.probes.device).add_(self.offset) // self.group

    def _ascend(self, tape: Tape, first: Tensor, start: int) -> State:
        """Return what gives the gradient in each slope (see `through_slope`), and then T_1 .. T_L."""
        for_slope, t, shared = [], [], len(first) == 1
        rows = first.expand(tape.batch, *first.shape[1:]) if shared else first[self._groups(start, tape.batch)]
        for i, layer in enumerate(tape.layers):
            rows = tape.push(i, rows) if i else rows
            rows, before = through_slope(layer, rows, spread(tape.slopes[i]), fresh=i > 0 or not shared)
            for_slope.append(before)
            t.append(rows)
        return [*for_slope, *t]

    def _descend(self, tape: Tape, tangents: State, pulled: Tensor, start: int, gradients: Gradients) -> None:
        """From the gradient in T_L down to the probes, leaving gradients in every slope and weight on the way."""
        for_slope, t = tangents[: tape.depth], tangents[tape.depth :]
        for i in range(tape.depth - 1, -1, -1):
            if tape.layers[i].is_curved:
                gradients.slopes[i].append((pulled * for_slope[i]).sum(1))
            pulled = scaled(pulled, spread(tape.slopes[i]))
            if i > 0:
                gradients.add_weight(i, pulled, t[i - 1])
                pulled = tape.pull(i, pulled)
        shared = pulled.new_zeros(len(self.probes), *pulled.shape[1:])
        shared.index_add_(0, self._groups(start, tape.batch), pulled)
        gradients.add_weight(0, shared, self.probes)


def code_probes(batch: int, num_probes: int, size: int, *, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw Rademacher vectors of shape (batch * num_probes, size) in the dtype and on the device of `like`.

    Each is a row of a Hadamard matrix with random signs on its columns: those of n neighbours satisfy sum v v^T = n I
    exactly, so that over them the noise of similar Jacobians partly cancels (measured in docs/performance.md). The rows
    follow each other in all processes that share a batch; the signs alone are drawn.
    """
    device = generator.device if generator is not None else like.device
    order = 1 << max(size - 1, 0).bit_length()
    count = batch * num_probes
    if order > _LARGEST_HADAMARD:
        return this_rank_slice(
            lambda shape: _signs(shape, like.dtype, device, generator), (count, size), per_row=num_probes
        ).to(like.device)
    flipped = torch.empty(size, dtype=like.dtype, device=device).bernoulli_(generator=generator).to(like.device)
    rows = hadamard(order, like.dtype, like.device)
    first = place_of_rows(batch)[0] * num_probes % order
    if first + count > order:
        rows = rows.repeat(-(-(first + count) // order), 1)
    rows = rows[first : first + count, :size]
    return torch.addcmul(rows, rows, flipped, value=-2)  # a row with its sign changed in the flipped columns


def input_probes(count: int, num_probes: int, size: int, *, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw independent Rademacher vectors of shape (count, num_probes, size)."""
    device = generator.device if generator is not None else like.device
    shape = (count, num_probes, size)
    return this_rank_slice(lambda whole: _signs(whole, like.dtype, device, generator), shape).to(like.device)


def group_probes(
    batch: int, num_probes: int, size: int, *, like: Tensor, generator: torch.Generator | None
) -> tuple[Tensor, int]:
    """Draw such vectors (groups, num_probes, size), one for each group of examples; also the place of the first one."""
    device = generator.device if generator is not None else like.device
    groups, offset = this_rank_groups(
        lambda number: _signs((number, num_probes, size), like.dtype, device, generator), batch, GROUP
    )
    return groups.to(like.device), offset


def hadamard(order: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return Sylvester's Hadamard matrix: entries +-1, orthogonal rows, `order` a power of two."""
    # under a mode that makes tensors of its own kind, such as FakeTensorMode, nothing is kept or taken
    make = _hadamard if _get_current_dispatch_mode() is None else _hadamard.__wrapped__
    return make(order, dtype, device)


@lru_cache(maxsize=8)
def _hadamard(order: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    matrix = torch.ones(1, 1, dtype=dtype, device=device)
    while len(matrix) < order:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix


def _signs(
    shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, generator: torch.Generator | None
) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=device).bernoulli_(generator=generator).mul_(2).sub_(1)
