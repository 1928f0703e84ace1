"""Products with the Jacobian, J u and J^T v, for many vectors per example from one forward pass."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from contractive.core.errors import InvalidValue
from contractive.jacobian._autograd import Linearised
from contractive.jacobian._chain import Chain, Map, Tape, recognise, record, weights_of
from contractive.jacobian._propagation import scaled, spread


class Linearisation(Protocol):
    """A map at the rows of some x: its value, and its derivative J as a linear map of each row."""

    @property
    def value(self) -> Tensor:
        """f(x), (batch, *code)."""
        ...

    def push(self, tangents: Tensor) -> Tensor:
        """J u for tangents u of shape (batch, num, *features); the result is (batch, num, *code)."""
        ...

    def pull(self, cotangents: Tensor) -> Tensor:
        """J^T v for cotangents v of shape (batch, num, *code); the result is (batch, num, *features)."""
        ...


def linearise(f: Map, x: Tensor) -> Linearisation:
    """Run f once at x; the result has f(x) and the products J u and J^T v (see `Linearisation`).

    For a chain of affine maps and elementwise activations both products are plain passes through the layers,
    differentiable in parameters, x and vectors without a double backward. Any other map goes through autograd.

    Args:
        f: Map whose row i depends on row i of `x` only.
        x: Points, (batch, *features), floating point.

    Raises:
        TypeError, ValueError: A map without a derivative in x, or with rows that depend on each other; vectors (later)
            of another shape than points or codes.

    Example:
        >>> encoder = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Sigmoid())
        >>> linearise(encoder, torch.rand(7, 5)).push(torch.rand(7, 2, 5)).shape
        torch.Size([7, 2, 3])
    """
    chain = recognise(f)
    if chain is None or not chain.fits(x):
        return _OfAnyMap(Linearised(f, x))
    parameters = chain.parameters()
    value, tape = record(chain, x, parameters)
    return _OfChain(chain, weights_of(parameters), tape, value, x.shape)


@dataclass(frozen=True)
class _OfChain:
    """J = D_L W_L ... D_1 W_1, applied layer by layer."""

    chain: Chain
    weights: list[Tensor]
    tape: Tape
    value: Tensor
    shape: torch.Size

    def push(self, tangents: Tensor) -> Tensor:
        _check("tangents", tangents, self.shape)
        rows = tangents
        for i, layer in enumerate(self.chain.layers):
            pushed = layer.affine.push(self._flat(rows, self.tape.inputs[i]), self.weights[i])
            rows = scaled(self._apart(pushed, tangents), spread(self.tape.slopes[i]))
        return rows.reshape(*tangents.shape[:2], *self.value.shape[1:])

    def pull(self, cotangents: Tensor) -> Tensor:
        _check("cotangents", cotangents, self.value.shape)
        rows = cotangents
        for i in range(len(self.weights) - 1, -1, -1):
            above = self._apart(self._flat(rows, self.tape.outputs[i]), cotangents)
            below = self._flat(scaled(above, spread(self.tape.slopes[i])), self.tape.outputs[i])
            rows = self.chain.layers[i].affine.pull(below, self.weights[i], self.tape.inputs[i].shape[1:])
        return rows.reshape(*cotangents.shape[:2], *self.shape[1:])

    def _flat(self, rows: Tensor, like: Tensor) -> Tensor:
        """(batch * num, *features of that layer)."""
        return rows.reshape(-1, *like.shape[1:])

    def _apart(self, rows: Tensor, like: Tensor) -> Tensor:
        """(batch, num, *features)."""
        return rows.reshape(*like.shape[:2], *rows.shape[1:])


@dataclass(frozen=True)
class _OfAnyMap:
    """The same by autograd, forward products by the derivative of v^T J in v."""

    at: Linearised

    @property
    def value(self) -> Tensor:
        return self.at.value

    def push(self, tangents: Tensor) -> Tensor:
        _check("tangents", tangents, self.at.x.shape)
        return self.at.columns(tangents.movedim(1, 0)).movedim(0, 1)

    def pull(self, cotangents: Tensor) -> Tensor:
        _check("cotangents", cotangents, self.at.y.shape)
        return self.at.rows(cotangents.movedim(1, 0)).movedim(0, 1)


def _check(what: str, vectors: Tensor, shape: torch.Size) -> None:
    if vectors.ndim != len(shape) + 1 or vectors.shape[:1] + vectors.shape[2:] != shape or vectors.shape[1] < 1:
        rule = f"({shape[0]}, num, {', '.join(map(str, shape[1:]))})"
        raise InvalidValue(
            what, f"have the shape {rule}", tuple(vectors.shape), "One vector per example: unsqueeze(1)."
        )
