"""Recognise an encoder that is a chain of affine maps and elementwise activations.

Such an encoder has the Jacobian J = D_L W_L ... D_1 W_1 with D_l = diag(act'(a_l)). Recognition is by exact
module type: anything with hooks, an overridden `forward`, batch statistics or a type of its own is not a chain
and is left to autograd, which gives the same answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.modules import module as _global
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.parametrize import type_before_parametrizations
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext

from contractive.jacobian._layers import Activation, Affine, Center, Dense, activation_of, affine_of
from contractive.jacobian._shared import Encode

_DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)
_BN = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_NORM_OF = dict(zip((nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d), _BN, strict=True))
_HOOKS = ("forward_hooks", "forward_pre_hooks", "backward_hooks", "backward_pre_hooks")
_METHODS = ("forward", "_conv_forward", "_call_impl")  # which make up the call of a module
_GLOBAL_HOOKS, _OWN_HOOKS = ([f"{kind}_{name}" for name in _HOOKS] for kind in ("_global", ""))


@dataclass
class Layer:
    """reshape, then centring, then affine map, then (eval-mode) batch norm, then activation."""

    affine: Affine
    module: nn.Module
    reshapes: tuple[nn.Module, ...] = ()
    norm: nn.Module | None = None
    activation: Activation | None = None
    center: Center | None = None

    @property
    def is_curved(self) -> bool:
        """True where act'' is not zero almost everywhere."""
        return self.activation is not None and self.activation.curvature is not None

    @property
    def needs_both_sides(self) -> bool:
        """True where the gradient through the slope needs rows from before it (not where it can `bend`)."""
        return self.is_curved and self.activation is not None and self.activation.bend is None

    def parameters(self) -> tuple[Tensor, Tensor | None]:
        """Weight and bias as used, read once: parametrizations evaluated, batch norm and centring folded in."""
        weight: Any = self.module.weight
        bias: Any = self.module.bias
        if self.norm is not None:
            weight, bias = _fold(weight, bias, self.norm)
        if self.center is not None:  # W (x - mean) + b = W x + (b - W mean)
            shift = weight @ self.center.mean
            bias = -shift if bias is None else bias - shift
        return weight, bias


@dataclass(frozen=True)
class Chain:
    """The layers in the order of application; `reshapes` come after the last one."""

    layers: tuple[Layer, ...]
    reshapes: tuple[nn.Module, ...]

    def parameters(self) -> list[Tensor | None]:
        """(weight, bias) of each layer, flat."""
        return [tensor for layer in self.layers for tensor in layer.parameters()]

    @property
    def is_dense(self) -> bool:
        return all(isinstance(layer.affine, Dense) for layer in self.layers)


@dataclass
class Tape:
    """Intermediate results of one forward pass, per layer. Shapes are (batch, *features of that layer)."""

    layers: tuple[Layer, ...]
    weights: list[Tensor]
    inputs: list[Tensor]
    preactivations: list[Tensor | None]
    outputs: list[Tensor]
    slopes: list[Tensor | None]  # None where the activation is the identity; empty where they are not wanted

    def rows(self, start: int, stop: int) -> "Tape":
        """The same for examples start..stop."""
        if start == 0 and stop >= self.batch:
            return self
        fields = (self.inputs, self.preactivations, self.outputs, self.slopes)
        parts = ([t if t is None else t[start:stop] for t in field] for field in fields)
        return Tape(self.layers, self.weights, *parts)  # pyright: ignore

    def select(self, rows: Tensor | None) -> "Tape":
        """The same for examples of these numbers, with slopes; of the inputs, only shapes and types are right."""
        if rows is None:
            return self
        outputs = [t.index_select(0, rows) for t in self.outputs]
        preactivations = [t if t is None else t.index_select(0, rows) for t in self.preactivations]
        at = zip(self.layers, preactivations, outputs, strict=True)
        slopes = [layer.activation and layer.activation.slope(a, h) for layer, a, h in at]  # pyright: ignore
        return Tape(self.layers, self.weights, self.inputs, preactivations, outputs, slopes)

    @property
    def batch(self) -> int:
        return self.outputs[0].shape[0]

    @property
    def depth(self) -> int:
        return len(self.layers)

    def flat(self, layer: int, rows: Tensor, *, inputs: bool = False) -> Tensor:
        """Rows of any leading shape as a batch for one layer: at its preactivation, or among its inputs."""
        if rows.ndim == 2 and not (inputs and self.layers[layer].reshapes):
            return rows
        return reshaped(rows, (-1, *(self.inputs if inputs else self.outputs)[layer].shape[1:]))

    def pull(self, layer: int, rows: Tensor) -> Tensor:
        """W^T u for rows (*leading, *features) at the preactivation of a layer; results are at the one below it."""
        flat = self.flat(layer, rows)
        pulled = self.layers[layer].affine.pull(flat, self.weights[layer], self.inputs[layer].shape[1:])
        if flat is rows and not self.layers[layer].reshapes:
            return pulled
        leading = rows.shape[: rows.ndim - flat.ndim + 1]
        return reshaped(pulled, (*leading, *(self.outputs[layer - 1] if layer else self.inputs[0]).shape[1:]))

    def push(self, layer: int, rows: Tensor) -> Tensor:
        """W t for rows (*leading, *features) at the output of the layer below; results are at this preactivation."""
        flat = self.flat(layer, rows, inputs=True)
        pushed = self.layers[layer].affine.push(flat, self.weights[layer])
        if flat is rows:
            return pushed
        below = self.outputs[layer - 1] if layer else self.inputs[0]
        return reshaped(pushed, (*rows.shape[: rows.ndim - below.ndim + 1], *pushed.shape[1:]))


def reshaped(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Reshape only where it changes something: a call costs much beside a small net's products."""
    if tensor.ndim == len(shape) and tensor.shape[1:] == shape[1:]:
        return tensor
    return tensor.reshape(shape)


