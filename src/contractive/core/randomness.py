"""Random numbers for a batch, the same whether one process draws them or several share the batch.

With N processes of B rows each, every process draws for all N * B rows and keeps its own slice, so that N processes
with batch B do exactly what one does with batch N * B.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

_OF_TORCH = threading.RLock()
_RANK: ContextVar[tuple[int, int]] = ContextVar("rank", default=(0, 1))
_SELECTED: ContextVar[tuple[int, int] | None] = ContextVar("selected", default=None)


@contextmanager
def global_randomness(seed: int | None = None, devices: Iterable[Any] | None = None) -> Iterator[None]:
    """Keep torch's random state to this thread, seeded if a seed is given, and put it back afterwards.

    The process has one such state: of two threads that seed it and draw, each would take numbers from the other. So the
    second waits.

    Args:
        seed: From which it starts; where it is if None.
        devices: GPUs whose states are put back, too; all if None.
    """
    with _OF_TORCH, torch.random.fork_rng(devices):
        if seed is not None:
            torch.manual_seed(seed)
        yield


@contextmanager
def rehearsing(f: object) -> Iterator[None]:
    """Leave no trace: random generators and, of a module, buffers such as statistics of batch norms are put back."""
    parts = [*f.modules()] if isinstance(f, nn.Module) else []
    owned = [(part, dict(part._buffers)) for part in parts if not isinstance(part, torch.jit.ScriptModule)]
    before = {buffer: buffer.clone() for part in parts for buffer in part.buffers(recurse=False)}
    tensors = (*before, *f.parameters()) if isinstance(f, nn.Module) else ()
    devices = {tensor.get_device() for tensor in tensors if tensor.is_cuda} if parts else None
    with global_randomness(devices=devices):
        try:
            yield
        finally:
            for part, own in owned:
                part._buffers.update(own)  # some may have been replaced by others
            with torch.no_grad():
                for buffer, value in before.items():
                    if not torch.equal(buffer, value):  # a graph may need one that was only read as it is
                        buffer.copy_(value)


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


def this_rank_slice(
    make: Callable[[tuple[int, ...]], Tensor], shape: tuple[int, ...], axis: int = 0, per_row: int = 1
) -> Tensor:
    """Return this process's slice, of the given shape, of what `make` makes for the rows of all processes.

    Along `axis` there are `per_row` entries for each row.
    """
    first, total = place_of_rows(shape[axis] // per_row)
    if total * per_row == shape[axis]:
        return make(shape)
    whole = make((*shape[:axis], total * per_row, *shape[axis + 1 :]))
    return whole.narrow(axis, first * per_row, shape[axis])


def this_rank_groups(make: Callable[[int], Tensor], batch: int, size: int, axis: int = 0) -> tuple[Tensor, int]:
    """Return what `make` makes for the groups of `size` rows that this process has a part in.

    Also returned is the place of its first row in its first group. The argument of `make` is the number of all groups.
    """
    first, total = place_of_rows(batch)
    whole = make(-(-total // size))
    return whole.narrow(axis, first // size, -(-(first % size + batch) // size)), first % size


def place_of_rows(batch: int) -> tuple[int, int]:
    """Number of the first row of this process, and of all rows."""
    rank, world = _RANK.get()
    return _SELECTED.get() or (rank * batch, world * batch)


def rank_and_world() -> tuple[int, int]:
    """Return the number of this process, and how many share the batch."""
    return _RANK.get()


@contextmanager
def selected_rows(first: int, total: int) -> Iterator[None]:
    """Treat batches as the rows from number `first` of `total` ones that were selected for all processes."""
    token = _SELECTED.set((first, total))
    try:
        yield
    finally:
        _SELECTED.reset(token)
