"""Principal components: a plane to look at codes in, and the directions along which data vary."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import all_equal, apply, check_count, check_rows, parts, spread_rows

Map = Callable[[Tensor], Tensor]
_MOST_ROWS = 4096  # for the decomposition where rows and columns are both many


@dataclass(frozen=True)
class PrincipalComponents:
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
    """Compute a linear map of the codes of x (rows, *features): PCA by singular value decomposition.

    Args:
        encode: Encoder f; `torch.nn.Identity()` maps the rows themselves.
        x: At least two rows.
        num_components: At most as many as the code has numbers.

    Raises:
        ValueError: Fewer than two rows, `num_components` below 1 or above what there is.
    """
    check_rows(x, 2)
    check_count("num_components", num_components)
    code = apply(encode, x)
    if num_components > min(code.shape):
        raise ValueError(
            f"num_components must be at most {min(code.shape)}, the smaller of rows and code, got {num_components}."
            " Take fewer."
        )
    mean, axes, variances, total = principal_axes(code)
    coordinates = (code - mean) @ axes[:num_components].T
    return PrincipalComponents(coordinates, variances[:num_components] / total, axes[:num_components], mean)


def principal_axes(rows: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(mean, axes, variances, total variance) of rows (rows, columns): axes (n, columns) descending by variance."""
    mean = torch.stack([part.double().sum(0) for part in _double_parts(rows)]).sum(0) / len(rows)
    mean = rows[0].double() if all_equal(rows) else mean  # not a rounded one, from which equal rows seem to differ
    squares = torch.stack([(part.double() - mean).square().sum() for part in _double_parts(rows)])
    if rows.shape[1] <= len(rows):
        variances, vectors = torch.linalg.eigh(_covariance(rows, mean))
        variances, axes = variances.flip(0).clamp_min(0), vectors.T.flip(0)
    else:
        some = spread_rows(rows, _MOST_ROWS).double() - mean
        _, values, axes = torch.linalg.svd(some, full_matrices=False)
        variances = values.square() / len(some)
    numbers = (mean, positive(axes), variances, squares.sum() / len(rows))
    mean, axes, variances, total = (number.to(rows.dtype) for number in numbers)
    return mean, axes, variances, total


def _covariance(rows: Tensor, mean: Tensor) -> Tensor:
    result = mean.new_zeros(len(mean), len(mean))
    for part in _double_parts(rows):
        centred = part.double() - mean
        result.addmm_(centred.T, centred)
    return result / len(rows)


def _double_parts(rows: Tensor) -> tuple[Tensor, ...]:
    """Parts that can be copied to float64, and once more centred."""
    return parts(rows, 6 * rows.shape[1])


def positive(vectors: Tensor) -> Tensor:
    """The vectors with their signs such that the entry of largest size is positive: a sign that is always the same."""
    largest = vectors.gather(-1, vectors.abs().argmax(-1, keepdim=True))
    return torch.where(largest < 0, -vectors, vectors)
