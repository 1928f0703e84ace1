"""Random numbers from a generator of any device, on the device of the data."""

import torch
from torch import Tensor

Generator = torch.Generator | None


def normal(shape: tuple[int, ...], like: Tensor, generator: Generator) -> Tensor:
    """Standard normal numbers."""
    return torch.randn(shape, generator=generator, dtype=like.dtype, device=_device(like, generator)).to(like.device)


def uniform(shape: tuple[int, ...], like: Tensor, generator: Generator) -> Tensor:
    """Numbers between 0 and 1."""
    return torch.rand(shape, generator=generator, dtype=like.dtype, device=_device(like, generator)).to(like.device)


def integers(high: int, shape: tuple[int, ...], like: Tensor, generator: Generator) -> Tensor:
    """Whole numbers from 0 to high - 1."""
    return torch.randint(high, shape, generator=generator, device=_device(like, generator)).to(like.device)


def directions(like: Tensor, generator: Generator) -> Tensor:
    """Isotropic unit directions, one per row, in the shape of `like`."""
    flat = normal((len(like), like[0].numel()), like, generator)
    return (flat / flat.norm(dim=1, keepdim=True)).view(like.shape)


def _device(like: Tensor, generator: Generator) -> torch.device:
    return generator.device if generator is not None else like.device
