"""A map that several penalties of one training step share, so that it runs once."""

from collections.abc import Callable

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]


class Encode:
    """A map during one training step, with the step's generator: called twice with the same input, it runs once."""

    def __init__(self, f: Map, generator: torch.Generator | None = None) -> None:
        self.f, self.generator = f, generator
        self._last: tuple[Tensor, Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the code f(x), (batch, *code), of x (batch, *features)."""
        if self._last is None or self._last[0] is not x:
            self._last = (x, self.f(x))
        return self._last[1]

    def remember(self, x: Tensor, code: Tensor) -> None:
        """Take `code` for f(x) from now on."""
        self._last = (x, code)


def wide(numbers: Tensor) -> Tensor:
    """Return half precision as single: it has neither range nor digits for squares, and torch decomposes none."""
    return numbers.float() if numbers.element_size() < 4 else numbers


def autocast_is_on(device: str) -> bool:
    """Return True under autocast for that type of device; torch fails where it asks for tensors without numbers."""
    return device != "meta" and torch.is_autocast_enabled(device)


def remember(f: object, x: Tensor, code: Tensor) -> None:
    """Let a shared map know its code, which was computed together with its Jacobian."""
    if isinstance(f, Encode):
        f.remember(x, code)
