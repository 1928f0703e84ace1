"""What every analysis shares: rows evenly spaced and in bounded memory, data that are refused, and Euclidean geometry.

The docstring of `contractive.analysis` states these conventions for callers; the functions here are where they hold.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contractive.core.errors import InvalidType, InvalidValue, check_at_least
from contractive.core.randomness import draw
from contractive.core.results import Result
from contractive.jacobian import MEMORY_BUDGET

Map = Callable[[Tensor], Tensor]
Generator = torch.Generator | None
_ROWS_AT_ONCE = 4096
_MOST_ROWS = 4096  # for the decomposition where rows and columns are both many
_FLOAT32_COUNTS_TO = 2**24
_RANDOM_OR_BATCHED = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)


@torch.no_grad()
def apply(f: Map, x: Tensor) -> Tensor:
    """Return f(x) for the rows of x, flattened to (rows, numbers), in the mode the module is in."""
    if len(x) == 0:
        raise InvalidValue("x", "have at least one row", "none", "Pass some data.")
    return torch.cat([f(part).flatten(1) for part in x.split(_ROWS_AT_ONCE)])


def spread_rows(x: Tensor, count: int) -> Tensor:
    """Return at most `count` evenly spaced rows: data sorted by class must not leave one class only."""
    check_at_least("count", count, 1)
    if len(x) <= count:
        return x
    exact = torch.float64 if len(x) > _FLOAT32_COUNTS_TO else None  # else the last index would be rounded up
    return x[torch.linspace(0, len(x) - 1, count, dtype=exact, device=x.device).long()]


def parts(x: Tensor, numbers_per_row: int) -> tuple[Tensor, ...]:
    """Split the rows of x such that `numbers_per_row` for each row of a part fit the memory budget."""
    return x.split(max(1, MEMORY_BUDGET // max(numbers_per_row * x.element_size(), 1)))


def code_size(f: Map, x: Tensor) -> int:
    """Return k, the numbers per code."""
    return apply(f, x[:1]).shape[1]


def variance(rows: Tensor) -> float:
    """E||row - mean||^2 of rows (rows, columns): exactly 0 where all are equal, which a rounded mean would hide."""
    return 0.0 if all_equal(rows) else float((rows - rows.mean(0)).square().sum(1).mean())


def all_equal(rows: Tensor) -> bool:
    """Return true where all rows are the same numbers."""
    return bool((rows == rows[:1]).all())


def unit_directions(like: Tensor, generator: Generator) -> Tensor:
    """Draw isotropic unit directions, one per row, in the shape of `like`."""
    flat = draw(torch.randn, (len(like), like[0].numel()), like=like, generator=generator)
    return (flat / flat.norm(dim=1, keepdim=True)).view(like.shape)


def check_rows(x: Tensor, least: int, name: str = "x", **counts: int) -> None:
    """Refuse data that are not at least so many rows of finite floating-point numbers, and counts below 1.

    Nan and infinity would look like something else: rows that do not vary, noise without effect.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        got = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise InvalidType(name, "be a floating-point tensor", got, "Convert it with .float().")
    if x.ndim < 2:
        raise InvalidValue(name, "have the shape (rows, *features)", tuple(x.shape), "Use x.unsqueeze(0).")
    if len(x) < least:
        raise InvalidValue(name, f"have at least {least} rows", len(x), "Pass more data.")
    wrong = int((~x.isfinite().flatten(1).all(1)).sum())
    if wrong:
        got = f"nan or infinity in {wrong} of {len(x)} rows"
        raise InvalidValue(name, "be finite", got, "Leave these rows out or fill them.")
    for field, count in counts.items():
        check_at_least(field, count, 1)


def check_labels(labels: Tensor, x: Tensor) -> None:
    """Refuse labels that are not one per row."""
    if labels.shape != x.shape[:1]:
        got = f"shape {tuple(labels.shape)} for {len(x)} rows"
        raise InvalidValue("labels", "be one per row", got, "Use labels.flatten().")


def check_mode(f: Map) -> None:
    """Refuse a module whose dropout or batch norm is in training mode: it would not be the map that is used."""
    for part in f.modules() if isinstance(f, nn.Module) else ():
        if part.training and isinstance(part, _RANDOM_OR_BATCHED):
            got = f"a training {type(part).__name__}"
            raise InvalidValue("encode", "be in evaluation mode", got, "Call .eval() first.")


def equal_rows(x: Tensor) -> InvalidValue:
    """Return the error for data whose rows do not vary."""
    return InvalidValue("x", "vary", f"{len(x)} equal rows", "Pass rows that differ.")


