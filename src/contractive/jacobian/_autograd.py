"""Any differentiable encoder: rows and columns of its Jacobian through torch.autograd, in chunks, one forward pass."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import CheckpointError

from contractive.core.errors import InvalidType, InvalidValue
from contractive.core.randomness import draw, rehearsing
from contractive.jacobian._chain import eager, has_tangents, is_transformed
from contractive.jacobian._held import BatchStatistics, Held, Hold
from contractive.jacobian._operations import Inside, Operations, is_opaque, of_the_batch, repeatable
from contractive.jacobian._outputs import on_part
from contractive.jacobian._plan import PLAIN_STEP, Plan, Request
from contractive.jacobian._propagation import code_probes, input_probes
from contractive.jacobian._shared import Map, wide
from contractive.jacobian._transformed import Products, Transformed


def _detached() -> InvalidValue:
    return InvalidValue(
        "f",
        "be differentiable in x",
        "a code that does not depend on x through autograd",
        "Remove .detach(), torch.no_grad(), .numpy() or .item() from f.",
    )


class Linearised(Products):
    """f at x: its value, and products with its Jacobian, all on the graph of one forward pass."""

    def __init__(
        self, f: Map, x: Tensor, *, columns: bool = False, batch_statistics: BatchStatistics = "refuse"
    ) -> None:
        """Run f; `columns` that are to be differentiated need another form of its normalisation (see `Operations`)."""
        self._hold = Hold()
        f, self.keeps_graph = eager(f), torch.is_grad_enabled()
        seen = Operations(columns=columns, hold=self._hold if batch_statistics == "constant" else None)
        inside, scripted = Inside(), is_opaque(f)
        before = [(buffer, buffer.clone()) for buffer in f.buffers()] if scripted and isinstance(f, nn.Module) else []
        with ExitStack() as modes:
            # the faster kernels of attention have no second derivative, and TorchScript's own derivatives neither
            for mode in (torch.enable_grad(), seen, sdpa_kernel(SDPBackend.MATH), _uncompiled(f)):
                modes.enter_context(mode)
            for mode in (inside, torch.jit.optimized_execution(False)) if scripted else ():  # pyright: ignore[reportPrivateImportUsage]
                modes.enter_context(mode)
            # a tensor of its own: what else f makes of x (a closure, a hook) is no part of the derivative
            self.x = x.view_as(x) if x.requires_grad and self.keeps_graph else x.detach().requires_grad_()
            # a copy, since f may begin in place
            self.y = f(self.x.clone())
        if inside.batch:
            for buffer, value in before:
                buffer.copy_(value)
            raise of_the_batch()
        _check_code(self.y, x)
        self.normalised = seen.normalised or inside.normalised
        self.has_columns = not (inside.normalised or (seen.normalised and not columns))
        self._has_functions = self.keeps_graph and _has_functions(self.y)

    @property
    def value(self) -> Tensor:
        return self.y if self.keeps_graph else self.y.detach()

    def rows(self, v: Tensor) -> Tensor:
        """v^T J for v of shape (rows, batch, *code) -> (rows, batch, *features)."""
        return self._grad(self.y, self.x, v)

    def columns(self, u: Tensor) -> Tensor:
        """J u for u of shape (columns, batch, *features) -> (columns, batch, *code).

        v^T J is linear in v, so that its derivative in v along u is J u: no forward-mode formula is needed, and
        whatever f drew at random (dropout) stays as it was.
        """
        if self.keeps_graph and not self.has_columns:
            rule, got = (
                "call its normalisation from Python for products J u",
                "TorchScript with a layer or instance norm",
            )
            raise InvalidValue("f", rule, got, "Pass the module itself, or choose method 'exact' or 'probes'.")
        if not hasattr(self, "_adjoint"):
            with torch.enable_grad(), self._hold, _recomputing():
                # any v will do but 0, at which torch's formulas may have no derivative (logcumsumexp: NaN)
                self._dummy = torch.ones_like(self.y, requires_grad=True)
                (adjoint,) = torch.autograd.grad(self.y, self.x, self._dummy, create_graph=True, allow_unused=True)
            if adjoint is None:
                raise _detached()
            self._adjoint = adjoint
        return self._grad(self._adjoint, self._dummy, u)

    def _grad(self, outputs: Tensor, inputs: Tensor, vectors: Tensor) -> Tensor:
        def product(vector: Tensor, batched: bool) -> Tensor:
            with self._hold, _recomputing():
                (gradient,) = torch.autograd.grad(
                    outputs,
                    inputs,
                    vector,
                    retain_graph=True,
                    create_graph=self.keeps_graph,
                    is_grads_batched=batched,
                    allow_unused=True,
                )
            if gradient is None:
                raise _detached()
            return gradient

        if self._has_functions:
            # an operation that is differentiable only once then raises, instead of counting as a constant
            vectors = vectors if vectors.requires_grad else vectors.detach().requires_grad_()
            return torch.stack([product(vector, batched=False) for vector in vectors])
        if len(vectors) == 1:
            return product(vectors[0], batched=False).unsqueeze(0)
        try:
            return product(vectors, batched=True)
        except RuntimeError:
            # an operation without a batching rule (own autograd.Function, some kernels): one by one
            return torch.stack([product(vector, batched=False) for vector in vectors])


def linearised(
    f: Map, x: Tensor, *, columns: bool = False, batch_statistics: BatchStatistics = "refuse"
) -> "Linearised | Transformed":
    """Return `f` at `x`, by torch.autograd or inside a transform of torch.func by such transforms."""
    if not is_transformed():
        if has_tangents():
            raise RuntimeError("Tangents of torch.autograd.forward_ad do not pass jacobian's functions: use func.jvp.")
        return Linearised(f, x, columns=columns, batch_statistics=batch_statistics)
    at = Transformed(eager(f), x)
    _check_shape(at.y, x)
    return at


def on_rows(
    f: Map, x: Tensor, rows: Tensor | None, found: Callable[[Map, Tensor], tuple[Tensor, ...]]
) -> tuple[Tensor, ...]:
    """Return the code of all of x, and what `found` returns beside the code for some of its rows.

    These pass f in a call of their own, so that none passes it twice.
    """
    if rows is None:
        return found(f, x)
    if len(rows) == len(x):
        code, *values = found(on_part(f, rows), x.index_select(0, rows))
        return code.index_select(0, rows.argsort()), *values
    others = torch.ones(len(x), dtype=torch.bool, device=x.device).index_fill_(0, rows, False).nonzero().flatten()
    if not len(rows):  # of a batch that several processes share, all are in the parts of others
        return f(x), *[x.new_zeros(0)] * 2
    code, *values = found(on_part(f, rows), x.index_select(0, rows))
    with Operations(columns=False):
        rest = on_part(f, others)(x.index_select(0, others))
    return torch.cat([code, rest]).index_select(0, torch.cat([rows, others]).argsort()), *values


def value_and_squared_norm(f: Map, x: Tensor, request: Request) -> tuple[Tensor, Tensor]:
    """(f(x), squared norm per example) for any encoder."""
    code, norm, *_ = on_rows(f, x, request.rows, lambda f, part: _value_and_norm(f, part, request))
    return code, norm


def _value_and_norm(f: Map, x: Tensor, request: Request) -> tuple[Tensor, Tensor]:
    held = request.batch_statistics == "constant"  # f must run once, or running statistics would move on twice
    columns = held or request.method == "forward_probes"
    at = linearised(f, x, columns=columns, batch_statistics=request.batch_statistics)
    chosen = choose(at.y, x, request)
    if not len(x):
        return at.value, x.new_zeros(0)
    if chosen.exact:
        at, by_rows = _for_columns(f, x, at, chosen.path == "autograd exact rows")
        norm = sum(map(_squares, _blocks(at, request.memory_budget, by_rows)), x.new_zeros(len(x)))
    elif chosen.path == "autograd forward probes":
        u = input_probes(len(x), request.num_probes, x[:1].numel(), like=x, generator=request.generator)
        norm = _squares(at.columns(_probe_first(u, x))) / request.num_probes
    else:
        v = code_probes(len(x), request.num_probes, at.y[:1].numel(), like=at.y, generator=request.generator)
        norm = _squares(at.rows(_probe_first(v.unflatten(0, (len(x), -1)), at.y))) / request.num_probes
    return at.value, norm


def norm_and_difference(
    f: Map, x: Tensor, sigma: float, copies: int, request: Request
) -> tuple[Tensor, Tensor, Tensor]:
    """Return code, norm and mean over copies x' of the difference, by probe vectors v: E ||v^T (J(x) - J(x'))||^2."""
    code, norm, difference = on_rows(f, x, request.rows, lambda f, part: _with_copies(f, part, sigma, copies, request))
    return code, norm, difference


def _with_copies(f: Map, x: Tensor, sigma: float, copies: int, request: Request) -> tuple[Tensor, Tensor, Tensor]:
    noise = draw(torch.randn, (copies, *x.shape), like=x, generator=request.generator, axis=1).mul_(sigma)
    stacked = torch.cat([x.unsqueeze(0), x + noise]).flatten(0, 1)
    with repeatable(x):
        at = linearised(on_part(f, torch.arange(len(x), device=x.device).repeat(1 + copies)), stacked)
    code = at.value.unflatten(0, (1 + copies, len(x)))[0]
    size = code.shape[1:].numel()
    if request.method == "exact":
        v = torch.eye(size, dtype=code.dtype, device=code.device).expand(len(x), size, size)
    else:
        v = code_probes(len(x), request.num_probes, size, like=code, generator=request.generator)
        v = v.unflatten(0, (len(x), -1))
    squares = []
    for probe in v.unbind(1):
        row = at.rows(probe.reshape(1, *code.shape).repeat(1, 1 + copies, *(1,) * (code.ndim - 1)))[0]
        here, *there = row.unflatten(0, (1 + copies, len(x))).flatten(2)
        squares.append(torch.stack([here.square().sum(1), (here - torch.stack(there)).square().sum(2).mean(0)]))
    total = torch.stack(squares).sum(0)
    norm, difference = total if request.method == "exact" else total / request.num_probes
    return code, norm, difference


def value_and_jacobian(
    f: Map, x: Tensor, memory_budget: int, batch_statistics: BatchStatistics
) -> tuple[Tensor, Tensor]:
    """f(x), and the whole Jacobian, (batch, code, features)."""
    at = linearised(f, x, columns=batch_statistics == "constant", batch_statistics=batch_statistics)
    at, by_rows = _for_columns(f, x, at, at.y.shape[1:].numel() <= x.shape[1:].numel())
    blocks = [_flat(block) for block in _blocks(at, memory_budget, by_rows)]
    size = (at.y if by_rows else x)[:1].numel()
    stacked = torch.cat(blocks) if blocks else x.new_zeros(size, len(x), 0)
    return at.value, stacked.movedim(0, 1 if by_rows else 2)


def _for_columns(
    f: Map, x: Tensor, at: Linearised | Transformed, by_rows: bool
) -> tuple[Linearised | Transformed, bool]:
    """Return f at x as its columns need it, and whether to take rows in any case, as where TorchScript normalises."""
    if not (by_rows or at.has_columns) and at.keeps_graph:
        with rehearsing(eager(f)):  # running statistics have moved on already
            at = linearised(f, x, columns=True)
    return at, by_rows or not (at.has_columns or not at.keeps_graph)


def choose(y: Tensor, x: Tensor, request: Request) -> Plan:
    """Exact by rows or columns, whichever are fewer; `auto` is exact up to twice as many as there are probe vectors."""
    k, d = y.shape[1:].numel(), x.shape[1:].numel()
    passes = {
        "autograd exact rows": k,
        "autograd exact columns": d,
        "autograd code probes": request.num_probes,
        "autograd forward probes": request.num_probes,
    }
    exact = "autograd exact rows" if k <= d else "autograd exact columns"
    named = {"exact": exact, "probes": "autograd code probes", "forward_probes": "autograd forward probes"}
    automatic = exact if min(k, d) <= 2 * request.num_probes else "autograd code probes"
    path = named.get(request.method, automatic)
    return Plan(path, "exact" in path, False, MappingProxyType(passes), PLAIN_STEP)


def _blocks(at: Linearised | Transformed, memory_budget: int, by_rows: bool) -> Iterator[Tensor]:
    """All rows (or columns) of the Jacobian, as many at a time as the memory budget allows."""
    start, end = (at.y, at.x) if by_rows else (at.x, at.y)
    size, batch = start.shape[1:].numel(), len(start)
    per_vector = max(batch, 1) * (start.shape[1:].numel() + end.shape[1:].numel()) * start.element_size()
    chunk = max(1, memory_budget // max(4 * per_vector, 1))
    eye = torch.eye(size, dtype=start.dtype, device=start.device)
    for part in eye.split(chunk):
        vectors = part.unsqueeze(1).expand(-1, batch, -1).reshape(len(part), *start.shape)
        yield (at.rows if by_rows else at.columns)(vectors)


def _squares(products: Tensor) -> Tensor:
    """Sum of squares over everything but the batch, for products of shape (vectors, batch, ...)."""
    return _flat(wide(products)).square().sum((0, 2))


def _flat(products: Tensor) -> Tensor:
    """(vectors, batch, numbers), one number where a code is one without a dimension of its own."""
    return products.flatten(2) if products.ndim > 2 else products.unsqueeze(2)


def _probe_first(probes: Tensor, like: Tensor) -> Tensor:
    return probes.movedim(1, 0).reshape(probes.shape[1], *like.shape)


def _has_functions(y: Tensor) -> bool:
    """Return True if an autograd.Function of the user's is in the graph."""
    nodes, seen = [y.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, BackwardCFunction) and getattr(node, "_forward_cls", None) is not Held:
            return True
        if node is not None and node not in seen:
            seen.add(node)
            nodes += [following for following, _ in node.next_functions]
    return False