def recognise(f: object, x: Tensor) -> Chain | None:
    """The chain that `f` is for a batch of the rank of x, or None where it is not one."""
    f = eager(f)
    # whose rules an autograd.Function and in-place operations do not have, or which may replace single operations
    if is_transformed() or has_tangents() or _is_watched():
        return None
    if not isinstance(f, nn.Module) or any([getattr(_global, name) for name in _GLOBAL_HOOKS]):
        return None
    layers: list[Layer] = []
    reshapes: list[nn.Module] = []
    if not _take(f, layers, reshapes):
        return None
    rank = x.ndim
    for layer in layers:  # each must see rows of the rank that it treats as one example
        rank = _rank_after(layer.reshapes, rank)
        if rank != layer.affine.rank:
            return None
    whole = layers and not any(isinstance(module, Center) for module in reshapes)  # nothing to fold the last into
    return Chain(tuple(layers), tuple(reshapes)) if whole else None


def is_transformed() -> bool:
    """Return True inside torch.func.grad, vmap and the like."""
    return torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore


def _is_watched() -> bool:
    """Return True inside a mode that sees every operation, other than that of a default device."""
    if not torch._C._len_torch_function_stack():  # pyright: ignore
        return False
    return not all(isinstance(mode, DeviceContext) for mode in _get_current_function_mode_stack())


def has_tangents() -> bool:
    """Return True inside torch.autograd.forward_ad, which torch.func.jvp uses, too."""
    return forward_ad._current_level >= 0


def eager(f: Any) -> Any:
    """Return the map that is shared, and the module that torch.compile was given: it has no second derivative."""
    f = f.f if isinstance(f, Encode) else f
    inner = getattr(f, "_orig_mod", f)
    return f if inner is not f and _has_hooks(vars(f)) else inner


def record(
    chain: Chain, x: Tensor, parameters: Sequence[Tensor | None] | None = None, *, slopes: bool = True
) -> tuple[Tensor, Tape]:
    """Run the chain and keep what the Jacobian formulas need. Returns (code, tape)."""
    parameters = chain.parameters() if parameters is None else parameters
    tape = Tape(chain.layers, [weight for weight in parameters[::2] if weight is not None], [], [], [], [])
    h = x
    for layer, weight, bias in zip(chain.layers, tape.weights, parameters[1::2], strict=True):
        h = _reshape(layer.reshapes, h)
        a = layer.affine.apply(h, weight, bias)
        act = layer.activation
        tape.inputs.append(h)
        h = act.apply(a) if act else a
        tape.preactivations.append(a if act and act.keeps_input else None)
        if slopes:
            tape.slopes.append(act.slope(a, h) if act else None)
        tape.outputs.append(h)
    return _reshape(chain.reshapes, h), tape


