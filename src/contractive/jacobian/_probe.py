"""Random probes v with E[v v^T] = I.

For code-side probes each row is a row of a Hadamard matrix with random signs on its columns: every single probe is
a Rademacher vector, and the probes of n neighbours satisfy sum v v^T = n I exactly, so that over them the noise of
similar Jacobians partly cancels (measured in docs/performance.md).
"""

from functools import lru_cache

import torch
from torch import Tensor

from contractive.core.randomness import own

_LARGEST_HADAMARD = 2048  # 16 MB in float32; beyond it rows are drawn independently


def code_probes(batch: int, num_probes: int, size: int, *, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Probes of shape (batch, num_probes, size) in the dtype and on the device of `like`."""
    device = generator.device if generator is not None else like.device
    order = 1 << max(size - 1, 0).bit_length()
    count = batch * num_probes
    if order > _LARGEST_HADAMARD:
        probes = own(lambda shape: _signs(shape, like.dtype, device, generator), (count, size))
    else:
        rows = own(lambda shape: _cycled(order, shape[0], device, generator), (count,))
        signs = _signs((size,), like.dtype, device, generator)
        probes = hadamard(order, like.dtype, device).index_select(0, rows)[:, :size] * signs
    return probes.reshape(batch, num_probes, size).to(like.device)


def input_probes(count: int, num_probes: int, size: int, *, like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Independent Rademacher probes of shape (count, num_probes, size)."""
    device = generator.device if generator is not None else like.device
    shape = (count, num_probes, size)
    return own(lambda whole: _signs(whole, like.dtype, device, generator), shape).to(like.device)


def _cycled(order: int, count: int, device: torch.device, generator: torch.Generator | None) -> Tensor:
    """`count` indices that run through a random order of 0 .. order-1 as often as needed."""
    rows = torch.randperm(order, generator=generator, device=device)
    return rows.repeat(-(-count // order))[:count] if count > order else rows[:count]


@lru_cache(maxsize=8)
def hadamard(order: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Sylvester's Hadamard matrix: entries +-1, orthogonal rows, `order` a power of two."""
    matrix = torch.ones(1, 1, dtype=dtype, device=device)
    while len(matrix) < order:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)])
    return matrix


def _signs(
    shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, generator: torch.Generator | None
) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=device).bernoulli_(generator=generator).mul_(2).sub_(1)
