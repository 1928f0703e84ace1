"""Maps whose measures are known by hand, in float64."""

import torch
from torch import Tensor, nn


def linear(matrix: Tensor | list) -> nn.Linear:
    """x -> A x."""
    matrix = torch.as_tensor(matrix, dtype=torch.float64)
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(matrix)
    return layer.eval()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


def rotation(size: int, seed: int = 2) -> Tensor:
    return torch.linalg.qr(gaussian(size, size, seed=seed))[0]


def layer(weight: list, bias: list) -> nn.Sequential:
    """sigmoid(W x + b)."""
    affine = nn.Linear(len(weight[0]), len(weight), dtype=torch.float64)
    with torch.no_grad():
        affine.weight.copy_(torch.tensor(weight, dtype=torch.float64))
        affine.bias.copy_(torch.tensor(bias, dtype=torch.float64))
    return nn.Sequential(affine, nn.Sigmoid()).eval()
