"""Noise put on inputs: what denoising autoencoders remove and what sensitivity is measured under.

A corruption is a callable (x, generator) -> corrupted x of the same shape, drawn anew for every entry.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.core.errors import InvalidValue
from contractive.core.randomness import draw

Corruption = Callable[[Tensor, torch.Generator | None], Tensor]


@dataclass(frozen=True)
class Gaussian:
    """x + e with e ~ N(0, sigma^2) for every entry, in the units of x."""

    sigma: float

    def __post_init__(self) -> None:
        if not self.sigma >= 0:
            raise InvalidValue("sigma", "be at least 0", self.sigma, "It is a standard deviation.")

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return x + self.sigma * draw(torch.randn, x.shape, like=x, generator=generator)


@dataclass(frozen=True)
class Masking:
    """Each entry set to zero with probability `fraction` (Vincent et al. 2010)."""

    fraction: float

    def __post_init__(self) -> None:
        _check_fraction(self.fraction)

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        return x * (draw(torch.rand, x.shape, like=x, generator=generator) >= self.fraction)


@dataclass(frozen=True)
class SaltAndPepper:
    """Each entry set to `low` or `high`, equally likely, with probability `fraction`."""

    fraction: float
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        _check_fraction(self.fraction)

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        chance = draw(torch.rand, x.shape, like=x, generator=generator)
        x = torch.where(chance < self.fraction, self.high, x)  # a number takes the precision of x, a tensor keeps its
        return torch.where(chance < self.fraction / 2, self.low, x)


@dataclass(frozen=True)
class Interpolation:
    """(1 - a) x + a x' with x' another row of the batch and a uniform between `low` and `high`, drawn for each row.

    For `Term(at=...)`: a penalty between the rows, or beyond them where a lies outside [0, 1] (Lee et al. 2022).
    """

    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise InvalidValue("low", "be at most high", f"{self.low} and {self.high}", "They are shares of the way.")

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        shape = (len(x), *(1,) * (x.ndim - 1))
        share = self.low + (self.high - self.low) * draw(torch.rand, shape, like=x, generator=generator)
        device = generator.device if generator is not None else x.device
        others = torch.randperm(len(x), generator=generator, device=device).to(x.device)
        return torch.lerp(x, x[others], share)


def _check_fraction(fraction: float) -> None:
    if not 0 <= fraction <= 1:
        raise InvalidValue("fraction", "lie between 0 and 1", fraction, "It is a probability per entry.")
