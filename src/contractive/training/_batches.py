"""Shuffled batches of rows, which lie in memory or are read in slices; a process takes its share of each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

STEPS_PER_BLOCK = 16
_BUFFER = 2**27  # bytes of streamed rows that are shuffled together
Batch = tuple[Tensor, Tensor | None]


@runtime_checkable
class Rows(Protocol):
    """Rows that are read in slices, for data larger than memory.

    Attributes:
        shape: (examples, *features).
        block: Rows that are best read at once.
    """

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def block(self) -> int: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> np.ndarray: ...


def as_tensor(values: Any, dtype: torch.dtype | None = None) -> Tensor:
    """Return a tensor, also of arrays with negative strides or a foreign byte order, which torch refuses."""
    if isinstance(values, np.ndarray) and (min(values.strides, default=0) < 0 or not values.dtype.isnative):
        values = values.astype(values.dtype.newbyteorder("="), order="C")
    return torch.as_tensor(values, dtype=dtype)


@dataclass(frozen=True)
class TrainingRows:
    """Rows of a run: those it learns from, those that validate every epoch, and one weight per row in memory."""

    train: Tensor | Rows
    validation: Tensor | None
    weights: Tensor | None


class Blocks:
    """Shuffled batches of rows, with their weights if they have any, sixteen to a block; the last may be smaller.

    A block is what Lightning calls a batch: its bookkeeping, which costs more than a step of a small net, is done once
    per block.

    Every process takes share number `rank` of `world` equal shares of each batch.
    """

    def __init__(
        self,
        x: Tensor | Rows,
        batch_size: int,
        generator: torch.Generator,
        rank: int = 0,
        world: int = 1,
        dtype: torch.dtype = torch.float32,
        weights: Tensor | None = None,
    ) -> None:
        self.x = x
        self.weights = weights
        self.generator = generator
        self.rank, self.world = rank, world
        self.dtype = dtype
        self.rows_per_step = batch_size * world

    def __len__(self) -> int:
        full, rest = divmod(len(self.x), self.rows_per_step)
        steps = full + (rest >= self.world)
        return -(-steps // STEPS_PER_BLOCK)

    def __iter__(self) -> Iterator[list[Batch]]:
        batches = self._indexed(self.x) if isinstance(self.x, Tensor) else self._streamed(self.x)
        while block := list(islice(batches, STEPS_PER_BLOCK)):
            yield block

    def _share(self, rows: Tensor) -> Tensor:
        """This process's rows of a batch; a remainder of fewer rows than processes is left out."""
        each = len(rows) // self.world
        return rows[self.rank * each : (self.rank + 1) * each]

    def _indexed(self, x: Tensor) -> Iterator[Batch]:
        order = torch.randperm(len(x), generator=self.generator).to(x.device)
        for rows in order.split(self.rows_per_step):
            mine = self._share(rows)
            if len(mine):
                yield x[mine], None if self.weights is None else self.weights[mine]

    def _streamed(self, rows: Rows) -> Iterator[Batch]:
        """Slices in random order, several shuffled together; the rest of them goes into the next chunk."""
        left = torch.empty(0, *rows.shape[1:], dtype=self.dtype)
        starts = torch.arange(0, len(rows), rows.block)
        slice_bytes = rows.block * int(np.prod(rows.shape[1:])) * self.dtype.itemsize
        together = max(2, _BUFFER // max(slice_bytes, 1))
        for these in starts[torch.randperm(len(starts), generator=self.generator)].split(together):
            # in one expression: the slices are freed before the chunk is shuffled
            chunk = torch.cat([left, *(as_tensor(rows[int(s) : int(s) + rows.block]) for s in these)]).to(self.dtype)
            chunk = chunk[torch.randperm(len(chunk), generator=self.generator)]
            full = len(chunk) // self.rows_per_step * self.rows_per_step
            for start in range(0, full, self.rows_per_step):
                yield self._share(chunk[start : start + self.rows_per_step]), None
            left = chunk[full:].clone()  # a view would keep the whole chunk in memory
        if len(self._share(left)):
            yield self._share(left), None
