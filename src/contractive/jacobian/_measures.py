"""Norms of J, or of J M for directions M of the input, from products with J alone: one function for each norm."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from contractive.core.errors import InvalidValue, check_choice
from contractive.core.randomness import draw
from contractive.jacobian._autograd import on_rows
from contractive.jacobian._held import BatchStatistics
from contractive.jacobian._leading import first_direction
from contractive.jacobian._linearise import Linearisation, linearise
from contractive.jacobian._norms import value_and_squared_norm
from contractive.jacobian._outputs import with_args
from contractive.jacobian._plan import MEMORY_BUDGET, METHODS_OF_NORMS, check_num_probes
from contractive.jacobian._propagation import code_probes, input_probes
from contractive.jacobian._shared import Map, autocast_is_on, check_input, check_rows, remember, wide

Norm = Literal["squared", "largest", "entries", "distortion"]
NORMS: tuple[Norm, ...] = get_args(Norm)


@dataclass(frozen=True)
class _Along:
    """The Jacobian J M of t -> f(x + M t) at t = 0; the directions (batch or 1, num, features) are M^T."""

    at: Linearisation
    directions: Tensor
    shape: torch.Size  # of one example
    value: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", self.at.value)

    def push(self, tangents: Tensor) -> Tensor:
        return self.at.push((tangents @ self.directions).unflatten(2, self.shape))

    def pull(self, cotangents: Tensor) -> Tensor:
        return self.at.pull(cotangents).flatten(2) @ self.directions.mT


@dataclass(frozen=True)
class _Case:
    """A Jacobian, and how its norm is computed."""

    at: Linearisation
    shape: torch.Size  # of one input, on which `push` acts
    exact: bool
    num_probes: int
    generator: torch.Generator | None

    @property
    def code(self) -> int:
        return self.at.value.shape[1:].numel()

    def pulled(self, vectors: Tensor) -> Tensor:
        """v^T J for v (batch, num, code flattened), flattened, in single precision at least."""
        value = self.at.value
        return wide(self.at.pull(vectors.reshape(*vectors.shape[:2], *value.shape[1:]))).flatten(2)

    def pushed(self, vectors: Tensor) -> Tensor:
        """J u for u (batch, num, features flattened), flattened, (batch, num, code)."""
        pushed = wide(self.at.push(vectors.reshape(*vectors.shape[:2], *self.shape)))
        return pushed.reshape(*vectors.shape[:2], self.code)

    def units(self, size: int) -> tuple[Tensor, ...]:
        """The unit vectors of that size for every example, in blocks of bounded memory."""
        value = self.at.value
        eye = torch.eye(size, dtype=value.dtype, device=value.device)
        numbers = 4 * max(len(value), 1) * (self.code + self.shape.numel()) * value.element_size()
        blocks = eye.split(max(1, MEMORY_BUDGET // numbers))
        return tuple(block.expand(len(value), *block.shape) for block in blocks)

    def over_entries(self, each: Callable[[Tensor], Tensor]) -> Tensor:
        """Sum a function of the entries, by rows or by columns, whichever are fewer."""
        by_rows = self.code <= self.shape.numel()
        product, size = (self.pulled, self.code) if by_rows else (self.pushed, self.shape.numel())
        return torch.stack([each(product(block)).sum((1, 2)) for block in self.units(size)]).sum(0)


def _squared(case: _Case) -> Tensor:
    """sum_ij J_ij^2 = E ||v^T J||^2 for random signs v (Hoffman et al. 2019)."""
    if case.exact:
        return case.over_entries(torch.square)
    value, num = case.at.value, case.num_probes
    v = code_probes(len(value), num, case.code, like=value, generator=case.generator).unflatten(0, (-1, num))
    return case.pulled(v).square().sum((1, 2)) / num


def _largest(case: _Case) -> Tensor:
    """sigma_max^2 = ||J u||^2, u the leading right singular vector (Yoshida and Miyato 2017).

    u is found without a gradient and then a constant: the derivative of sigma_max is that of v^T J u.
    """
    u = first_direction(case.at, case.shape, tolerance=1e-8 if case.exact else 1e-4, generator=case.generator)
    return case.pushed(u.unsqueeze(1)).square().sum((1, 2))


def _entries(case: _Case) -> Tensor:
    """sum_ij |J_ij| (Farnik et al. 2025), estimated from the rows of units drawn at random for each example."""
    if case.exact:
        return case.over_entries(torch.abs)
    value, num = case.at.value, min(case.num_probes, case.code)
    order = draw(torch.rand, (len(value), case.code), like=value.float(), generator=case.generator).argsort(1)
    rows = torch.nn.functional.one_hot(order[:, :num], case.code).to(value.dtype)
    return case.pulled(rows).abs().sum((1, 2)) * (case.code / num)


def _distortion(case: _Case) -> Tensor:
    """||H / c - I||_F^2 with H = J^T J and c the batch mean of tr(H) / m: 0 where J is a scaled isometry everywhere.

    Its batch mean is m^2 E[tr H^2] / E[tr H]^2 - m, the relaxed distortion of Lee et al. (2022). Estimates take
    tr H = E ||J u||^2 and tr H^2 = E ||J^T J u||^2 for random signs u, without bias; their quotient has a bias of the
    order 1 / (batch * num_probes).
    """
    m, value = case.shape.numel(), case.at.value
    if case.exact:
        blocks, num = case.units(m), 1
    else:
        num = case.num_probes
        blocks = (input_probes(len(value), num, m, like=value, generator=case.generator),)
    trace = square = wide(value.new_zeros(len(value)))
    for block in blocks:
        pushed = case.pushed(block)
        trace = trace + pushed.square().sum((1, 2)) / num
        size = pushed.detach().abs().amax(2, keepdim=True)  # J^T J u has not the range of half precision where J has
        size = torch.where(size > 0, size, 1)
        square = square + (case.pulled(pushed / size) * size).square().sum((1, 2)) / num
    c = trace.mean() / m
    return square / c.square() - 2 * trace / c + m


_FUNCTIONS: dict[str, Callable[[_Case], Tensor]] = {
    "squared": _squared,
    "largest": _largest,
    "entries": _entries,
    "distortion": _distortion,
}


def value_and_norm(
    f: Map,
    x: Tensor,
    norm: Norm = "squared",
    *,
    directions: Tensor | None = None,
    method: str = "auto",
    num_probes: int | None = None,
    generator: torch.Generator | None = None,
    rows: Tensor | None = None,
    batch_statistics: BatchStatistics = "refuse",
    args: tuple[Tensor, ...] = (),
) -> tuple[Tensor, Tensor]:
    """Compute f(x) and one norm of each example's J, or of J M, in one pass.

    For a chain of affine maps and elementwise activations the products with J are passes through its layers.

    Args:
        f: Map whose row i depends on row i of `x` only.
        x: Points, (batch, *features), floating point.
        norm: `squared`, the squared Frobenius norm; `largest`, the squared largest singular value; `entries`, the sum
            of absolute entries (Farnik et al. 2025); `distortion`, the relaxed distortion per example (Lee et al.
            2022), which is 0 where J is the same multiple of an isometry at all rows of the batch.
        directions: Columns of M, (num, *features) for all examples or (batch, num, *features): rows of a diagonal
            matrix weight the features, unit vectors choose some, tangents make it tangent propagation (Simard et al.
            1992). All of the input if omitted.
        method: `exact`; `probes`, an estimate; `auto`, for the squared norm as in `value_and_squared_norm`, else exact
            where code or input have up to twice as many numbers as there are probe vectors. With `largest`, exact is a
            relative 1e-8, any other 1e-4.
        num_probes: Probe vectors, or rows of J, per example; 1 if omitted.
        generator: Their source; torch's global one if omitted.
        rows: Indices, without repeats, of the examples whose norm is wanted; all if omitted.
        batch_statistics: As in `value_and_squared_norm`.
        args: As in `value_and_squared_norm`.

    Returns:
        The code f(x), and the norm (batch,), or (some,) for `rows`.

    Raises:
        InvalidValue: Another norm or method, directions of another shape, and as `value_and_squared_norm`.
    """
    check_choice("norm", norm, NORMS)
    check_choice("method", method, METHODS_OF_NORMS, "Leave it out for auto.")
    if norm == "squared" and directions is None:
        options: Any = {"method": method, "num_probes": num_probes, "rows": rows, "args": args}
        return value_and_squared_norm(f, x, **options, generator=generator, batch_statistics=batch_statistics)
    check_num_probes(num_probes, method)
    check_input(x)
    f = with_args(f, args, x)
    check_rows(rows, x, batch_statistics)
    if autocast_is_on(x.device.type):
        with torch.autocast(x.device.type, enabled=False):  # squares of small slopes need the full range
            options = {"directions": directions, "method": method, "num_probes": num_probes, "rows": rows}
            options |= {"generator": generator, "batch_statistics": batch_statistics}
            return value_and_norm(f, x.float(), norm, **options)
    of = None if directions is None else _checked(directions, x)
    if of is not None and rows is not None and len(of) > 1:
        of = of.index_select(0, rows)

    def found(f: Map, part: Tensor) -> tuple[Tensor, Tensor]:
        at = linearise(f, part, batch_statistics=batch_statistics)
        shape = part.shape[1:]
        if of is not None:
            at, shape = _Along(at, of, shape), of.shape[1:2]
        num = num_probes or 1
        few = min(at.value.shape[1:].numel(), shape.numel()) <= 2 * num
        exact = method == "exact" or (method == "auto" and few)
        return at.value, _FUNCTIONS[norm](_Case(at, shape, exact, num, generator))

    code, values, *_ = on_rows(f, x, rows, found)
    remember(f, x, code)
    return code, values


def _checked(directions: Tensor, x: Tensor) -> Tensor:
    """Return the directions as (batch or 1, num, features)."""
    flat = directions.unsqueeze(0) if directions.ndim == x.ndim else directions
    if flat.shape[2:] != x.shape[1:] or flat.ndim != x.ndim + 1 or len(flat) not in (1, len(x)) or not flat.shape[1]:
        features = ", ".join(map(str, x.shape[1:]))
        rule = f"have the shape (num, {features}) or ({len(x)}, num, {features})"
        raise InvalidValue("directions", rule, tuple(directions.shape), "Each is one change of the input.")
    return flat.flatten(2).to(x)
