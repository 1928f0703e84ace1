"""What is put in the place of single operations while an encoder runs that goes through autograd."""

import math
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from contractive.core.errors import InvalidValue


class Operations(TorchFunctionMode):
    """Refuse statistics of the batch and differentiate normalisation rightly, however deep in the encoder it is called.

    The gradient of a norm computed by columns is a third derivative. torch (2.13) takes mean and variance for constants
    in that of its layer norm and instance norm, silently; in that of its group norm it does not.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        call = _INSTEAD[func] if func in _INSTEAD else func
        return call(*args, **(kwargs or {}))


class Repeatable(TorchFunctionMode):
    """Refuse dropout: x and its copies would get different masks, and J(x) - J(x') would measure these."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _DROPOUTS:
            call = _bound(func, args, kwargs)
            if call["training"] and call["p"] > 0:
                remedy = "Call .eval() on it, or leave it out of an encoder with a higher-order penalty."
                rule = "be the same map for x and its noisy copies"
                raise InvalidValue("f", rule, "dropout in training mode", remedy)
        return func(*args, **kwargs)


def _refusing(batch_norm: Callable[..., Tensor], names: Sequence[str]) -> Callable[..., Tensor]:
    def fixed(*args: Any, **kwargs: Any) -> Tensor:
        if {**dict(zip(names, args, strict=False)), **kwargs}.get("training", False):
            got = "a BatchNorm that uses the statistics of the batch (training mode, or no running statistics)"
            raise InvalidValue("f", "treat every example on its own", got, "Call .eval() on it, or use LayerNorm.")
        return batch_norm(*args, **kwargs)

    return fixed


def _layer_norm(*args: Any, **kwargs: Any) -> Tensor:
    """`F.layer_norm` as a group norm of one channel."""
    kwargs.pop("cudnn_enable", None)  # of torch.layer_norm
    x, shape, weight, bias, eps = _bound(F.layer_norm, args[:5], kwargs).values()
    if tuple(shape) != tuple(x.shape[x.ndim - len(shape) :]):
        return F.layer_norm(x, shape, weight, bias, eps)  # which says what is wrong
    size = math.prod(shape)
    rows = x.reshape(x.numel() // max(size, 1), 1, size)
    y = torch.group_norm(rows, 1, eps=eps).reshape(x.shape)
    z = y if weight is None else y * weight
    return (z if bias is None else z + bias).to(y.dtype)


def _instance_norm(*args: Any, **kwargs: Any) -> Tensor:
    """`F.instance_norm` as a group norm of one channel per group."""
    call = _bound(F.instance_norm, args, kwargs)
    if not call["use_input_stats"]:
        return F.instance_norm(**call)
    with torch.no_grad():
        F.instance_norm(**call)  # for its checks, and to move the running statistics on
    return torch.group_norm(call["input"], call["input"].shape[1], call["weight"], call["bias"], call["eps"])


def _bound(func: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    call = signature(func).bind(*args, **kwargs)
    call.apply_defaults()
    return call.arguments


_INSTEAD: dict[Any, Callable[..., Tensor]] = {
    torch.batch_norm: _refusing(
        torch.batch_norm, ("input", "weight", "bias", "running_mean", "running_var", "training")
    ),
    F.batch_norm: _refusing(F.batch_norm, ("input", "running_mean", "running_var", "weight", "bias", "training")),
    torch.layer_norm: _layer_norm,
    F.layer_norm: _layer_norm,
    F.instance_norm: _instance_norm,
}
_DROPOUTS = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout)
