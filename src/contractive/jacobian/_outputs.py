"""Encoders with several outputs, of which one is the code, or several inputs, of which the first is varied."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from contractive.core.errors import InvalidType, InvalidValue
from contractive.jacobian._chain import eager
from contractive.jacobian._shared import Map, check_input


class Output(nn.Module):
    """An encoder that returns a tuple, a dictionary or an object with fields, of which one is the code.

    It is taken by all functions here, and as the encoder of an autoencoder.

    Args:
        f: The encoder, a module or a function.
        name: Place in the tuple, key of the dictionary, or field, such as "last_hidden_state".
        keep: Whether `last` holds all that the last call returned, with its graph.

    Examples:
        >>> import torch
        >>> from contractive.jacobian import value_and_squared_norm
        >>> layers = torch.nn.ModuleDict({"mean": torch.nn.Linear(5, 2), "scale": torch.nn.Linear(5, 2)})
        >>> encoder = Output(lambda x: {name: layer(x) for name, layer in layers.items()}, "mean", keep=True)
        >>> code, norm = value_and_squared_norm(encoder, torch.rand(7, 5))
        >>> encoder.last["scale"].shape
        torch.Size([7, 2])
    """

    def __init__(self, f: Callable[..., Any], name: str | int, *, keep: bool = False) -> None:
        super().__init__()
        self.f, self.name, self.keep = f, name, keep
        self.last: Any = None

    def forward(self, *inputs: Any) -> Tensor:
        """Return the code."""
        outputs = self.f(*inputs)
        if self.keep:
            self.last = outputs
        known: dict[Any, Any] = {}
        if isinstance(outputs, Mapping):
            known = dict(outputs)
        elif isinstance(outputs, tuple | list) and isinstance(self.name, int):
            known = dict(enumerate(outputs))
        elif isinstance(self.name, str) and hasattr(outputs, self.name):
            return getattr(outputs, self.name)
        if self.name not in known:
            got = f"{self.name!r} of a {type(outputs).__name__}"
            rule = (
                f"be one of {', '.join(map(repr, known))}" if known else "be a place, a key or a field of the outputs"
            )
            raise InvalidValue("name", rule, got, "Look at what the encoder returns.")
        return known[self.name]


class _Given(nn.Module):
    """x -> f(x, *args) with one row of each further input for each row of x."""

    def __init__(self, f: Callable[..., Tensor], args: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.f, self.args = f, args

    def forward(self, x: Tensor) -> Tensor:
        return self.f(x, *self.args)


def with_args(f: Callable[..., Tensor], args: tuple[Tensor, ...], x: Tensor) -> Map:
    """Return f as a map of x alone, its further inputs fixed.

    Raises:
        InvalidValue: An input without one row for each row of x; an InvalidType for no tuple.
    """
    if isinstance(args, tuple) and not args:
        return f
    check_input(x)
    if not isinstance(args, tuple):
        raise InvalidType("args", "be a tuple", type(args).__name__, "Write args=(condition,).")
    for arg in args:
        if not isinstance(arg, Tensor) or arg.shape[:1] != x.shape[:1]:
            got = f"shape {tuple(arg.shape)}" if isinstance(arg, Tensor) else type(arg).__name__
            remedy = "What is the same for all rows belongs into a function: lambda x, y: encoder(x, y, value)."
            raise InvalidValue("args", f"be tensors of {len(x)} rows, as x", got, remedy)
    return _Given(eager(f), args)


def on_part(f: Map, rows: slice | Tensor) -> Map:
    """Return f as it is for these rows of x: its further inputs go with them."""
    return _Given(f.f, tuple(arg[rows] for arg in f.args)) if isinstance(f, _Given) else f


def in_parts(f: Map, x: Tensor, size: int) -> Iterator[tuple[Map, Tensor]]:
    """Yield f and x in parts of so many rows."""
    for start in range(0, max(len(x), 1), size):
        rows = slice(start, start + size)
        yield on_part(f, rows), x[rows]
