"""Run a module for a while and leave every part of it as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients meanwhile; parts that were frozen one by one stay as they were."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def rehearsing(module: nn.Module) -> Iterator[None]:
    """The modes as they are, and no trace: buffers (statistics of batch norms) and random generators are put back."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.random.fork_rng():
        try:
            yield
        finally:
            for name, buffer in module.named_buffers():
                buffer.copy_(buffers[name])
