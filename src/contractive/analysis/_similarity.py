"""How alike the codes of two models are, whatever their units' order, signs and scale."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import all_equal, check_count, check_rows, spread_rows
from contractive.analysis._neighbours import nearest


@dataclass(frozen=True)
class Similarity:
    """Three similarities of two codes of the same examples, each between 0 and 1.

    Attributes:
        cka: Linear centred kernel alignment (Kornblith et al., ICML 2019).
        procrustes: Nuclear norm of X^T Y for centred codes of unit Frobenius norm: 1 where a rotation and a scale turn
            one code into the other; 2 (1 - procrustes) is the least squared distance a rotation can reach.
        neighbors: Mean share of the nearest neighbours that both codes have in common.
        neighbors_chance: That share for unrelated codes, neighbours / (rows - 1).
    """

    cka: float
    procrustes: float
    neighbors: float
    neighbors_chance: float


@dataclass(frozen=True)
class SimilarityTable:
    """The similarities of all pairs of models, each matrix (models, models) with ones on the diagonal.

    Attributes:
        names: The models, in the order of rows and columns.
        cka: As in `Similarity`.
        procrustes: As in `Similarity`.
        neighbors: As in `Similarity`.
        neighbors_chance: As in `Similarity`.
    """

    names: tuple[str, ...]
    cka: Tensor
    procrustes: Tensor
    neighbors: Tensor
    neighbors_chance: float


@torch.no_grad()
def similarity(one: Tensor, other: Tensor, *, num_neighbors: int = 10, num_points: int = 2000) -> Similarity:
    """Compare two codes (rows, code) of the same examples, row by row; their widths may differ.

    Args:
        one: Codes of one model, for instance from `apply`.
        other: Codes of the other.
        num_neighbors: Nearest neighbours, Euclidean, among the rows taken.
        num_points: At most so many evenly spaced rows are taken.

    Raises:
        ValueError: Different numbers of rows, not more rows than neighbours, a code that does not vary.
    """
    codes = {"one": one, "other": other}
    table = similarities(codes, num_neighbors=num_neighbors, num_points=num_points)
    cka, procrustes, neighbours = (float(matrix[0, 1]) for matrix in (table.cka, table.procrustes, table.neighbors))
    return Similarity(cka, procrustes, neighbours, table.neighbors_chance)


@torch.no_grad()
def similarities(codes: Mapping[str, Tensor], *, num_neighbors: int = 10, num_points: int = 2000) -> SimilarityTable:
    """Compare the codes (rows, code) of all pairs of models, by name. Arguments and errors as `similarity`."""
    check_count("num_neighbors", num_neighbors)
    if len({len(code) for code in codes.values()}) != 1:
        lengths = {name: len(code) for name, code in codes.items()}
        raise ValueError(f"codes must be of the same examples, got rows {lengths}. Encode the same rows.")
    rows = {name: spread_rows(code.flatten(1), num_points) for name, code in codes.items()}
    for name, code in rows.items():
        check_rows(code, num_neighbors + 1, f"code {name}")
    scaled = [_scaled(name, code) for name, code in rows.items()]
    near = [_neighbourhoods(code, num_neighbors) for code in rows.values()]
    count = len(next(iter(rows.values())))
    return SimilarityTable(
        names=tuple(rows),
        cka=_matrix(scaled, _cka),
        procrustes=_matrix(scaled, lambda x, y: torch.linalg.matrix_norm(x.T @ y, "nuc")),
        neighbors=_matrix(near, lambda x, y: (x & y).sum() / num_neighbors / count),
        neighbors_chance=num_neighbors / (count - 1),
    )


def _matrix(entries: Sequence[Tensor], measure: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    result = torch.eye(len(entries), dtype=torch.float64)
    for i, one in enumerate(entries):
        for j, other in enumerate(entries[:i]):
            result[i, j] = result[j, i] = float(measure(one, other))
    return result


def _scaled(name: str, code: Tensor) -> Tensor:
    """Centred and of unit Frobenius norm, in float64."""
    centred = code.double() - code.double().mean(0)
    size = centred.norm()
    if all_equal(code) or not bool(size > 0):
        raise ValueError(f"code {name} must vary, got {len(code)} equal rows. Has the model collapsed?")
    return centred / size


def _cka(x: Tensor, y: Tensor) -> Tensor:
    return (x.T @ y).square().sum() / ((x.T @ x).norm() * (y.T @ y).norm())


def _neighbourhoods(code: Tensor, count: int) -> Tensor:
    """Which rows are among the nearest of which, (rows, rows), true or false."""
    _, indices = nearest(code, code, count, skip=torch.arange(len(code), device=code.device))
    return torch.zeros(len(code), len(code), dtype=torch.bool, device=code.device).scatter_(1, indices, True)