def _take(module: nn.Module, layers: list[Layer], reshapes: list[nn.Module]) -> bool:
    """Add the leaves of nested Sequentials to the chain in order; False where one does not fit."""
    if is_altered(module):
        return False
    if type(module) is nn.Sequential:
        return all(_take(child, layers, reshapes) for child in vars(module)["_modules"].values())
    return _extend(layers, reshapes, module)


def is_altered(module: nn.Module) -> bool:
    """Return True if hooks or a replaced method, its own or of its class, make a module more than its type says."""
    own, kind = vars(module), type(module)
    if not own.keys().isdisjoint(_METHODS) or _has_hooks(own):
        return True
    return any([_is_replaced(kind, name, getattr(kind, name, None)) for name in _METHODS])


def _has_hooks(own: Mapping[str, Any]) -> bool:
    return any([own[name] for name in _OWN_HOOKS])


@lru_cache(maxsize=1024)  # asked for every layer in every step
def _is_replaced(kind: type[nn.Module], name: str, method: Any) -> bool:
    """Return True if a method was written in another file than the class it belongs to, whatever its names say."""
    home = next((base for base in kind.__mro__ if name in vars(base)), kind)
    return getattr(method, "__globals__", {}).get("__name__", home.__module__) != home.__module__


def _extend(layers: list[Layer], reshapes: list[nn.Module], module: nn.Module) -> bool:
    """Add one leaf to the chain; False where it does not fit."""
    parametrized = "parametrizations" in vars(module).get("_modules", ())  # a traced module has none there
    kind = type_before_parametrizations(module) if parametrized else type(module)
    if (affine := affine_of(kind, module)) is not None:
        last = reshapes[-1] if reshapes else None
        center = last if isinstance(last, Center) else None
        if center is not None:
            reshapes.pop()
        layers.append(Layer(affine, module, tuple(reshapes), center=center))
        reshapes.clear()
        return center is None or isinstance(affine, Dense)  # zero padding comes after centring
    if parametrized or any(isinstance(each, Center) for each in reshapes):
        return False
    if kind is Center:
        reshapes.append(module)
        return True
    if isinstance(module, nn.Flatten) and kind is nn.Flatten:
        reshapes.append(module)
        return module.start_dim >= 1
    if isinstance(module, nn.Unflatten) and kind is nn.Unflatten:
        reshapes.append(module)
        return isinstance(module.dim, int) and module.dim >= 1
    if kind is nn.Identity or (kind in _DROPOUTS and not module.training):
        return True
    if not layers or layers[-1].activation is not None:
        return False
    if (activation := activation_of(module)) is not None:
        layers[-1].activation = activation
        return not activation.by_unit or (isinstance(layers[-1].affine, Dense) and not reshapes)
    if not reshapes and layers[-1].norm is None and _can_fold(module, layers[-1].module):
        layers[-1].norm = module
        return True
    return False


def _can_fold(norm: nn.Module, affine: nn.Module) -> bool:
    """Return True if `norm` is a batch norm with fixed statistics that belongs behind this affine module."""
    if type(norm) is not _NORM_OF.get(type_before_parametrizations(affine)):
        return False
    weight = affine.weight
    assert isinstance(weight, Tensor)
    assert isinstance(norm, _BatchNorm)
    return not norm.training and norm.running_mean is not None and norm.num_features == len(weight)


def _fold(weight: Tensor, bias: Tensor | None, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Fold y = (x - mean) / sqrt(var + eps) * gamma + beta into the affine map before it."""
    assert isinstance(norm, _BatchNorm) and norm.running_mean is not None and norm.running_var is not None
    scale = torch.rsqrt(norm.running_var + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight
    shift = -norm.running_mean if bias is None else bias - norm.running_mean
    shift = shift * scale if norm.bias is None else shift * scale + norm.bias
    return weight * scale.reshape(-1, *(1,) * (weight.ndim - 1)), shift


def _rank_after(reshapes: tuple[nn.Module, ...], rank: int) -> int:
    for module in reshapes:
        if isinstance(module, nn.Flatten):
            end = module.end_dim if module.end_dim >= 0 else rank + module.end_dim
            rank -= max(end - module.start_dim, 0)
        elif isinstance(module, nn.Unflatten):
            rank += len(module.unflattened_size) - 1
    return rank


def _reshape(reshapes: tuple[nn.Module, ...], h: Tensor) -> Tensor:
    for module in reshapes:
        h = module(h)
    return h
