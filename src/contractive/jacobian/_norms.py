"""The public functions: they check their arguments, take the chain formulas where they fit, and autograd elsewhere."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, get_args

import torch
from torch import Tensor

from contractive.core.errors import InvalidValue, check_choice
from contractive.core.randomness import rehearsing
from contractive.jacobian import _autograd
from contractive.jacobian._chain import Chain, recognise, record
from contractive.jacobian._exact import one_layer_and_difference
from contractive.jacobian._function import ChainNorm
from contractive.jacobian._held import BatchStatistics
from contractive.jacobian._linearise import linearise
from contractive.jacobian._outputs import in_parts, with_args
from contractive.jacobian._plan import MEMORY_BUDGET, METHODS, Method, Plan, Request, Shape, check_num_probes, choose
from contractive.jacobian._shared import Map, autocast_is_on, check_input, check_rows, remember, uncompiled, wide


@uncompiled
def value_and_squared_norm(
    f: Map,
    x: Tensor,
    *,
    method: Method = "auto",
    num_probes: int | None = None,
    generator: torch.Generator | None = None,
    memory_budget: int = MEMORY_BUDGET,
    rows: Tensor | None = None,
    batch_statistics: BatchStatistics = "refuse",
    args: tuple[Tensor, ...] = (),
) -> tuple[Tensor, Tensor]:
    """Compute f(x) and each example's squared Frobenius norm ||df/dx||_F^2 (Rifai et al., ICML 2011) in one pass.

    No factor 1/2, no mean over features. Differentiable once in the parameters of `f` and in `x`. A chain of affine
    maps and elementwise activations (`nn.Sequential`) takes closed forms without double backward; anything else goes
    through autograd. Derivations are in docs/mathematics.md.

    Args:
        f: Map whose row i depends on row i of `x` only. An `nn.Module` whose structure can be read is fastest.
        x: Points at which to differentiate, (batch, *features), floating point.
        method: `exact`; `probes`, the unbiased estimate mean_v ||v^T J||^2 over random code-side probe vectors
            (Hutchinson 1989; Hoffman et al. 2019); `forward_probes`, mean_u ||J u||^2 with probes u shared by eight
            examples, much noisier, and cheaper for a chain alone; `auto`, exact where the step costs about as much,
            else `probes` (`plan` tells).
        num_probes: Probe vectors per example, 1 if omitted. The variance falls at least as fast as 1 / num_probes.
        generator: Source of the probe vectors; torch's global one if omitted.
        memory_budget: Bytes for intermediate rows of an exact norm; larger batches are done in chunks.
        rows: Indices, without repeats, of the examples whose norm is wanted, (some,); all if omitted. The code is that
            of all examples.
        batch_statistics: `constant` takes a batch norm in training mode, with mean and variance held fixed in the
            derivative by x: what x_i adds to them, of the order 1 / batch, is left out of J_i. The gradient of the norm
            in the parameters is exact, through both.
        args: Further inputs of f, such as a condition: f(x, *args), each with one row for each of x. They go with
            the rows wherever a batch is split.

    Returns:
        The code f(x), and the norm (batch,) or (some,). Values of one call share their probes' signs: unbiased, not
        independent.

    Raises:
        TypeError: `x` or the code is not a floating-point tensor.
        ValueError: Unknown method, `num_probes` below 1, a batch norm in training mode that is not held constant, a
            code without one row per example or that does not depend on `x`.
        RuntimeError: Inference mode or `forward_ad`, where derivatives are lost.

    Examples:
        >>> encoder = torch.nn.Sequential(torch.nn.Linear(784, 1000), torch.nn.Sigmoid())
        >>> code, norm = value_and_squared_norm(encoder, torch.rand(128, 784))
        >>> code.shape, norm.shape
        (torch.Size([128, 1000]), torch.Size([128]))
    """
    request = _request(x, method, num_probes, generator, memory_budget, rows, batch_statistics)
    code, norm = _value_and_squared_norm(with_args(f, args, x), x, request)
    remember(f, x, code)
    return code, norm


def _value_and_squared_norm(f: Map, x: Tensor, request: Request) -> tuple[Tensor, Tensor]:
    chain = recognise(f, x)
    if chain is None:
        return _autograd.value_and_squared_norm(f, x, request)
    parameters = chain.parameters()
    if not torch.is_grad_enabled():  # without the work for gradients
        x, parameters = x.detach(), [None if tensor is None else tensor.detach() for tensor in parameters]
    x, full_precision = _full_precision(chain, x)
    with full_precision:
        if x.element_size() >= 4:
            return ChainNorm.apply(chain, request, x, *parameters)  # pyright: ignore[reportReturnType]
        tensors = [None if tensor is None else wide(tensor) for tensor in (x, *parameters)]
        code, norm = ChainNorm.apply(chain, request, *tensors)  # pyright: ignore
        return code.to(x.dtype), norm


def _full_precision(chain: Chain | None, x: Tensor) -> tuple[Tensor, AbstractContextManager[object]]:
    """Leave autocast: squares of small slopes need the full range, and the difference of two has few digits in half."""
    if not autocast_is_on(x.device.type):
        return x, nullcontext()
    weight = None if chain is None else chain.parameters()[0]
    x = wide(x) if weight is None else x.to(weight.dtype)  # x may come from a layer in half precision
    return x, torch.autocast(x.device.type, enabled=False)


def squared_norm(
    f: Map,
    x: Tensor,
    *,
    method: Method = "exact",
    num_probes: int | None = None,
    generator: torch.Generator | None = None,
    memory_budget: int = MEMORY_BUDGET,
    batch_statistics: BatchStatistics = "refuse",
    args: tuple[Tensor, ...] = (),
) -> Tensor:
    """Compute each example's squared Frobenius norm ||df/dx||_F^2, shape (batch,), exact unless `method` says not.

    For measuring; in training `value_and_squared_norm` saves a second encoder pass. Arguments and errors are the same.
    """
    options: Any = {"method": method, "num_probes": num_probes, "memory_budget": memory_budget, "args": args}
    return value_and_squared_norm(f, x, generator=generator, batch_statistics=batch_statistics, **options)[1]


@uncompiled
def value_norm_and_difference(
    f: Map,
    x: Tensor,
    *,
    sigma: float,
    copies: int = 4,
    method: Method = "auto",
    num_probes: int | None = None,
    generator: torch.Generator | None = None,
    rows: Tensor | None = None,
    args: tuple[Tensor, ...] = (),
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute f(x), ||J(x)||_F^2 and E_e ||J(x) - J(x + e)||_F^2, e ~ N(0, sigma^2 I), in one encoder pass.

    The two penalties of the higher-order contractive autoencoder (CAE+H, Rifai et al., ECML 2011), summed over
    entries and not divided by sigma^2. For one dense layer both are exact given the noise. For any other encoder
    `probes` (and `auto`) estimate both without bias, one probe serving x and its copies; `exact` takes every row.

    Args:
        f: As in `value_and_squared_norm`.
        x: Points, (batch, *features).
        sigma: Standard deviation of the noise, in the units of x.
        copies: Noisy copies per example. In the one-layer case eight neighbouring examples share their noise.
        method: `auto`, `exact` or `probes`.
        num_probes: Probe vectors per example, 1 if omitted.
        generator: Source of noise and probe vectors.
        rows: As in `value_and_squared_norm`.
        args: As in `value_and_squared_norm`.

    Returns:
        Code, norm (batch,) and the mean over copies of the squared difference (batch,).

    Raises:
        ValueError: `sigma` not above 0 and finite, `copies` below 1, `forward_probes`, half precision of anything but
            one dense layer; as `value_and_squared_norm`.
    """
    request = _request(x, method, num_probes, generator, MEMORY_BUDGET, rows)
    if not 0 < sigma < math.inf:
        raise InvalidValue("sigma", "be above 0 and finite", sigma, "It is the standard deviation of the noise.")
    if copies < 1:
        raise InvalidValue("copies", "be at least 1", copies, "The paper's idea needs a noisy copy.")
    if method == "forward_probes":
        raise InvalidValue("method", "be auto, exact or probes here", "'forward_probes'", "Choose 'probes'.")
    f = with_args(f, args, x)
    chain = recognise(f, x)
    x, full_precision = _full_precision(chain, x)
    with full_precision:
        if chain is not None and len(chain.layers) == 1 and chain.is_dense:
            if not chain.reshapes and not chain.layers[0].reshapes:
                return one_layer_and_difference(chain, x, sigma, copies, generator, rows)
        if x.element_size() < 4:  # nothing is left of the difference of two Jacobians
            remedy = "Convert x and the encoder with .float(), or train with autocast (bf16-mixed)."
            raise InvalidValue("x", "have single precision at least here", x.dtype, remedy)
        return _autograd.norm_and_difference(f, x, sigma, copies, request)