@dataclass(frozen=True, repr=False)
class PrincipalComponents(Result):
    """Rows in the coordinates of their principal components."""

    coordinates: Tensor  # centred rows along the components, (rows, components)
    explained: Tensor  # share of the total variance along each component, (components,); NaN for rows that do not vary
    axes: Tensor  # unit directions, descending by variance, largest entry positive, (components, columns)
    mean: Tensor  # the centre, (columns,)


@torch.no_grad()
def principal_components(encode: Map, x: Tensor, num_components: int = 2) -> PrincipalComponents:
    """Compute the principal components of the codes of x, at least two rows, or of x itself with `nn.Identity()`."""
    check_rows(x, 2, num_components=num_components)
    code = apply(encode, x)
    if num_components > min(code.shape):
        rule = f"be at most {min(code.shape)}, the smaller of rows and code"
        raise InvalidValue("num_components", rule, num_components, "Take fewer.")
    mean, axes, variances, total = principal_axes(code)
    coordinates = (code - mean) @ axes[:num_components].T
    return PrincipalComponents(coordinates, variances[:num_components] / total, axes[:num_components], mean)


def principal_axes(rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return (mean, axes, variances, total variance) of rows (rows, columns): axes (n, columns) from the widest on."""
    chunks = parts(rows, 6 * rows.shape[1])  # each is copied to float64, and once more centred
    mean = torch.stack([part.double().sum(0) for part in chunks]).sum(0) / len(rows)
    mean = rows[0].double() if all_equal(rows) else mean  # not a rounded one, from which equal rows seem to differ
    total = torch.stack([(part.double() - mean).square().sum() for part in chunks]).sum() / len(rows)
    if rows.shape[1] <= len(rows):
        covariance = mean.new_zeros(len(mean), len(mean))
        for part in chunks:
            centred = part.double() - mean
            covariance.addmm_(centred.T, centred)
        variances, vectors = torch.linalg.eigh(covariance / len(rows))
        variances, axes = variances.flip(0).clamp_min(0), vectors.T.flip(0)
    else:  # the covariance would be larger than the rows; its eigenvalues are their squared singular values
        some = spread_rows(rows, _MOST_ROWS).double() - mean
        _, values, axes = torch.linalg.svd(some, full_matrices=False)
        variances = values.square() / len(some)
    dtype = rows.dtype
    return mean.to(dtype), positive(axes).to(dtype), variances.to(dtype), total.to(dtype)


def positive(vectors: Tensor) -> Tensor:
    """Return the vectors with signs such that the entry of largest size is positive: SVD leaves signs open."""
    largest = vectors.gather(-1, vectors.abs().argmax(-1, keepdim=True))
    return torch.where(largest < 0, -vectors, vectors)


def nearest(queries: Tensor, among: Tensor, count: int = 1, *, skip: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return (distances, indices) of the `count` nearest rows of `among`, nearest first, each (queries, count).

    `skip` has for each query the index of the row in `among` that does not count: itself.
    """
    found = []
    for start, squared in _squared_distances(queries, among):
        if skip is not None:
            squared.scatter_(1, skip[start : start + len(squared)].unsqueeze(1), torch.inf)
        values, indices = squared.topk(count, largest=False)
        found.append((values.sqrt(), indices))
    distances, indices = (torch.cat(column) for column in zip(*found, strict=True))
    return distances.to(queries.dtype), indices


def pairwise_distances(x: Tensor) -> Tensor:
    """Return the distances of all pairs of different rows, (rows * (rows - 1) / 2,)."""
    found = []
    for start, squared in _squared_distances(x, x):
        row = torch.arange(start, start + len(squared), device=x.device)
        later = torch.arange(len(x), device=x.device) > row.unsqueeze(1)
        found.append(squared[later].sqrt())
    return torch.cat(found).to(x.dtype)


def _squared_distances(queries: Tensor, among: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield (first query, squared distances) part by part.

    ||q - a||^2 = ||q||^2 - 2 q.a + ||a||^2 is one matrix product, but cancels for near rows: hence centred float64.
    """
    among = among.flatten(1).double()
    centre = among.mean(0)
    among = among - centre
    squares = among.square().sum(1)
    start = 0
    for part in parts(queries.flatten(1), 4 * len(among)):
        rows = part.double() - centre
        squared = rows.square().sum(1, keepdim=True) - 2 * rows @ among.T + squares
        yield start, squared.clamp_min(0)
        start += len(part)
