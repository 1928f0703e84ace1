"""Geometry of rows in Euclidean space: principal components, and the nearest rows. In float64, in parts."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._rows import Map, all_equal, apply, check_rows, parts, spread_rows
from contractive.core.errors import InvalidValue
from contractive.core.results import Result

_MOST_ROWS = 4096  # for the decomposition where rows and columns are both many


@dataclass(frozen=True, repr=False)
class PrincipalComponents(Result):
    """Rows in the coordinates of their principal components.

    Attributes:
        coordinates: Centred rows along the components, (rows, components).
        explained: Share of the total variance along each component, (components,); NaN for rows that do not vary.
        axes: Unit directions, descending by variance, (components, columns); the largest entry of each is positive.
        mean: The centre, (columns,).
    """

    coordinates: Tensor
    explained: Tensor
    axes: Tensor
    mean: Tensor


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
