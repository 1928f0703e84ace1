"""Affine maps as the chain formulas see them: apply, push a tangent, pull a cotangent, collect a weight gradient."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Up to so many numbers under a kernel, one product and a scatter are several times faster on a CPU than the library's
# transposed convolution: grey and colour images, that is.
_THIN = 32


class Affine(Protocol):
    """x -> L(x) + b with weights handed in, so that parametrized and folded weights need no special case."""

    @property
    def rank(self) -> int:
        """Dimensions of a batch of inputs."""
        ...

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """L(x) + b for a batch of rows."""
        ...

    def push(self, tangent: Tensor, weight: Tensor) -> Tensor:
        """L t for each row t."""
        ...

    def pull(self, cotangent: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        """L^T u for each row u; `shape` is the trailing shape of the map's input."""
        ...

    def weight_gradient(
        self, cotangent: Tensor, tangent: Tensor, weight: Tensor, into: Tensor | None, beta: float = 1.0
    ) -> Tensor:
        """Gradient of sum <u, L t> in the weight, added to beta times `into` (in place) where that is given."""
        ...

    def multiplications(self, weight: Tensor, output: torch.Size) -> int:
        """Multiplications for one row whose output has the trailing shape `output`."""
        ...


@dataclass(frozen=True)
class Dense:
    """The linear part of `nn.Linear`: rows are (n, features)."""

    @property
    def rank(self) -> int:
        return 2

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return F.linear(x, weight, bias)

    def push(self, tangent: Tensor, weight: Tensor) -> Tensor:
        return tangent @ weight.T

    def pull(self, cotangent: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        return cotangent @ weight

    def weight_gradient(
        self, cotangent: Tensor, tangent: Tensor, weight: Tensor, into: Tensor | None, beta: float = 1.0
    ) -> Tensor:
        return cotangent.T @ tangent if into is None else into.addmm_(cotangent.T, tangent, beta=beta)

    def multiplications(self, weight: Tensor, output: torch.Size) -> int:
        return weight.numel()


@dataclass(frozen=True)
class Convolution:
    """The linear part of `nn.Conv1d/2d/3d` with zero padding: rows are (n, channels, *space)."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def rank(self) -> int:
        return len(self.stride) + 2

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        still = (0,) * len(self.stride)
        return torch.convolution(x, weight, bias, self.stride, self.padding, self.dilation, False, still, self.groups)

    def push(self, tangent: Tensor, weight: Tensor) -> Tensor:
        return self.apply(tangent, weight, None)

    def pull(self, cotangent: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        if cotangent.is_cpu and self.groups == 1 and weight.ndim == 4 and weight[0].numel() <= _THIN:
            kernels = weight.flatten(1).T.expand(len(cotangent), -1, -1)
            patches = torch.bmm(kernels, cotangent.flatten(2))  # (n, channels * kernel, positions)
            return F.fold(patches, shape[1:], weight.shape[2:], self.dilation, self.padding, self.stride)
        like = cotangent.new_empty(1).expand(len(cotangent), *shape)  # only its shape is read
        return self._backward(cotangent, like, weight, [True, False, False])[0]

    def weight_gradient(
        self, cotangent: Tensor, tangent: Tensor, weight: Tensor, into: Tensor | None, beta: float = 1.0
    ) -> Tensor:
        gradient = self._backward(cotangent, tangent, weight, [False, True, False])[1]
        return gradient if into is None else gradient.add_(into, alpha=beta)

    def multiplications(self, weight: Tensor, output: torch.Size) -> int:
        return math.prod(output) * math.prod(weight.shape[1:])

    def _backward(self, cotangent: Tensor, x: Tensor, weight: Tensor, mask: list[bool]) -> tuple[Tensor, ...]:
        still = [0] * len(self.stride)
        return torch.ops.aten.convolution_backward(
            cotangent, x, weight, None, self.stride, self.padding, self.dilation, False, still, self.groups, mask
        )


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def affine_of(kind: type[nn.Module], module: nn.Module) -> Affine | None:
    """The affine map of a module whose type (before parametrizations) is `kind`, or None."""
    if kind is nn.Linear:
        return Dense()
    if kind in _CONVOLUTIONS:
        return _convolution_of(module)  # pyright: ignore[reportArgumentType]
    return None


def _convolution_of(module: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> Convolution | None:
    if module.padding_mode != "zeros":
        return None
    padding = module.padding
    if padding == "valid":
        padding = (0,) * len(module.stride)
    elif padding == "same":
        total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        if any(t % 2 for t in total):
            return None  # an even kernel pads unevenly
        padding = tuple(t // 2 for t in total)
    assert not isinstance(padding, str)
    return Convolution(module.stride, padding, module.dilation, module.groups)
