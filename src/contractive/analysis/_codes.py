"""What the codes look like: saturated, dead."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import apply

Map = Callable[[Tensor], Tensor]
_LOW, _HIGH = 0.05, 0.95
_STILL = 0.01


@dataclass(frozen=True)
class Codes:
    """Activations over a set of examples.

    Attributes:
        saturation: Share of activations below 0.05 or above 0.95 (Rifai et al. 2011, footnote 6); for codes in [0, 1].
        dead: Share of units whose standard deviation is below 1 % of the largest unit's.
    """

    saturation: float
    dead: float


@torch.no_grad()
def codes(encode: Map, x: Tensor) -> Codes:
    """Measure saturation and dead units of the codes of the rows x (rows, *features)."""
    code = apply(encode, x)
    spread = code.std(0, correction=0)
    saturated = ((code < _LOW) | (code > _HIGH)).double().mean()
    return Codes(float(saturated), float((spread <= _STILL * spread.max()).double().mean()))
