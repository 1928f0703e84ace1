"""What a layer of a chain is made of: an affine map, and an elementwise activation with its derivatives."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Up to so many numbers under a kernel, one product and a scatter are several times faster on a CPU than the library's
# transposed convolution: grey and colour images, that is.
_THIN = 32


@dataclass(frozen=True)
class Dense:
    """x -> L(x) + b of `nn.Linear`; weights are handed in, so that parametrized and folded ones are no special case."""

    rank = 2  # dimensions of a batch of inputs

    def apply(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """L(x) + b for a batch of rows."""
        return F.linear(x, weight, bias)

    def push(self, tangent: Tensor, weight: Tensor) -> Tensor:
        """L t for each row t."""
        return tangent @ weight.T

    def pull(self, cotangent: Tensor, weight: Tensor, shape: torch.Size) -> Tensor:
        """L^T u for each row u; `shape` is the trailing shape of the map's input."""
        return cotangent @ weight

    def weight_gradient(
        self, cotangent: Tensor, tangent: Tensor, weight: Tensor, into: Tensor | None, beta: float = 1.0
    ) -> Tensor:
        """Gradient of sum <u, L t> in the weight, added to beta times `into` (in place) where that is given."""
        return cotangent.T @ tangent if into is None else into.addmm_(cotangent.T, tangent, beta=beta)

    def multiplications(self, weight: Tensor, output: torch.Size) -> int:
        """Multiplications for one row whose output has the trailing shape `output`."""
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


Affine = Dense | Convolution


