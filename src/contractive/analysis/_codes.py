"""What the codes look like: saturated, dead, binary, spread out."""

from collections.abc import Callable
from dataclasses import dataclass
from math import nan

import torch
from torch import Tensor

from contractive.analysis._evaluate import apply, parts

Map = Callable[[Tensor], Tensor]
_LOW, _HIGH = 0.05, 0.95
_STILL = 0.01
_DUPLICATE = 0.99
_BINS = 20


@dataclass(frozen=True)
class Codes:
    """Activations over a set of examples.

    The figures marked [0, 1] are for codes between 0 and 1, such as a sigmoid's; they are NaN for any other code, and
    so are the binary figures, for which a unit is on above 1/2.

    Attributes:
        saturation: [0, 1] Share of activations below 0.05 or above 0.95 (Rifai et al. 2011, footnote 6).
        dead: Share of units whose standard deviation is below 1 % of the largest unit's.
        duplicates: Share of units that repeat an earlier one: correlation above 0.99 in size, dead units left out.
        mean: Mean of each unit, (code,).
        deviation: Standard deviation of each unit, (code,).
        histograms: Share of the examples in each bin for each unit, (code, bins).
        edges: Edges of the bins, (bins + 1,): from 0 to 1, or from the smallest to the largest activation.
        unit_saturation: [0, 1] `saturation` of each unit, (code,).
        unit_entropy: [0, 1] Entropy of each unit's bit in bits, between 0 and 1, (code,).
        code_entropy: [0, 1] Entropy in bits of the whole binary codes as counted; at most log2(examples), and too
            small where that is near.
        distinct: [0, 1] Number of distinct binary codes.
        hamming: [0, 1] Mean Hamming distance of two examples' binary codes as a share of the units; 1/2 for fair coins.
        spread: [0, 1] Mean over units of variance / (1/4), its largest value: 1 where units are 0 and 1 half the time.
        num_examples: Examples measured.
    """

    saturation: float
    dead: float
    duplicates: float
    mean: Tensor
    deviation: Tensor
    histograms: Tensor
    edges: Tensor
    unit_saturation: Tensor
    unit_entropy: Tensor
    code_entropy: float
    distinct: float
    hamming: float
    spread: float
    num_examples: int

    @property
    def bit_entropy(self) -> float:
        """[0, 1] Mean of `unit_entropy`, bits per unit."""
        return float(self.unit_entropy.mean())


@torch.no_grad()
def codes(encode: Map, x: Tensor, *, num_bins: int = _BINS) -> Codes:
    """Measure the codes of the rows x (rows, *features).

    Raises:
        ValueError: No row, or fewer than one bin.
    """
    if num_bins < 1:
        raise ValueError(f"num_bins must be at least 1, got {num_bins}. 20 is usual.")
    code = apply(encode, x)
    deviation = code.std(0, correction=0)
    lively = deviation > _STILL * deviation.max()
    in_cube = bool(((code >= 0) & (code <= 1)).all())
    edges = _edges(code, num_bins, in_cube)
    saturated = ((code < _LOW) | (code > _HIGH)).double().mean(0) if in_cube else _unknown(code)
    bits, distinct, entropy = _binary(code) if in_cube else (_unknown(code), nan, nan)
    return Codes(
        saturation=float(saturated.mean()),
        dead=float((~lively).double().mean()),
        duplicates=_duplicates(code[:, lively]) / code.shape[1],
        mean=code.mean(0),
        deviation=deviation,
        histograms=_histograms(code, edges),
        edges=edges,
        unit_saturation=saturated,
        unit_entropy=(torch.special.entr(bits) + torch.special.entr(1 - bits)) / torch.log(bits.new_tensor(2)),
        code_entropy=entropy,
        distinct=distinct,
        hamming=float((2 * bits * (1 - bits)).mean()) * len(code) / (len(code) - 1) if len(code) > 1 else nan,
        spread=float(4 * deviation.square().mean()) if in_cube else nan,
        num_examples=len(code),
    )


def _unknown(code: Tensor) -> Tensor:
    return torch.full((code.shape[1],), nan, dtype=torch.float64, device=code.device)


def _binary(code: Tensor) -> tuple[Tensor, float, float]:
    """(share of examples in which each unit is on, distinct binary codes, their entropy in bits)."""
    on = code > 0.5
    _, counts = on.unique(dim=0, return_counts=True)
    shares = counts.double() / len(code)
    return on.double().mean(0), float(len(counts)), float(-(shares * shares.log2()).sum()) + 0.0


def _duplicates(code: Tensor) -> int:
    """How many columns have a correlation above 0.99 in size with one before them."""
    rows = code.double()
    scaled = rows - rows.mean(0)
    scaled = scaled / scaled.norm(dim=0)
    alike = (scaled.T @ scaled).abs() > _DUPLICATE
    return int(alike.triu(1).any(0).sum())


def _edges(code: Tensor, num_bins: int, in_cube: bool) -> Tensor:
    low, high = (0.0, 1.0) if in_cube else (float(code.min()), float(code.max()))
    return torch.linspace(low, high if high > low else low + 1, num_bins + 1, dtype=torch.float64, device=code.device)


def _histograms(code: Tensor, edges: Tensor) -> Tensor:
    """Share of the examples in each bin, the last one closed, for each unit (code, bins)."""
    num_bins, units = len(edges) - 1, code.shape[1]
    counts = torch.zeros(units * num_bins, dtype=torch.long, device=code.device)
    offset = torch.arange(units, device=code.device) * num_bins
    for part in parts(code, 8 * units):
        bins = torch.bucketize(part.double(), edges[1:-1], right=True)
        counts += torch.bincount((bins + offset).flatten(), minlength=len(counts))
    return counts.view(units, num_bins).double() / len(code)
