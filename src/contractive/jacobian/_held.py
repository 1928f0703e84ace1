"""Batch normalisation whose statistics are constants in derivatives by x, and nowhere else."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from contractive.jacobian._shared import wide

BatchStatistics = Literal["refuse", "constant"]


class Hold:
    """While it is entered, a backward pass takes the statistics that were computed with it for constants."""

    on = False

    def __enter__(self) -> None:
        self.on = True

    def __exit__(self, *error: object) -> None:
        self.on = False


class Held(torch.autograd.Function):
    """The identity, with no derivative while its `Hold` is entered."""

    @staticmethod
    def forward(ctx: Any, statistic: Tensor, hold: Hold) -> Tensor:
        ctx.hold = hold
        return statistic.view_as(statistic)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return None if ctx.hold.on else gradient, None


def batch_norm(hold: Hold, func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Tensor:
    """Compute `F.batch_norm` or `torch.batch_norm` in training, by operations that can be differentiated twice."""
    if func is torch.batch_norm:
        names = ("input", "weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
    else:
        names = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    call: dict[str, Any] = {"eps": 1e-5, "weight": None, "bias": None} | dict(zip(names, args, strict=False)) | kwargs
    with torch.no_grad():
        func(*args, **kwargs)  # for its checks, and to move the running statistics on
    x = call["input"]
    full = wide(x)
    shape = (1, -1, *(1,) * (x.ndim - 2))
    moments = torch.var_mean(full, (0, *range(2, x.ndim)), correction=0)
    variance, mean = (Held.apply(moment, hold).reshape(shape) for moment in moments)  # pyright: ignore
    y = (full - mean) * (variance + call["eps"]).rsqrt()
    y = y if call["weight"] is None else y * call["weight"].reshape(shape)
    y = y if call["bias"] is None else y + call["bias"].reshape(shape)
    return y.to(x.dtype)


CAN_BE_HELD = (F.batch_norm, torch.batch_norm)
