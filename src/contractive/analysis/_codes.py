"""Statistics of codes (saturation, dead units, binarisation, entropy), and the similarity of two models' codes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from contractive.analysis._rows import Map, all_equal, apply, check_rows, nearest, parts, spread_rows
from contractive.core.errors import InvalidValue, check_at_least
from contractive.core.results import Result, TableResult

_LOW, _HIGH = 0.05, 0.95
_DEAD = 0.01
_DUPLICATE = 0.99
_BINS = 20


@dataclass(frozen=True, repr=False)
class Codes(TableResult):
    """Activations over a set of examples.

    The numbers marked [0, 1] are for codes between 0 and 1, such as a sigmoid's; they are NaN for any other code, and
    so are the binary ones, for which a unit is on above 1/2.
    """

    saturation: float  # [0, 1] Share of activations below 0.05 or above 0.95 (Rifai et al. 2011, footnote 6)
    dead: float  # share of units whose standard deviation is below 1 % of the largest unit's
    duplicates: float  # share of units that repeat an earlier one: correlation above 0.99 in size, dead units left out
    mean: Tensor  # mean of each unit, (code,)
    deviation: Tensor  # standard deviation of each unit, (code,)
    histograms: Tensor  # share of the examples in each bin for each unit, (code, bins)
    edges: Tensor  # edges of the bins, (bins + 1,): from 0 to 1, or from the smallest to the largest activation
    unit_saturation: Tensor  # [0, 1] `saturation` of each unit, (code,)
    unit_entropy: Tensor  # [0, 1] Entropy of each unit's bit in bits, between 0 and 1, (code,)
    code_entropy: float  # [0, 1] Bits of the whole binary codes as counted; too small near log2(examples)
    distinct: float  # [0, 1] Number of distinct binary codes
    hamming: float  # [0, 1] Mean Hamming distance of two binary codes, a share of the units; 1/2 for fair coins
    spread: float  # [0, 1] Mean over units of variance / (1/4), its largest: 1 where units are 0 and 1 half the time
    num_examples: int  # examples measured
    _table = ("mean", "deviation", "unit_saturation", "unit_entropy")

    @property
    def bit_entropy(self) -> float:
        """[0, 1] Mean of `unit_entropy`, bits per unit."""
        return float(self.unit_entropy.mean())


@torch.no_grad()
def codes(encode: Map, x: Tensor, *, num_bins: int = _BINS) -> Codes:
    """Measure the codes of the rows x (rows, *features), at least one."""
    check_at_least("num_bins", num_bins, 1, "20 is usual.")
    code = apply(encode, x)
    count = len(code)
    deviation = code.std(0, correction=0)
    alive = deviation > _DEAD * deviation.max()
    bounded = bool(((code >= 0) & (code <= 1)).all())
    saturated = bits = torch.full((code.shape[1],), nan, dtype=torch.float64, device=code.device)
    distinct = entropy = nan
    if bounded:
        saturated = ((code < _LOW) | (code > _HIGH)).double().mean(0)
        on = code > 0.5
        counts = on.unique(dim=0, return_counts=True)[1].double()
        shares, bits = counts / count, on.double().mean(0)
        distinct, entropy = float(len(counts)), float(-(shares * shares.log2()).sum()) + 0.0
    low, high = (0.0, 1.0) if bounded else (float(code.min()), float(code.max()))
    high = high if high > low else low + 1
    edges = torch.linspace(low, high, num_bins + 1, dtype=torch.float64, device=code.device)
    # two draws differ in a bit that is on with probability p with probability 2 p (1 - p); two different examples,
    # n / (n - 1) times as often, since one drawn twice never differs
    hamming = float((2 * bits * (1 - bits)).mean()) * count / (count - 1) if count > 1 else nan
    return Codes(
        saturation=float(saturated.mean()),
        dead=float((~alive).double().mean()),
        duplicates=_duplicates(code[:, alive]) / code.shape[1],
        mean=code.mean(0),
        deviation=deviation,
        histograms=_histograms(code, edges),
        edges=edges,
        unit_saturation=saturated,
        unit_entropy=(torch.special.entr(bits) + torch.special.entr(1 - bits)) / torch.log(bits.new_tensor(2)),
        code_entropy=entropy,
        distinct=distinct,
        hamming=hamming,
        spread=float(4 * deviation.square().mean()) if bounded else nan,
        num_examples=count,
    )


def _duplicates(code: Tensor) -> int:
    """Count the columns that have a correlation above 0.99 in size with one before them."""
    rows = code.double()
    scaled = rows - rows.mean(0)
    scaled = scaled / scaled.norm(dim=0)
    alike = (scaled.T @ scaled).abs() > _DUPLICATE
    return int(alike.triu(1).any(0).sum())


def _histograms(code: Tensor, edges: Tensor) -> Tensor:
    """Share of the examples in each bin, the last one closed, for each unit (code, bins)."""
    num_bins, units = len(edges) - 1, code.shape[1]
    counts = torch.zeros(units * num_bins, dtype=torch.long, device=code.device)
    offset = torch.arange(units, device=code.device) * num_bins  # one count for all units: bin + unit * num_bins
    for part in parts(code, 8 * units):
        bins = torch.bucketize(part.double(), edges[1:-1], right=True)
        counts += torch.bincount((bins + offset).flatten(), minlength=len(counts))
    return counts.view(units, num_bins).double() / len(code)


@dataclass(frozen=True, repr=False)
class Similarity(Result):
    """Three similarities of two codes of the same examples, each between 0 and 1.

    They do not depend on order, signs and common scale of the units. Procrustes is the nuclear norm of X^T Y for
    centred codes of unit Frobenius norm: 1 where a rotation and a scale turn one code into the other;
    2 (1 - procrustes) is the least squared distance a rotation can reach.
    """

    cka: float  # linear centred kernel alignment (Kornblith et al., ICML 2019)
    procrustes: float
    neighbors: float  # mean share of the nearest neighbours that both codes have in common
    neighbors_chance: float  # that share for unrelated codes, neighbours / (rows - 1)


@dataclass(frozen=True, repr=False)
class SimilarityTable(TableResult):
    """The similarities of all pairs of models, each matrix (models, models) with ones on the diagonal."""

    names: tuple[str, ...]  # the models, in the order of rows and columns
    cka: Tensor  # as in `Similarity`, like the others
    procrustes: Tensor  # nuclear norm of X^T Y
    neighbors: Tensor  # share of common neighbours
    neighbors_chance: float  # that share for unrelated codes

    def columns(self) -> dict[str, list]:
        pairs = [(at, before) for at in range(len(self.names)) for before in range(at)]
        matrices = {"cka": self.cka, "procrustes": self.procrustes, "neighbors": self.neighbors}
        ends = {"one": [self.names[before] for _, before in pairs], "other": [self.names[at] for at, _ in pairs]}
        return ends | {name: [float(matrix[pair]) for pair in pairs] for name, matrix in matrices.items()}


@torch.no_grad()
def similarity(one: Tensor, other: Tensor, *, num_neighbors: int = 10, num_points: int = 2000) -> Similarity:
    """Compare two codes (rows, code) of the same examples, for instance from `apply`; their widths may differ.

    At most `num_points` rows are compared, which must be more than `num_neighbors`.
    """
    table = similarities({"one": one, "other": other}, num_neighbors=num_neighbors, num_points=num_points)
    cka, procrustes, neighbors = (float(matrix[0, 1]) for matrix in (table.cka, table.procrustes, table.neighbors))
    return Similarity(cka, procrustes, neighbors, table.neighbors_chance)


@torch.no_grad()
def similarities(codes: Mapping[str, Tensor], *, num_neighbors: int = 10, num_points: int = 2000) -> SimilarityTable:
    """Compare the codes (rows, code) of all pairs of models, by name. Arguments as `similarity`."""
    check_at_least("num_neighbors", num_neighbors, 1)
    lengths = {name: len(code) for name, code in codes.items()}
    if len(set(lengths.values())) != 1:
        raise InvalidValue("codes", "be of the same examples", f"rows {lengths}", "Encode the same rows.")
    scaled, near = [], []
    for name, code in codes.items():
        rows = spread_rows(code.flatten(1), num_points)
        check_rows(rows, num_neighbors + 1, f"codes[{name!r}]")
        centred = rows.double() - rows.double().mean(0)
        if all_equal(rows) or not bool(centred.norm() > 0):
            raise InvalidValue(f"codes[{name!r}]", "vary", f"{len(rows)} equal rows", "Has the model collapsed?")
        scaled.append(centred / centred.norm())
        _, indices = nearest(rows, rows, num_neighbors, skip=torch.arange(len(rows), device=rows.device))
        is_near = torch.zeros(len(rows), len(rows), dtype=torch.bool, device=rows.device)
        near.append(is_near.scatter_(1, indices, True))
    count = len(near[0])
    return SimilarityTable(
        names=tuple(codes),
        # HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)) with linear kernels: ||X^T Y||_F^2 = tr(X X^T Y Y^T)
        cka=_matrix(scaled, lambda x, y: (x.T @ y).square().sum() / ((x.T @ x).norm() * (y.T @ y).norm())),
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
