"""Singular values of the Jacobian J (k x d): its norms, how many directions the code follows, and which of the data.

Notation: s_1 >= s_2 >= ... are the singular values of J, so that ||J||_F^2 = sum s_i^2 and sigma_max = s_1; u_1, u_2,
... are the principal directions of the data, unit vectors descending by variance.
"""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from contractive.analysis._rows import (
    Map,
    check_labels,
    check_rows,
    code_size,
    equal_rows,
    parts,
    principal_axes,
    spread_rows,
)
from contractive.core.errors import InvalidValue
from contractive.core.results import TableResult
from contractive.jacobian import jacobian, singular_values, squared_norm

_NO_GAP = log(2)
_LEADING = 0.5  # of the directions asked for: the first ones; the others lie evenly over the rest
_VARIES = 1e-9  # of the largest variance


@dataclass(frozen=True, repr=False)
class Norms(TableResult):
    """Jacobian norms at each point, both of them: neither bounds the other tightly."""

    squared_frobenius: Tensor  # ||J||_F^2, shape (rows,)
    operator: Tensor  # largest singular value sigma_max of J, shape (rows,)
    _table = ("squared_frobenius", "operator")

    @property
    def frobenius(self) -> Tensor:
        """||J||_F, shape (rows,)."""
        return self.squared_frobenius.sqrt()

    @property
    def contractive_share(self) -> float:
        """Share of the points where the encoder stretches no direction: sigma_max <= 1."""
        return float((self.operator <= 1).double().mean())


@torch.no_grad()
def norms(encode: Map, x: Tensor) -> Norms:
    """Compute ||J||_F^2 and sigma_max exactly, from all singular values, at the rows of x (rows, *features)."""
    values = singular_values(encode, x)
    return Norms(values.square().sum(1), values[:, 0])


@dataclass(frozen=True, repr=False)
class Spectra(TableResult):
    """Singular values of J at each point, and how many of them matter."""

    values: Tensor  # descending, (rows, min(code, features))
    features: int  # numbers per example, d

    @property
    def mean(self) -> Tensor:
        """Mean over points of the first, second, ... singular value, (values,); figure 2 of Rifai et al. (2011)."""
        return self.values.mean(0)

    def quantile(self, q: float) -> Tensor:
        """Quantile over points of each singular value, (values,)."""
        return torch.quantile(self.values, q, dim=0)

    @property
    def entropy_rank(self) -> Tensor:
        """Exp of the entropy of p_i = s_i^2 / sum s^2, (rows,): between 1 and the rank; NaN where J = 0.

        Roy and Vetterli (2007). Deviation: squared singular values, the shares of ||J||_F^2, in place of s_i / sum s.
        """
        return torch.special.entr(self._shares).sum(1).exp()

    @property
    def participation_ratio(self) -> Tensor:
        """(sum s^2)^2 / sum s^4, (rows,): between 1 and the rank, never above `entropy_rank`; NaN where J = 0."""
        return 1 / self._shares.square().sum(1)

    def dimension_by_share(self, share: float = 0.95) -> Tensor:
        """Count the leading singular values that hold this share of ||J||_F^2, (rows,); 0 where J = 0."""
        if not 0 < share < 1:
            raise InvalidValue("share", "lie between 0 and 1", share, "0.95 is usual.")
        held = self._squares.cumsum(1)
        enough = (held < share * held[:, -1:]).sum(1) + 1
        return torch.where(held[:, -1] > 0, enough, 0)

    @property
    def dimension_by_gap(self) -> Tensor:
        """The number of values above the largest drop of log s, (rows,); 0 where J = 0.

        Where no value is less than half the one before it there is no gap, and all of them count. Values below the
        rounding error of the largest, max(k, d) * epsilon * s_1, count as that.
        """
        count, precision = self.values.shape[1], torch.finfo(self.values.dtype)
        top = self.values[:, :1]
        if count == 1:
            return (top[:, 0] > 0).long()
        rounding = max(count, self.features) * precision.eps * top
        logs = self.values.maximum(rounding).clamp_min(precision.tiny).log()
        largest, at = (logs[:, :-1] - logs[:, 1:]).max(1)
        return torch.where(top[:, 0] > 0, torch.where(largest > _NO_GAP, at + 1, count), 0)

    @property
    def _shares(self) -> Tensor:
        return self._squares / self._squares.sum(1, keepdim=True)

    @property
    def _squares(self) -> Tensor:
        """(s / s_1)^2, NaN where J = 0: squares of tiny values would vanish, of huge ones overflow."""
        return (self.values / self.values[:, :1]).square()

    def columns(self) -> dict[str, Tensor]:
        index = torch.arange(1, self.values.shape[1] + 1)
        low, high = self.quantile(0.05), self.quantile(0.95)
        return {"index": index, "mean": self.mean, "quantile_5": low, "quantile_95": high}


@torch.no_grad()
def spectra(encode: Map, x: Tensor, *, num_points: int = 500) -> Spectra:
    """Compute all singular values of the Jacobian at evenly spaced rows of x (rows, *features), in bounded memory.

    Raises:
        InvalidType, InvalidValue, RuntimeError: As `jacobian.singular_values`.
    """
    check_rows(x, 1)
    rows = spread_rows(x, num_points)
    return Spectra(singular_values(encode, rows), rows[0].numel())


@dataclass(frozen=True, repr=False)
class Directions(TableResult):
    """Sensitivity of the code along the principal directions of the data."""

    index: Tensor  # which principal direction, from 0, descending by variance, (directions,)
    variances: Tensor  # variance of the data along each, in squared units of x, (directions,)
    squared_sensitivities: Tensor  # E||J u||^2 over points, (directions,)
    axes: Tensor  # the unit directions u, (directions, features)
    isotropic: float  # E||J||_F^2 / d, what a random direction has on average
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
    """Compare the variance of the data along their principal directions u with E||J u||^2 at `num_points` rows.

    The directions are of all rows, which must not be equal: the leading half of `num_directions`, and as many evenly
    spaced over the others. Only directions in which the data vary at all count.
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
