"""What is put in the place of single operations while an encoder runs that goes through autograd."""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from contractive.core.errors import InvalidValue
from contractive.jacobian._held import CAN_BE_HELD, Hold, batch_norm

_LOCK, _ENTERED, _STACK = threading.Lock(), [], ExitStack()  # of all threads within `checkpointed`


@contextmanager
def checkpointed() -> Iterator[None]:
    """Let activation checkpointing recompute what ran: put it around the call and `backward()`, or the whole of `fit`.

    What a checkpointed block recomputes in `backward()` must be what ran when the norm was computed. Its layer norms
    then run as group norms and its attention without the faster kernels, since these cannot be differentiated as often;
    so do those of all other threads.

    Examples:
        >>> from torch.utils.checkpoint import checkpoint
        >>> from contractive.jacobian import operator_norm
        >>> block = nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.Tanh())
        >>> with checkpointed():
        ...     found = operator_norm(lambda x: checkpoint(block, x, use_reentrant=False), torch.rand(7, 5))
        ...     found.norm.mean().backward()
    """
    # a backward pass leaves modes such as `Operations`, so that the functions themselves are exchanged
    with _LOCK:
        if not _ENTERED:
            _STACK.enter_context(_exchanged())
        _ENTERED.append(None)
    try:
        yield
    finally:
        with _LOCK:
            _ENTERED.pop()
            if not _ENTERED:  # the last of all threads
                _STACK.close()


@contextmanager
def _exchanged() -> Iterator[None]:
    functions: Any = F
    functions.layer_norm, functions.instance_norm = _layer_norm, _instance_norm
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        functions.layer_norm, functions.instance_norm = _LAYER_NORM, _INSTANCE_NORM


class Operations(TorchFunctionMode):
    """Refuse or hold statistics of the batch, and report normalisation, however deep in the encoder it is called.

    The gradient of a norm computed by columns is a third derivative. torch (2.13) takes mean and variance for constants
    in that of its layer norm and instance norm, silently; in that of its group norm it does not. With `columns` both
    run as group norms.
    """

    def __init__(self, *, columns: bool, hold: Hold | None = None) -> None:
        super().__init__()
        self.columns, self.hold, self.normalised = columns, hold, False
        self._counted: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = _name(func), kwargs or {}
        if name == "add_" and args[0].ndim == 0 and not args[0].is_floating_point():
            self._counted.append((args[0], args[0].clone()))  # batches that a batch norm has seen
        elif name in _BATCH_NORMS and _uses_batch(func, args, kwargs):
            if self.hold is not None and func in CAN_BE_HELD:
                return batch_norm(self.hold, func, args, kwargs)
            for counter, before in self._counted:
                counter.copy_(before)
            raise of_the_batch()
        elif name in _NORMS:
            self.normalised = True
            if self.columns:
                return _as_group_norm(func, name, args, kwargs)
        elif name in _ONCE:
            return _ONCE[name](*args, **kwargs)
        return func(*args, **kwargs)


class Inside(TorchDispatchMode):
    """Report the same of what TorchScript calls, where nothing can be put in its place."""

    batch = normalised = False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = _name(func), kwargs or {}
        if name in _BATCH_NORMS and _uses_batch(func, args, kwargs):
            # an instance norm arrives as a batch norm of one example
            self.batch, self.normalised = self.batch or len(args[0]) > 1, self.normalised or torch.is_grad_enabled()
        elif name in _NORMS:
            self.normalised = True
        with torch._C.DisableTorchFunction():  # it has come past `Operations`
            return func(*args, **kwargs)


def of_the_batch() -> InvalidValue:
    """Return the error for an encoder whose rows depend on each other."""
    got = "a BatchNorm that uses the statistics of the batch (training mode, or no running statistics)"
    remedy = "Call .eval() on it, use LayerNorm, or pass batch_statistics='constant' with the module itself."
    return InvalidValue("f", "treat every example on its own", got, remedy)


def is_opaque(f: Any) -> bool:
    """Return True if TorchScript may be inside, whose calls `Operations` does not see."""
    return not isinstance(f, nn.Module) or any(isinstance(module, torch.jit.ScriptModule) for module in f.modules())


