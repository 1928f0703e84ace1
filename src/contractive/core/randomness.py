"""Random numbers for a batch, the same whether one process draws them or several share the batch.

With N processes of B rows each, every process draws for all N * B rows and keeps its own slice, so that N processes
with batch B do exactly what one does with batch N * B.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_RANK: ContextVar[tuple[int, int]] = ContextVar("rank", default=(0, 1))


@contextmanager
def rank_context(rank: int, world: int) -> Iterator[None]:
    """Treat batches as slice number `rank` of `world` equal slices of a larger one, within the `with` block."""
    token = _RANK.set((rank, world))
    try:
        yield
    finally:
        _RANK.reset(token)


def draw(
    sample: Callable[..., Tensor],
    shape: tuple[int, ...],
    *,
    like: Tensor,
    generator: torch.Generator | None,
    axis: int = 0,
) -> Tensor:
    """Draw `sample` (torch.rand, torch.randn) of that shape, in the dtype and on the device of `like`.

    Args:
        sample: Takes a shape, `generator`, `dtype` and `device`.
        shape: Of the result.
        like: Gives dtype and device.
        generator: Source of randomness, on any device; torch's global one if omitted.
        axis: Along which the rows of the batch lie.
    """
    device = generator.device if generator is not None else like.device
    return this_rank_slice(
        lambda whole: sample(whole, generator=generator, dtype=like.dtype, device=device), shape, axis
    ).to(like.device)


def this_rank_slice(make: Callable[[tuple[int, ...]], Tensor], shape: tuple[int, ...], axis: int = 0) -> Tensor:
    """Return this process's slice, of the given shape, of what `make` makes for the rows of all processes."""
    rank, world = _RANK.get()
    if world == 1:
        return make(shape)
    whole = make((*shape[:axis], world * shape[axis], *shape[axis + 1 :]))
    return whole.narrow(axis, rank * shape[axis], shape[axis])
