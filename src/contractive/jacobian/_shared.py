"""What all functions share: the map of a training step, which runs once, and the rules for x and its rows."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

from contractive.core.errors import InvalidType, InvalidValue

Map = Callable[[Tensor], Tensor]
F = TypeVar("F", bound=Callable[..., Any])


def uncompiled(function: F) -> F:
    """Run a function as it was written inside torch.compile, too, which has no second derivative and no such rules."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling():
            return torch.compiler.disable(function)(*args, **kwargs)
        return function(*args, **kwargs)

    return run  # pyright: ignore[reportReturnType]


class Encode:
    """A map during one training step, with the step's generator: called twice with the same input, it runs once.

    A code that was computed under `torch.no_grad` serves there alone: outside, its gradient is wanted.
    """

    def __init__(self, f: Map, generator: torch.Generator | None = None) -> None:
        self.f, self.generator = f, generator
        self._last: tuple[Tensor, Tensor, bool] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the code f(x), (batch, *code), of x (batch, *features)."""
        if self._last is None or self._last[0] is not x or (torch.is_grad_enabled() and not self._last[2]):
            self.remember(x, self.f(x))
        assert self._last is not None
        return self._last[1]

    def remember(self, x: Tensor, code: Tensor) -> None:
        """Take `code`, computed just now, for f(x) from now on."""
        if self._last is None or self._last[0] is not x or torch.is_grad_enabled() or not self._last[2]:
            self._last = (x, code, torch.is_grad_enabled())


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


def check_input(x: object) -> None:
    """Raise unless x is a batch of points at which something can be differentiated."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise InvalidType("x", "be a floating-point tensor", kind, "Convert it with .float() or torch.as_tensor.")
    if x.is_nested:
        raise InvalidType("x", "be a tensor with rows of one size", "a nested tensor", "Pad it.")
    if x.ndim < 2:
        remedy = "Use x.unsqueeze(0) for one example, x.unsqueeze(1) for examples of one number."
        raise InvalidValue("x", "have the shape (batch, *features)", tuple(x.shape), remedy)
    if torch.is_inference_mode_enabled() or x.is_inference():
        raise RuntimeError(
            "x must be a normal tensor outside torch.inference_mode(), got inference mode, where derivatives are lost."
            " Use torch.no_grad() instead, and x.clone() outside for a tensor made inside."
        )


def check_rows(rows: Any, x: Tensor, batch_statistics: str) -> None:
    """Raise unless these are numbers of different rows of x, or None for all."""
    if rows is None:
        return
    if batch_statistics == "constant":
        remedy = "The whole batch must pass f together."
        raise InvalidValue("rows", "be left out with batch_statistics 'constant'", "some", remedy)
    fits = isinstance(rows, Tensor) and rows.ndim == 1 and rows.dtype == torch.long
    if fits and rows.is_cpu and len(rows):  # an accelerator would have to wait for the answer
        numbers = rows.tolist()  # few, and every operation of torch that a step needs only here costs as much
        fits = min(numbers) >= 0 and max(numbers) < len(x) and len(set(numbers)) == len(numbers)
    if not fits:
        got = f"{rows.dtype} of shape {tuple(rows.shape)}" if isinstance(rows, Tensor) else type(rows).__name__
        rule = f"be different whole numbers from 0 to {len(x) - 1} in one tensor"
        raise InvalidValue("rows", rule, got, "Leave it out for all.")
