"""Batches of in-memory data by whole-batch indexing: no Python per example, no collation."""

from collections.abc import Iterator

import torch
from torch import Tensor

STEPS_PER_BLOCK = 16


class Blocks:
    """Shuffled batches of the rows of a tensor, sixteen to a block; the last one of an epoch may be smaller.

    A block is what Lightning calls a batch: its bookkeeping, which costs more than a step of a small net, is done once
    per block.

    Args:
        x: (examples, *features).
        batch_size: Rows per batch.
        generator: Source of the order.
    """

    def __init__(self, x: Tensor, batch_size: int, generator: torch.Generator) -> None:
        self.x = x
        self.batch_size = batch_size
        self.generator = generator

    def __len__(self) -> int:
        return -(-len(self.x) // (self.batch_size * STEPS_PER_BLOCK))

    def __iter__(self) -> Iterator[list[Tensor]]:
        order = torch.randperm(len(self.x), generator=self.generator)
        for block in order.to(self.x.device).split(self.batch_size * STEPS_PER_BLOCK):
            yield [self.x[rows] for rows in block.split(self.batch_size)]