def jacobian(
    f: Map,
    x: Tensor,
    *,
    memory_budget: int = MEMORY_BUDGET,
    batch_statistics: BatchStatistics = "refuse",
    args: tuple[Tensor, ...] = (),
) -> Tensor:
    """Compute each example's Jacobian df/dx, shape (batch, code, features), both flattened.

    Differentiable in the parameters of `f`. Intermediate products keep to `memory_budget` bytes. Errors,
    `batch_statistics` and `args` are those of `value_and_squared_norm`.
    """
    return value_and_jacobian(f, x, memory_budget=memory_budget, batch_statistics=batch_statistics, args=args)[1]


def value_and_jacobian(
    f: Map,
    x: Tensor,
    *,
    memory_budget: int = MEMORY_BUDGET,
    batch_statistics: BatchStatistics = "refuse",
    args: tuple[Tensor, ...] = (),
) -> tuple[Tensor, Tensor]:
    """Compute f(x) and each example's Jacobian, as `jacobian` does, in one pass through `f`."""
    check_input(x)
    check_choice("batch_statistics", batch_statistics, get_args(BatchStatistics))
    f = with_args(f, args, x)
    chain = recognise(f, x)
    if chain is None or not chain.is_dense:
        return _autograd.value_and_jacobian(f, x, memory_budget, batch_statistics)
    rows = max(1, memory_budget // (dense_numbers(chain) * x.element_size()))
    parts = (dense_factors(chain, part) for part in x.split(rows))
    codes, matrices = zip(*((code, left @ first) for code, left, first in parts), strict=True)
    return torch.cat(codes), torch.cat(matrices)


def singular_values(
    f: Map, x: Tensor, k: int | None = None, *, memory_budget: int = MEMORY_BUDGET, args: tuple[Tensor, ...] = ()
) -> Tensor:
    """Compute each example's largest singular values of df/dx, descending, shape (batch, min(k, code, features)).

    The first is the operator norm; their squares sum to the squared Frobenius norm. Examples are done in chunks that
    keep to `memory_budget` bytes: `f` is given some rows of x where the whole batch needs more. For a dense chain with
    a wide input J is never formed: J = A W_1 has the singular values of A W_1 Q, W_1^T = Q R.

    Raises:
        ValueError: `k` below 1 (omitted: all), and as `value_and_squared_norm`.
    """
    check_input(x)
    if k is not None and k < 1:
        raise InvalidValue("k", "be at least 1", k, "Leave it out for all singular values.")
    f = with_args(f, args, x)
    numbers = max(3 * code_size(f, x) * x.shape[1:].numel(), dense_numbers(recognise(f, x)), 1)
    parts = in_parts(f, x, max(1, memory_budget // (numbers * x.element_size())))
    return torch.cat([torch.linalg.svdvals(reduced(of, part, k, memory_budget)[0])[:, :k] for of, part in parts])


def plan(
    f: Map,
    x: Tensor,
    *,
    method: Method = "auto",
    num_probes: int | None = None,
    batch_statistics: BatchStatistics = "refuse",
    args: tuple[Tensor, ...] = (),
) -> Plan:
    """Tell how `value_and_squared_norm` would compute the norm for this encoder and batch, and what each way costs.

    Statistics of a batch norm and random generators stay as they are.

    Examples:
        >>> encoder = torch.nn.Sequential(torch.nn.Linear(784, 1000), torch.nn.Sigmoid())
        >>> print(plan(encoder, torch.rand(128, 784)))
        closed form (exact)
    """
    request = _request(x, method, num_probes, None, MEMORY_BUDGET, None, batch_statistics)
    of, f = f, with_args(f, args, x)
    chain = recognise(f, x)
    if chain is None:
        with rehearsing(of):
            return _autograd.choose(_autograd.linearised(f, x, batch_statistics=batch_statistics).y, x, request)
    with torch.no_grad():
        return choose(Shape.of(record(chain, x)[1], len(x)), request.method, request.num_probes)


def _request(
    x: Tensor,
    method: Method,
    num_probes: int | None,
    generator: torch.Generator | None,
    memory_budget: int,
    rows: Tensor | None = None,
    batch_statistics: BatchStatistics = "refuse",
) -> Request:
    check_input(x)
    check_choice("batch_statistics", batch_statistics, get_args(BatchStatistics))
    check_choice("method", method, METHODS, "Choose 'exact' for the truth.")
    check_num_probes(num_probes, method)
    if memory_budget < 1:
        raise InvalidValue("memory_budget", "be a positive number of bytes", memory_budget, "Leave it out.")
    check_rows(rows, x, batch_statistics)
    return Request(method, num_probes or 1, generator, memory_budget, rows, batch_statistics)


@torch.no_grad()
def code_size(f: Map, x: Tensor) -> int:
    """Return the numbers of a code; a map that is no chain may hold a condition for each row, and needs all rows."""
    return linearise(f, x[:1] if recognise(f, x) is not None else x).value.shape[1:].numel()


def dense_numbers(chain: Chain | None) -> int:
    """Return how many numbers one example needs while J is multiplied out; 0 where it is no dense chain."""
    if chain is None or not chain.is_dense:
        return 0
    first, *others = (weight for weight in chain.parameters()[::2] if weight is not None)
    widest = max((weight.shape[1] for weight in others), default=len(first))
    return len([first, *others][-1]) * (2 * widest + first.shape[1])


def dense_factors(chain: Chain, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the code, A and W_1 with J = A W_1, A of shape (batch, code, units of the first layer)."""
    code, tape = record(chain, x)
    slopes = [None if slope is None else slope.flatten(1) for slope in tape.slopes]
    eye = torch.eye(code.shape[1:].numel(), dtype=x.dtype, device=x.device)
    # A = D_L W_L ... W_2 D_1, from the left
    rows = eye.expand(len(x), *eye.shape) if slopes[-1] is None else torch.diag_embed(slopes[-1])
    for weight, slope in zip(tape.weights[:0:-1], slopes[-2::-1], strict=True):
        rows = rows @ weight
        rows = rows if slope is None else rows * slope.unsqueeze(1)
    return code, rows, tape.weights[0]


def reduced(f: Map, x: Tensor, num: int | None, memory_budget: int = MEMORY_BUDGET) -> tuple[Tensor, Tensor | None]:
    """Return M and Q with J = M Q^T for its `num` largest singular values; Q is None for the identity."""
    chain = recognise(f, x)
    if chain is None or not chain.is_dense:
        return wide(jacobian(f, x, memory_budget=memory_budget)), None
    _, rows, first = map(wide, dense_factors(chain, x))
    units, features = first.shape
    if features <= units or units < (num or rows.shape[1]):
        return rows @ first, None
    # J = (A W_1 Q) Q^T with W_1^T = Q R and orthonormal columns of Q. The singular vectors of J lie in the span of Q:
    # the gradient is the same with Q held fixed, and that of Q itself does not exist where rows of W_1 are dependent
    basis = torch.linalg.qr(first.detach().T).Q
    return rows @ (first @ basis), basis  # the same singular values, with fewer columns