def affine_of(kind: type[nn.Module], module: Any) -> Affine | None:
    """The affine map of a module whose type (before parametrizations) is `kind`, or None."""
    if kind is nn.Linear:
        return Dense()
    if kind not in (nn.Conv1d, nn.Conv2d, nn.Conv3d) or module.padding_mode != "zeros":
        return None
    padding = module.padding
    if padding == "valid":
        padding = (0,) * len(module.stride)
    elif padding == "same":
        total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        if any(t % 2 for t in total):
            return None  # an even kernel pads unevenly
        padding = tuple(t // 2 for t in total)
    return Convolution(module.stride, padding, module.dilation, module.groups)


@dataclass(frozen=True)
class Activation:
    """An elementwise map h = act(a), its derivatives by what is cheapest to keep: the output, or else the input."""

    apply: Callable[[Tensor], Tensor]  # a -> h
    slope: Callable[[Tensor, Tensor], Tensor]  # (a, h) -> act'(a)
    curvature: Callable[[Tensor, Tensor, Tensor], Tensor] | None  # (a, h, slope) -> act''(a); None: zero
    keeps_input: bool  # whether any of them reads `a`; where not, `a` need not be stored
    # (y, a, h, slope) -> y act''(a) / act'(a), which saves keeping what stood before the slope; None where act' has
    # zeros with act'' not zero
    bend: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None = None
    backward: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None  # (y, a, h) -> y act'(a) in one operation
    by_unit: bool = False  # whether units differ, so that it must follow a dense layer at once

    def pull(self, y: Tensor, a: Tensor, h: Tensor) -> Tensor:
        """Return y act'(a), for which no slope need be kept."""
        return y * self.slope(a, h) if self.backward is None else self.backward(y, a, h)


def _normal_density(a: Tensor) -> Tensor:
    return torch.exp(-0.5 * a * a) / math.sqrt(2 * math.pi)


def _silu_curvature(a: Tensor) -> Tensor:
    p = torch.sigmoid(a)
    return p * (1 - p) * (2 + a * (1 - 2 * p))


_SIGMOID = Activation(
    torch.sigmoid,
    slope=lambda a, h: torch.addcmul(h, h, h, value=-1),
    curvature=lambda a, h, s: torch.addcmul(s, s, h, value=-2),
    keeps_input=False,
    bend=lambda y, a, h, s: torch.addcmul(y, y, h, value=-2),
    backward=lambda y, a, h: torch.ops.aten.sigmoid_backward(y, h),
)
_TANH = Activation(
    torch.tanh,
    slope=lambda a, h: 1 - h * h,
    curvature=lambda a, h, s: (h * s).mul_(-2),
    keeps_input=False,
    bend=lambda y, a, h, s: (y * h).mul_(-2),
    backward=lambda y, a, h: torch.ops.aten.tanh_backward(y, h),
)
_RELU = Activation(
    torch.relu,
    slope=lambda a, h: (h > 0).to(h.dtype),
    curvature=None,
    keeps_input=False,
    backward=lambda y, a, h: torch.ops.aten.threshold_backward(y, h, 0),
)
_HARDSIGMOID = Activation(F.hardsigmoid, lambda a, h: ((h > 0) & (h < 1)).to(h.dtype) / 6, None, keeps_input=False)
_SILU = Activation(
    F.silu,
    slope=lambda a, h: (p := torch.sigmoid(a)) * (1 + a * (1 - p)),
    curvature=lambda a, h, s: _silu_curvature(a),
    keeps_input=True,
    backward=lambda y, a, h: torch.ops.aten.silu_backward(y, a),
)
_GELU = Activation(
    F.gelu,
    slope=lambda a, h: torch.special.ndtr(a) + a * _normal_density(a),
    curvature=lambda a, h, s: _normal_density(a) * (2 - a * a),
    keeps_input=True,
    backward=lambda y, a, h: torch.ops.aten.gelu_backward(y, a),
)


def _leaky_relu(low: float) -> Activation:
    return Activation(
        lambda a: F.leaky_relu(a, low),
        slope=lambda a, h: torch.where(a > 0, 1.0, torch.full_like(a, low)),
        curvature=None,
        keeps_input=True,
    )


def _elu(alpha: float) -> Activation:
    return Activation(
        lambda a: F.elu(a, alpha),
        # not h + alpha, which has no digits left where h is near -alpha
        slope=lambda a, h: torch.where(a > 0, 1.0, alpha * torch.exp(a.clamp(max=0))),
        curvature=lambda a, h, s: torch.where(a > 0, 0.0, s),
        keeps_input=True,
        bend=lambda y, a, h, s: torch.where(a > 0, 0.0, y),
    )


def _softplus(beta: float, threshold: float) -> Activation:
    return Activation(
        lambda a: F.softplus(a, beta, threshold),
        # torch's own softplus is the identity beyond the threshold; so must be its derivative
        slope=lambda a, h: torch.where(a * beta > threshold, 1.0, torch.sigmoid(a * beta)),
        curvature=lambda a, h, s: beta * s * (1 - s),
        keeps_input=True,
        bend=lambda y, a, h, s: y * (1 - s).mul_(beta),
    )


class Center(nn.Module):
    """x -> x - mean, with a mean that is stored but not trained: centred inputs make a layer easier to train.

    Args:
        features: Numbers per example; the mean is 0 until training sets it.
    """

    mean: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to rows (batch, features)."""
        return x - self.mean


class PartlyLinear(nn.Module):
    """The identity for the first units of a layer, the SiLU for the others: a linear and a hidden layer side by side.

    Args:
        num_linear: Number of units that are left as they are.
    """

    def __init__(self, num_linear: int) -> None:
        super().__init__()
        self.num_linear = num_linear

    def forward(self, a: Tensor) -> Tensor:
        """Apply it to rows (batch, units), or to one row."""
        return torch.cat([a[..., : self.num_linear], F.silu(a[..., self.num_linear :])], -1)

    def extra_repr(self) -> str:
        return f"num_linear={self.num_linear}"


def _partly_linear(module: PartlyLinear) -> Activation:
    n = module.num_linear

    def joined(linear: float, a: Tensor, rest: Tensor) -> Tensor:
        return torch.cat([torch.full_like(a[:, :n], linear), rest], 1)

    return Activation(
        module.forward,
        slope=lambda a, h: joined(1.0, a, _SILU.slope(a[:, n:], h[:, n:])),
        curvature=lambda a, h, s: joined(0.0, a, _silu_curvature(a[:, n:])),
        keeps_input=True,
        by_unit=True,
    )


_KNOWN: dict[type[nn.Module], Callable[..., Activation | None]] = {
    nn.Sigmoid: lambda _: _SIGMOID,
    nn.Tanh: lambda _: _TANH,
    nn.ReLU: lambda _: _RELU,
    nn.Hardsigmoid: lambda _: _HARDSIGMOID,
    nn.LeakyReLU: lambda module: _leaky_relu(module.negative_slope),
    nn.ELU: lambda module: _elu(module.alpha),
    nn.Softplus: lambda module: _softplus(module.beta, module.threshold),
    nn.SiLU: lambda _: _SILU,
    PartlyLinear: _partly_linear,
    nn.GELU: lambda module: _GELU if module.approximate == "none" else None,  # the tanh form goes through autograd
}


def activation_of(module: nn.Module) -> Activation | None:
    """Return the derivatives of an activation module, or None where it is not known (subclasses are not)."""
    build = _KNOWN.get(type(module))
    return build(module) if build else None