def _uncompiled(f: Any) -> AbstractContextManager[Any]:
    """Run the compiled parts of f as they were written: compiled ones have no second derivative."""
    parts = f.modules() if isinstance(f, nn.Module) else ()
    if any(hasattr(part, "_orig_mod") or getattr(part, "_compiled_call_impl", None) is not None for part in parts):
        return torch.compiler.set_stance("force_eager")
    return nullcontext()


@contextmanager
def _recomputing() -> Iterator[None]:
    """Say what to do where activation checkpointing recomputes something else than what ran."""
    try:
        yield
    except CheckpointError as error:
        raise RuntimeError(
            "f uses activation checkpointing, and what was recomputed is not what ran. Write `with"
            " contractive.jacobian.checkpointed():` around this call and backward()."
        ) from error


def _check_code(y: Any, x: Tensor) -> None:
    _check_shape(y, x)
    if not y.requires_grad:
        raise _detached()


def _check_shape(y: Any, x: Tensor) -> None:
    if not isinstance(y, Tensor):
        remedy = "Choose the code: jacobian.Output(f, 0) of a tuple, Output(f, 'key') of a dictionary or an object."
        raise InvalidType("f", "return one tensor", type(y).__name__, remedy)
    if y.ndim == 0 or len(y) != len(x):
        got = f"shape {tuple(y.shape)} for {len(x)} examples"
        raise InvalidValue("f", "return one row per example", got, "Keep the batch as the first dimension.")
    if not y.is_floating_point():
        raise InvalidType("f", "return floating-point numbers", y.dtype, "It has no derivative.")
