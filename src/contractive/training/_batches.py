"""Batches by whole-batch indexing: no Python per example, no collation; of data in memory or read in slices."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

STEPS_PER_BLOCK = 16
_BUFFER = 2**27  # bytes of streamed rows that are shuffled together


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
    """A tensor, also of arrays with negative strides or a foreign byte order, which torch refuses."""
    if isinstance(values, np.ndarray) and (min(values.strides, default=0) < 0 or not values.dtype.isnative):
        values = values.astype(values.dtype.newbyteorder("="), order="C")
    return torch.as_tensor(values, dtype=dtype)


@dataclass(frozen=True)
class TrainingRows:
    """What a run learns from and is judged on.

    Attributes:
        train: Rows in memory, or read in slices.
        validation: Rows on which every epoch ends, or None.
        weights: One factor per row of data in memory, or None.
    """

    train: Tensor | Rows
    validation: Tensor | None
    weights: Tensor | None


@dataclass(frozen=True)
class Shard:
    """Which part of every batch this process takes: number `rank` of `world` equal parts."""

    rank: int = 0
    world: int = 1

    def part(self, rows: Tensor) -> Tensor:
        """This process's rows; a remainder of fewer than `world` rows is left out."""
        each = len(rows) // self.world
        return rows[self.rank * each : (self.rank + 1) * each]


Batch = tuple[Tensor, Tensor | None]


class Blocks:
    """Shuffled batches of rows, with their weights if they have any, sixteen to a block; the last may be smaller.

    A block is what Lightning calls a batch: its bookkeeping, which costs more than a step of a small net, is done once
    per block.

    Args:
        x: (examples, *features), or rows read in slices.
        batch_size: Rows per batch and process.
        generator: Source of the order.
        shard: This process's share of every batch.
        dtype: Of the batches.
        weights: One factor per row of data in memory, or None.
    """

    def __init__(
        self,
        x: Tensor | Rows,
        batch_size: int,
        generator: torch.Generator,
        shard: Shard = Shard(),
        dtype: torch.dtype = torch.float32,
        weights: Tensor | None = None,
    ) -> None:
        self.x = x
        self.weights = weights
        self.generator = generator
        self.shard = shard
        self.dtype = dtype
        self.rows_per_step = batch_size * shard.world

    def __len__(self) -> int:
        full, rest = divmod(len(self.x), self.rows_per_step)
        steps = full + (rest >= self.shard.world)
        return -(-steps // STEPS_PER_BLOCK)

    def __iter__(self) -> Iterator[list[Batch]]:
        batches = self._indexed(self.x) if isinstance(self.x, Tensor) else self._streamed(self.x)
        while block := list(islice(batches, STEPS_PER_BLOCK)):
            yield block

    def _indexed(self, x: Tensor) -> Iterator[Batch]:
        order = torch.randperm(len(x), generator=self.generator).to(x.device)
        for rows in order.split(self.rows_per_step):
            mine = self.shard.part(rows)
            if len(mine):
                yield x[mine], None if self.weights is None else self.weights[mine]

    def _streamed(self, rows: Rows) -> Iterator[Batch]:
        """Slices in random order, several shuffled together; what is left of them goes into the next lot."""
        left = torch.empty(0, *rows.shape[1:], dtype=self.dtype)
        for starts in self._lots(rows):
            # in one expression: the slices are gone before the lot is shuffled
            lot = torch.cat([left, *(as_tensor(rows[int(s) : int(s) + rows.block]) for s in starts)])
            lot = lot.to(self.dtype)
            lot = lot[torch.randperm(len(lot), generator=self.generator)]
            full = len(lot) // self.rows_per_step * self.rows_per_step
            for start in range(0, full, self.rows_per_step):
                yield self.shard.part(lot[start : start + self.rows_per_step]), None
            left = lot[full:].clone()
        if len(self.shard.part(left)):
            yield self.shard.part(left), None

    def _lots(self, rows: Rows) -> Iterator[Tensor]:
        starts = torch.arange(0, len(rows), rows.block)
        bytes_each = rows.block * int(np.prod(rows.shape[1:])) * self.dtype.itemsize
        together = max(2, _BUFFER // max(bytes_each, 1))
        yield from starts[torch.randperm(len(starts), generator=self.generator)].split(together)
