"""Encoders with several outputs: which of them is the code."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from contractive.core.errors import InvalidValue


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
