"""The nearest of many rows, exactly: candidates are found in single precision and judged in double precision."""

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

_GROUP = 16  # rows; the nearest ones lie in the groups with the smallest minima
_SPARE = 8  # groups and rows beside those wanted: room for rounding
_NUMBERS_AT_ONCE = 2**20  # squared distances: they stay in the cache of the processor
_LARGEST = 1e9  # number in single precision, so that no square is infinite
_ROWS_FOR_AXES, _VARIANCE_LEFT = 2_000, 1e-2
_DEVIATIONS = 4  # of the rounding error of a sum, which grows as the root of its length (Higham and Mary, 2019)


class Nearest:
    """Search among rows.

    Args:
        rows: (rows, features), in double precision.
        dtype: Of the first search; in single precision rows whose neighbours rounding leaves open are searched again.
    """

    def __init__(self, rows: np.ndarray, dtype: torch.dtype = torch.float32) -> None:
        self.rows, self._centre = rows, rows.mean(0)
        centred = rows - self._centre
        self._axes: np.ndarray | None = _axes(centred) if dtype == torch.float32 else None
        centred = centred if self._axes is None else centred @ self._axes
        self._single = dtype == torch.float32 and bool(np.abs(centred).max(initial=0) < _LARGEST)
        self._dtype = torch.float32 if self._single else torch.float64
        padded = np.pad(centred, ((0, -len(rows) % _GROUP), (0, 0)))
        squares = np.where(np.arange(len(padded)) < len(rows), np.square(padded).sum(1), np.inf)
        self._most = float(squares[: len(rows)].max(initial=0))
        self._columns, self._squares = (
            torch.from_numpy(np.ascontiguousarray(each)).to(self._dtype) for each in (padded.T, squares)
        )

    def __call__(self, z: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the distances to the nearest `count` rows and their numbers, both (len(z), count), nearest first."""
        distances, numbers = np.empty((len(z), count)), np.empty((len(z), count), np.intp)
        gathered = (count + _SPARE) * self.rows.shape[1]  # numbers of the candidates' rows, for each of z
        size = max(1, min(_NUMBERS_AT_ONCE // len(self._squares), 4 * _NUMBERS_AT_ONCE // gathered))
        for start in range(0, len(z), size):
            part = slice(start, start + size)
            distances[part], numbers[part] = self._block(z[part], count)
        return distances, numbers

    def others(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what a call does for the rows themselves, but for their distance to themselves."""
        distances, numbers = self(self.rows, count + 1)
        own = numbers == np.arange(len(numbers))[:, None]
        own[~own.any(1), -1] = True  # among more equal rows than are wanted it need not be there
        shape = len(numbers), count
        return distances[~own].reshape(shape), numbers[~own].reshape(shape)

    def _block(self, z: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        centred = z - self._centre if self._axes is None else (z - self._centre) @ self._axes
        limit = 1e6 * _LARGEST  # from there all rows are equally far
        at = torch.from_numpy(np.clip(centred, -limit, limit) if self._single else centred).to(self._dtype)
        found = torch.addmm(self._squares, at, self._columns, alpha=-2)  # squared distances less |z|^2
        candidates, beyond = _candidates(found, count, len(self.rows))
        squared = (torch.from_numpy(self.rows)[candidates] - torch.from_numpy(z)[:, None]).square().sum(2)
        numbers = candidates.gather(1, squared.argsort(dim=1, stable=True)[:, :count]).numpy()
        distances = np.linalg.norm(z[:, None] - self.rows[numbers], axis=2)  # torch's last digit depends on other rows
        if self._single or self._axes is not None:
            squares = np.square(centred).sum(1)
            terms = squares + self._most + 2 * _DEVIATIONS * np.sqrt(centred.shape[1] * squares * self._most)
            least = beyond.double().numpy() + squares - torch.finfo(self._dtype).eps * terms
            unsure = ~(least > np.square(distances[:, -1]))
            if unsure.any():
                distances[unsure], numbers[unsure] = self._double(z[unsure], count)
        return distances, numbers

    @cached_property
    def _double(self) -> "Nearest":
        return Nearest(self.rows, torch.float64)


def _axes(centred: np.ndarray) -> np.ndarray | None:
    """Return principal axes that hold nearly all of the variance, (features, axes); None where they are too many.

    Distances along them are lower bounds.
    """
    few = centred[:: -(-len(centred) // _ROWS_FOR_AXES)]
    variances, axes = np.linalg.eigh(few.T @ few)
    left = np.cumsum(variances.clip(min=0))  # of the smallest ones
    dropped = int((left <= _VARIANCE_LEFT * left[-1]).sum())
    return axes[:, dropped:] if dropped > len(left) / 4 and dropped < len(left) else None


def _candidates(found: Tensor, count: int, rows: int) -> tuple[Tensor, Tensor]:
    """Return the columns with the smallest numbers, some more than `count`, and the smallest number of the others."""
    minima = found.unflatten(1, (_GROUP, -1)).amin(1)  # neighbours in memory lie in different groups, which is faster
    take, wanted = min(count + _SPARE, minima.shape[1]), min(count + _SPARE, rows)
    smallest, at = minima.topk(min(take + 1, minima.shape[1]), dim=1, largest=False)
    columns = (at[:, :take, None] + minima.shape[1] * torch.arange(_GROUP)).flatten(1)
    values, places = found.gather(1, columns).topk(min(wanted + 1, columns.shape[1]), dim=1, largest=False)
    beyond = torch.full((len(found),), torch.inf, dtype=found.dtype)
    if smallest.shape[1] > take:
        beyond = smallest[:, take]
    if values.shape[1] > wanted:
        beyond = torch.minimum(beyond, values[:, wanted])
    return columns.gather(1, places[:, :wanted]), beyond
