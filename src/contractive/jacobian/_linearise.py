"""Products with the Jacobian, J u and J^T v, for many vectors per example from one forward pass."""

from dataclasses import dataclass
from typing import Protocol, get_args

import torch
from torch import Tensor

from contractive.core.errors import check_choice
from contractive.jacobian._autograd import linearised
from contractive.jacobian._chain import Tape, recognise, record
from contractive.jacobian._held import BatchStatistics
from contractive.jacobian._outputs import with_args
from contractive.jacobian._propagation import scaled, spread
from contractive.jacobian._shared import Map, check_input, remember, uncompiled, wide
from contractive.jacobian._transformed import checked


class Linearisation(Protocol):
    """A map at the rows of some x: its value, and its derivative J as a linear map of each row."""

    @property
    def value(self) -> Tensor: ...  # f(x), (batch, *code)

    def push(self, tangents: Tensor) -> Tensor:
        """J u for tangents u of shape (batch, num, *features); the result is (batch, num, *code)."""
        ...

    def pull(self, cotangents: Tensor) -> Tensor:
        """J^T v for cotangents v of shape (batch, num, *code); the result is (batch, num, *features)."""
        ...


@uncompiled
def linearise(
    f: Map, x: Tensor, *, batch_statistics: BatchStatistics = "refuse", args: tuple[Tensor, ...] = ()
) -> Linearisation:
    """Run f once at x; the result has f(x) and the products J u and J^T v (see `Linearisation`).

    For a chain of affine maps and elementwise activations both products are plain passes through the layers,
    differentiable in parameters, x and vectors without a double backward, and in single precision if x has half.
    Any other map goes through autograd.

    Args:
        f: Map whose row i depends on row i of `x` only.
        x: Points, (batch, *features), floating point.
        batch_statistics: Of a batch norm in training mode, as in `value_and_squared_norm`.
        args: Further inputs of f, as in `value_and_squared_norm`.

    Raises:
        TypeError, ValueError: A map without a derivative in x, or with rows that depend on each other; vectors (later)
            of another shape than points or codes.

    Examples:
        >>> encoder = torch.nn.Sequential(torch.nn.Linear(5, 3), torch.nn.Sigmoid())
        >>> linearise(encoder, torch.rand(7, 5)).push(torch.rand(7, 2, 5)).shape
        torch.Size([7, 2, 3])
    """
    check_input(x)
    check_choice("batch_statistics", batch_statistics, get_args(BatchStatistics))
    f = with_args(f, args, x)
    chain = recognise(f, x)
    if chain is None:
        at = linearised(f, x, columns=True, batch_statistics=batch_statistics)
    else:
        parameters = [None if tensor is None else wide(tensor) for tensor in chain.parameters()]
        code, tape = record(chain, wide(x), parameters)
        at = _OfChain(code.to(x.dtype), tape, x.shape)
    remember(f, x, at.value)
    return at


@dataclass(frozen=True)
class _OfChain:
    """J = D_L W_L ... D_1 W_1, applied layer by layer."""

    value: Tensor
    tape: Tape
    shape: torch.Size

    def push(self, tangents: Tensor) -> Tensor:
        rows = wide(checked("tangents", tangents, self.shape)).reshape(
            *tangents.shape[:2], *self.tape.inputs[0].shape[1:]
        )
        for i, slope in enumerate(self.tape.slopes):  # t_l = D_l W_l t_(l-1), from the input to the code
            rows = scaled(self.tape.push(i, rows), spread(slope))
        return rows.reshape(*tangents.shape[:2], *self.value.shape[1:])

    def pull(self, cotangents: Tensor) -> Tensor:
        rows = wide(checked("cotangents", cotangents, self.value.shape))
        rows = rows.reshape(*cotangents.shape[:2], *self.tape.outputs[-1].shape[1:])
        for i, slope in reversed([*enumerate(self.tape.slopes)]):  # u_(l-1) = W_l^T D_l u_l, and back
            rows = self.tape.pull(i, scaled(rows, spread(slope)))
        return rows.reshape(*cotangents.shape[:2], *self.shape[1:])
