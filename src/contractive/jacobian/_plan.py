"""Which way to the squared norm of a chain: chosen by counting multiplications, and reported by `plan`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from contractive.core.errors import InvalidValue
from contractive.core.randomness import place_of_rows, rank_and_world
from contractive.jacobian._chain import Tape, reshaped
from contractive.jacobian._exact import ExactRows, OneLayer
from contractive.jacobian._held import BatchStatistics
from contractive.jacobian._layers import Dense
from contractive.jacobian._propagation import GROUP, CodeProbes, InputSide, Propagation, code_probes, group_probes

Method = Literal["auto", "exact", "probes", "forward_probes"]
METHODS: tuple[Method, ...] = get_args(Method)
METHODS_OF_NORMS: tuple[Method, ...] = ("auto", "exact", "probes")  # of all other norms
MEMORY_BUDGET = 2**28


def check_num_probes(num_probes: int | None, method: str) -> None:
    """Refuse a number below 1, and one beside the method that takes no probe vectors."""
    if num_probes is not None and num_probes < 1:
        raise InvalidValue("num_probes", "be at least 1", num_probes, "Leave it out for one probe vector per example.")
    if num_probes is not None and method == "exact":
        raise InvalidValue("num_probes", "be left out with method 'exact'", num_probes, "Use method 'probes'.")


_CACHED = 32  # examples whose rows a processor's cache holds: faster than the whole batch at once

# Passes of the encoder that a plain training step costs: it runs encoder and decoder forwards and backwards.
PLAIN_STEP = 5
_ABOUT_AS_MUCH = 1.1


@dataclass(frozen=True)
class Plan:
    """How the norm was, or would be, computed.

    The path is `closed form`, `exact rows`, `exact columns`, `code probes` or `forward probes`; on an encoder that is
    not a chain the same with `autograd` in front.
    """

    path: str
    exact: bool  # rather than an unbiased estimate
    gram: bool  # the widest product is replaced by the Gram matrix of the first weights
    multiplications: Mapping[str, int]  # of value and gradient for the batch, per path considered
    plain_step: int  # of a training step without penalty; on a path through autograd both are passes of an example

    def __reduce__(self) -> tuple[Any, ...]:
        return _plan, (self.path, self.exact, self.gram, dict(self.multiplications), self.plain_step)

    def __str__(self) -> str:
        kind = "exact" if self.exact else "unbiased estimate"
        return f"{self.path} ({kind}{', Gram form' if self.gram else ''})"


def _plan(path: str, exact: bool, gram: bool, multiplications: dict[str, int], plain_step: int) -> Plan:
    """Make a plan that was pickled or copied: a read-only view cannot be."""
    return Plan(path, exact, gram, MappingProxyType(multiplications), plain_step)


@dataclass(frozen=True)
class Request:
    """What the caller asked for."""

    method: Method = "auto"
    num_probes: int = 1
    generator: torch.Generator | None = None
    memory_budget: int = MEMORY_BUDGET
    rows: Tensor | None = None  # numbers of the examples whose norm is wanted; None for all
    batch_statistics: BatchStatistics = "refuse"


@dataclass(frozen=True)
class Shape:
    """The sizes the cost depends on: widths d, h_1, ..., k and the multiplications of each map for one example."""

    batch: int  # examples whose norm is wanted
    sizes: tuple[int, ...]
    macs: tuple[int, ...]
    dense_first: bool
    dense_last: bool
    whole: int  # examples of the plain step

    @staticmethod
    def of(tape: Tape, whole: int) -> "Shape":
        """Read the sizes off a forward pass."""
        sizes = (tape.inputs[0].shape[1:].numel(), *(output.shape[1:].numel() for output in tape.outputs))
        layers = zip(tape.layers, tape.weights, tape.outputs, strict=True)
        macs = tuple(layer.affine.multiplications(weight, output.shape[1:]) for layer, weight, output in layers)
        first, last = (isinstance(tape.layers[i].affine, Dense) for i in (0, -1))
        return Shape(tape.batch, sizes, macs, first, last, whole)

    def code_side(self, rows: int, exact: bool) -> tuple[int, bool]:
        """Multiplications from the code side, value and gradient, and True if the Gram form is the cheaper end."""
        # exact rows begin as D_L W_L, a row scaling, so that the last layer costs no product with the identity
        skip_last = exact and self.dense_last
        inner = sum(self.macs[1 : -1 if skip_last else None]) * self.batch * rows
        # value, gradient in the weights, gradient in the rows: three products of the same size at every layer
        direct = 3 * self.batch * rows * self.macs[0]
        first = self.sizes[1]
        # two products each, of which one is symmetric and done at five eighths
        gram = (13 * first * self.macs[0] + 13 * self.batch * rows * first * first) // 8
        use_gram = self.dense_first and gram < direct
        return 3 * inner + (gram if use_gram else direct), use_gram

    def input_side(self, columns: int, groups: int) -> int:
        """Multiplications of an input-side propagation, value and gradient."""
        # the first layer pushes one tangent per group of examples, every other layer one per example
        return 3 * columns * (groups * self.macs[0] + self.batch * sum(self.macs[1:]))


@lru_cache(maxsize=256)
def choose(shape: Shape, method: Method, num_probes: int) -> Plan:
    """The cheapest allowed path; `auto` takes an exact one where the whole step costs about as much."""
    rows, rows_gram = shape.code_side(shape.sizes[-1], exact=True)
    probes, probes_gram = shape.code_side(num_probes, exact=False)
    costs = {
        "exact rows": rows,
        "exact columns": shape.input_side(shape.sizes[0], groups=1),
        "code probes": probes,
        "forward probes": shape.input_side(num_probes, groups=-(-shape.batch // GROUP)),
    }
    if len(shape.macs) == 1:
        costs = {"closed form": 3 * shape.macs[0], **costs}
    exact = min((path for path in costs if "probes" not in path), key=costs.__getitem__)
    path = {"exact": exact, "probes": "code probes", "forward_probes": "forward probes"}.get(method)
    plain = PLAIN_STEP * sum(shape.macs) * shape.whole
    if path is None:
        # an estimate adds noise to every step, so exact values are taken for up to a tenth more of the whole step
        affordable = plain + costs[exact] <= _ABOUT_AS_MUCH * (plain + probes)
        path = exact if affordable else "code probes"
    gram = (path == "exact rows" and rows_gram) or (path == "code probes" and probes_gram)
    return Plan(path, "probes" not in path, gram, MappingProxyType(costs), plain)


def propagation_of(tape: Tape, whole: int, request: Request, *, differentiable: bool) -> Propagation:
    """Return the propagation of the chosen plan, with its probe vectors drawn, in a step of so many examples."""
    shape = Shape.of(tape, whole)
    world = rank_and_world()[1]
    if world > 1:  # by the rows of all processes, so that they choose as one would
        everywhere = replace(shape, batch=place_of_rows(shape.batch)[1], whole=whole * world)
    else:
        everywhere = shape
    plan = choose(everywhere, request.method, request.num_probes)
    x, code, batch = tape.inputs[0], tape.outputs[-1], max(tape.batch, 1)
    if plan.path == "closed form":
        return OneLayer()
    if plan.path == "exact rows":
        chunk = _chunk(shape, shape.sizes[-1], x, request.memory_budget)
        return ExactRows(plan.gram, min(chunk, _CACHED), ahead=differentiable)
    if plan.path == "exact columns":
        chunk = _chunk(shape, shape.sizes[0], x, request.memory_budget)
        basis = torch.eye(shape.sizes[0], dtype=x.dtype, device=x.device).reshape(1, -1, *x.shape[1:])
        return InputSide(basis, batch, 1.0, chunk, keep=chunk >= batch)
    count = request.num_probes
    if plan.path == "code probes":
        v = code_probes(tape.batch, count, shape.sizes[-1], like=code, generator=request.generator)
        return CodeProbes(reshaped(v, (len(v), *code.shape[1:])), count, plan.gram)
    u, offset = group_probes(tape.batch, count, shape.sizes[0], like=x, generator=request.generator)
    return InputSide(u.reshape(len(u), count, *x.shape[1:]), GROUP, 1 / count, batch, keep=True, offset=offset)


def _chunk(shape: Shape, rows: int, like: Tensor, budget: int) -> int:
    """Examples whose rows, at every layer, before and after the slope, fit into the memory budget."""
    per_example = rows * (2 * sum(shape.sizes[1:]) + shape.sizes[0]) * like.element_size()
    return max(1, min(max(shape.batch, 1), budget // max(per_example, 1)))
