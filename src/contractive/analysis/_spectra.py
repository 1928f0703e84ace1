"""Singular values of the Jacobian J (k x d) at single points: its norms, and how many directions the code follows.

Notation: s_1 >= s_2 >= ... are the singular values of J, so that ||J||_F^2 = sum s_i^2 and sigma_max = s_1.
"""

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from contractive.analysis._rows import Map, check_rows, spread_rows
from contractive.core.errors import InvalidValue
from contractive.core.results import TableResult
from contractive.jacobian import singular_values

_NO_GAP = log(2)


@dataclass(frozen=True, repr=False)
class Norms(TableResult):
    """Jacobian norms at each point, both of them: neither bounds the other tightly.

    Attributes:
        squared_frobenius: ||J||_F^2, shape (rows,).
        operator: Largest singular value sigma_max of J, shape (rows,).
    """

    squared_frobenius: Tensor
    operator: Tensor
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
    """Singular values of J at each point, and how many of them matter.

    Attributes:
        values: Descending, (rows, min(code, features)).
        features: Numbers per example, d.
    """

    values: Tensor
    features: int

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
