"""The singular values of the Jacobian: how many directions the code still sees."""

from collections.abc import Callable
from dataclasses import dataclass
from math import log

import torch
from torch import Tensor

from contractive.analysis._evaluate import check_rows, spread_rows
from contractive.jacobian import singular_values

Map = Callable[[Tensor], Tensor]
_NO_GAP = log(2)


@dataclass(frozen=True)
class Spectra:
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
        shares = self._shares
        return torch.special.entr(shares).sum(1).exp()

    @property
    def participation_ratio(self) -> Tensor:
        """(sum s^2)^2 / sum s^4, (rows,): between 1 and the rank, never above `entropy_rank`; NaN where J = 0."""
        return 1 / self._shares.square().sum(1)

    def dimension_by_share(self, share: float = 0.95) -> Tensor:
        """Number of leading singular values that hold this share of ||J||_F^2, (rows,); 0 where J = 0.

        Raises:
            ValueError: A share that is not above 0 and below 1.
        """
        if not 0 < share < 1:
            raise ValueError(f"share must lie between 0 and 1, got {share}. 0.95 is usual.")
        held = self._squares.cumsum(1)
        enough = (held < share * held[:, -1:]).sum(1) + 1
        return torch.where(held[:, -1] > 0, enough, 0)

    @property
    def dimension_by_gap(self) -> Tensor:
        """The number of values above the largest drop of log s, (rows,); 0 where J = 0.

        Where no value is less than half the one before it there is no gap, and all of them count. Values below the
        rounding error of the largest, max(k, d) * epsilon * s_1, count as that.
        """
        count = self.values.shape[1]
        top = self.values[:, :1]
        rounding = max(count, self.features) * torch.finfo(self.values.dtype).eps * top
        logs = self.values.maximum(rounding).clamp_min(torch.finfo(self.values.dtype).tiny).log()
        drops = logs[:, :-1] - logs[:, 1:]
        if count == 1:
            return (top[:, 0] > 0).long()
        largest, at = drops.max(1)
        return torch.where(top[:, 0] > 0, torch.where(largest > _NO_GAP, at + 1, count), 0)

    @property
    def _shares(self) -> Tensor:
        squares = self._squares
        return squares / squares.sum(1, keepdim=True)

    @property
    def _squares(self) -> Tensor:
        """(s / s_1)^2, NaN where J = 0: squares of tiny values would vanish, of huge ones overflow."""
        return (self.values / self.values[:, :1]).square()


@torch.no_grad()
def spectra(encode: Map, x: Tensor, *, num_points: int = 500) -> Spectra:
    """Compute all singular values of the Jacobian at evenly spaced rows of x (rows, *features), in bounded memory.

    Raises:
        TypeError, ValueError, RuntimeError: As `jacobian.singular_values`.
    """
    check_rows(x, 1)
    rows = spread_rows(x, num_points)
    return Spectra(singular_values(encode, rows), rows[0].numel())
