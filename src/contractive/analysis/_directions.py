"""Along which directions of the data the code changes: those that vary, or those that are noise.

Notation: u_1, u_2, ... are the principal directions of the data, unit vectors descending by variance.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._geometry import principal_axes
from contractive.analysis._rows import Map, check_labels, check_rows, code_size, equal_rows, parts, spread_rows
from contractive.core.results import TableResult
from contractive.jacobian import jacobian, squared_norm

_LEADING = 0.5  # of the directions asked for: the first ones; the others lie evenly over the rest
_VARIES = 1e-9  # of the largest variance


@dataclass(frozen=True, repr=False)
class Directions(TableResult):
    """Sensitivity of the code along the principal directions of the data.

    Attributes:
        index: Which principal direction, from 0, descending by variance, (directions,).
        variances: Variance of the data along each, in squared units of x, (directions,).
        squared_sensitivities: E||J u||^2 over points, (directions,).
        axes: The unit directions u, (directions, features).
        isotropic: E||J||_F^2 / d, what a random direction has on average.
    """

    index: Tensor
    variances: Tensor
    squared_sensitivities: Tensor
    axes: Tensor
    isotropic: float
    _table = ("index", "variances", "squared_sensitivities")

    @property
    def rank_correlation(self) -> float:
        """Spearman's correlation of variance and sensitivity: 1 where the code follows most what varies most."""
        one, other = _ranks(self.variances), _ranks(self.squared_sensitivities)
        one, other = one - one.mean(), other - other.mean()
        size = one.norm() * other.norm()
        return float((one * other).sum() / size) if size > 0 else float("nan")


@torch.no_grad()
def directions(encode: Map, x: Tensor, *, num_directions: int = 100, num_points: int = 500) -> Directions:
    """Compare the variance of the data along their principal directions u with E||J u||^2.

    Args:
        encode: Encoder f.
        x: At least two rows, not all equal; the directions come from all of them.
        num_directions: Directions: the leading half of them, and as many evenly spaced over the others. Only
            directions in which the data vary at all count.
        num_points: Rows for the Jacobian.
    """
    check_rows(x, 2, num_directions=num_directions, num_points=num_points)
    _, axes, variances, total = principal_axes(x.flatten(1))
    if not total > 0:
        raise equal_rows(x)
    index = _chosen(int((variances > _VARIES * variances[0]).sum()), num_directions).to(x.device)
    rows = spread_rows(x, num_points)
    squares = squared_products(encode, rows, axes[index]).mean(0)
    # E||J u||^2 over isotropic unit u is ||J||_F^2 / d, since E u u^T = I / d
    isotropic = float(squared_norm(encode, rows).mean()) / x[0].numel()
    return Directions(index, variances[index], squares, axes[index], isotropic)


def directions_by_class(
    encode: Map, x: Tensor, labels: Tensor, *, num_directions: int = 100, num_points: int = 500
) -> dict[int, Directions]:
    """Compute `directions` for the rows of each class, by label: principal directions, variances and points its own."""
    check_labels(labels, x)
    options = {"num_directions": num_directions, "num_points": num_points}
    return {int(label): directions(encode, x[labels == label], **options) for label in labels.unique()}


def squared_products(encode: Map, x: Tensor, axes: Tensor) -> Tensor:
    """||J(x) u||^2 for every row of x and of `axes` (directions, features), shape (rows, directions)."""
    per_row = 3 * (code_size(encode, x) + 1) * len(axes) + x[0].numel()
    return torch.cat([products(encode, part, axes).square().sum(1) for part in parts(x, per_row)])


def products(encode: Map, x: Tensor, axes: Tensor) -> Tensor:
    """J(x) U^T for the rows u of `axes` (directions, features), shape (rows, code, directions).

    They are the Jacobian of t -> f(x + t_1 u_1 + ... + t_m u_m) at t = 0: exact, and no Jacobian of all features is
    formed.
    """

    def along(t: Tensor) -> Tensor:
        return encode((x.flatten(1) + t @ axes).view_as(x))

    return jacobian(along, x.new_zeros(len(x), len(axes)))


def _chosen(available: int, count: int) -> Tensor:
    """Return indices of directions: the leading ones, then evenly over the others."""
    if available <= count:
        return torch.arange(available)
    leading = max(1, round(_LEADING * count))
    rest = torch.linspace(leading, available - 1, count - leading) if count > leading else torch.zeros(0)
    return torch.cat([torch.arange(leading), rest.round().long()])


def _ranks(values: Tensor) -> Tensor:
    """Return ranks from 0; equal values share the mean of theirs."""
    _, inverse, counts = values.double().unique(return_inverse=True, return_counts=True)
    last = counts.cumsum(0).double()
    return (last - (counts + 1) / 2)[inverse]