@contextmanager
def repeatable(x: Tensor) -> Iterator[None]:
    """Refuse random numbers within: of x and its copies J(x) - J(x') would measure the different masks or noise."""

    def states() -> Iterator[Tensor]:
        yield torch.get_rng_state()
        if x.is_cuda:
            yield torch.cuda.get_rng_state(x.device)

    before = [*states()]
    yield
    if not all(map(torch.equal, before, states())):
        rule, got = (
            "be the same map for x and its noisy copies",
            "random numbers within, such as dropout's",
        )
        raise InvalidValue("f", rule, got, "Call .eval() on it, or leave it out of an encoder with such a penalty.")


def _name(func: Any) -> str:
    """Return the name of an operation of torch, of its functional module or of ATen (`layer_norm.default`)."""
    return getattr(func, "__name__", "").split(".")[0]


def _uses_batch(func: Any, args: Any, kwargs: Any) -> bool:
    place = 3 if "no_stats" in str(func) else 5
    return bool(kwargs.get("training", args[place] if len(args) > place else False))


def _as_group_norm(func: Any, name: str, args: Any, kwargs: Any) -> Any:
    if name == "instance_norm":
        return _instance_norm(*args, **kwargs) if func is _INSTANCE_NORM else _instance_norm(**_by_name(args, kwargs))
    kwargs = {key: value for key, value in kwargs.items() if key not in ("cudnn_enable", "cudnn_enabled")}
    normalised = _layer_norm(*args[:5], **kwargs)
    if name == "layer_norm":
        return normalised
    x, shape, *_, eps = _bound(_LAYER_NORM, args[:5], kwargs).values()  # the native one returns its statistics, too
    places = tuple(range(-len(shape), 0))
    variance, mean = torch.var_mean(x, places, correction=0, keepdim=True)
    return normalised, mean, (variance + eps).rsqrt()


def _by_name(args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the arguments of ATen's instance norm by the names that F.instance_norm has for them."""
    names = ("input", "weight", "bias", "running_mean", "running_var", "use_input_stats", "momentum", "eps")
    given = dict(zip(names, args, strict=False)) | kwargs
    return {name: value for name, value in given.items() if name in names}


def _layer_norm(*args: Any, **kwargs: Any) -> Tensor:
    """`F.layer_norm` as a group norm of one channel."""
    x, shape, weight, bias, eps = _bound(_LAYER_NORM, args, kwargs).values()
    if tuple(shape) != tuple(x.shape[x.ndim - len(shape) :]):
        return _LAYER_NORM(x, shape, weight, bias, eps)  # which says what is wrong
    size = math.prod(shape)
    rows = x.reshape(x.numel() // max(size, 1), 1, size)
    y = torch.group_norm(rows, 1, eps=eps).reshape(x.shape)
    z = y if weight is None else y * weight
    return (z if bias is None else z + bias).to(y.dtype)


def _instance_norm(*args: Any, **kwargs: Any) -> Tensor:
    """`F.instance_norm` as a group norm of one channel per group."""
    call = _bound(_INSTANCE_NORM, args, kwargs)
    if not call["use_input_stats"]:
        return _INSTANCE_NORM(**call)
    with torch.no_grad():
        _INSTANCE_NORM(**call)  # for its checks, and to move the running statistics on
    return torch.group_norm(call["input"], call["input"].shape[1], call["weight"], call["bias"], call["eps"])


def _hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    y = (input / 6 + 0.5).clamp(0, 1)
    return input.copy_(y) if inplace else y


def _cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """All distances by their definition, at 0 with the derivative 0 that torch's own has."""
    differences = x1.unsqueeze(-2) - x2.unsqueeze(-3)
    if p != 2:
        return torch.linalg.vector_norm(differences, p, dim=-1)
    squares = differences.square().sum(-1)
    apart = squares > 0
    return torch.where(apart, torch.where(apart, squares, 1).sqrt(), 0)


def _bound(func: Callable[..., Tensor], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    call = signature(func).bind(*args, **kwargs)
    call.apply_defaults()
    return call.arguments


_LAYER_NORM, _INSTANCE_NORM = F.layer_norm, F.instance_norm  # torch's own, whatever `checkpointed` exchanges
_NORMS = ("layer_norm", "native_layer_norm", "instance_norm")
_BATCH_NORMS = ("batch_norm", "native_batch_norm", "cudnn_batch_norm", "miopen_batch_norm", "_batch_norm_with_update")
_BATCH_NORMS += (
    "_native_batch_norm_legit",
    "_native_batch_norm_legit_functional",
    "_batch_norm_with_update_functional",
)
# what torch (2.13) can differentiate once only, by operations that it can differentiate again
_ONCE: dict[str, Callable[..., Tensor]] = {"hardsigmoid": _hardsigmoid, "cdist": _cdist}
