"""Products with the Jacobian of any map, and that map inside a transform of torch.func (grad, vmap, ...)."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from contractive.core.errors import InvalidValue
from contractive.jacobian._operations import Operations
from contractive.jacobian._shared import Map


def checked(what: str, vectors: Tensor, shape: torch.Size) -> Tensor:
    """Return the vectors if they are some for each row of x or of its codes, which have this shape."""
    if vectors.ndim != len(shape) + 1 or vectors.shape[:1] + vectors.shape[2:] != shape or vectors.shape[1] < 1:
        rule = f"have the shape ({shape[0]}, num, {', '.join(map(str, shape[1:]))})"
        raise InvalidValue(what, rule, tuple(vectors.shape), "One vector per example: unsqueeze(1).")
    return vectors


class Products(ABC):
    """The products of a `Linearisation` from those with the vectors in front."""

    x: Tensor
    y: Tensor

    @abstractmethod
    def rows(self, v: Tensor) -> Tensor:
        """v^T J for v of shape (rows, batch, *code) -> (rows, batch, *features)."""

    @abstractmethod
    def columns(self, u: Tensor) -> Tensor:
        """J u for u of shape (columns, batch, *features) -> (columns, batch, *code)."""

    def push(self, tangents: Tensor) -> Tensor:
        """`columns` for tangents (batch, columns, *features), as in `Linearisation`."""
        return self.columns(checked("tangents", tangents, self.x.shape).movedim(1, 0)).movedim(0, 1)

    def pull(self, cotangents: Tensor) -> Tensor:
        """`rows` for cotangents (batch, rows, *code), as in `Linearisation`."""
        return self.rows(checked("cotangents", cotangents, self.y.shape).movedim(1, 0)).movedim(0, 1)


class Transformed(Products):
    """f at x where torch.autograd cannot be called: by transforms nested in those that are at work."""

    keeps_graph = has_columns = True

    def __init__(self, f: Map, x: Tensor) -> None:
        def run(z: Tensor) -> Tensor:
            with Operations(columns=True), sdpa_kernel(SDPBackend.MATH):
                return f(z.clone())

        self.x = x
        made: Any = vjp(run, x)  # its pull-back v -> J^T v is differentiable by whatever transform is around
        self.y, self._pull = made[0], made[1]

    @property
    def value(self) -> Tensor:
        return self.y

    def rows(self, v: Tensor) -> Tensor:
        """v^T J, as in `Linearised`."""
        return vmap(lambda vector: self._pull(vector)[0])(v)

    def columns(self, u: Tensor) -> Tensor:
        """J u, the derivative of v^T J in v, as in `Linearised`."""
        # v -> J^T v is linear: its own pull-back is u -> J u, wherever it is taken
        adjoint: Any = vjp(lambda vector: self._pull(vector)[0], torch.ones_like(self.y))[1]
        return vmap(lambda vector: adjoint(vector)[0])(u)
