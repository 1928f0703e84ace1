"""How far the code moves when the input does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from contractive.analysis._evaluate import apply, check_evaluating, check_finite, check_rows, spread_rows, variance
from contractive.objectives import Corruption, Gaussian, Masking, SaltAndPepper

Map = Callable[[Tensor], Tensor]
NOISES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {"gaussian": (0.1, 0.25, 0.5, 1.0), "masking": (0.1, 0.25, 0.5), "salt and pepper": (0.05, 0.1, 0.25)}
)


@dataclass(frozen=True)
class Sensitivity:
    """Movement of the code under noise.

    Attributes:
        ratios: ||f(x+e) - f(x)|| / ||e|| per example, shape (rows,). Raw: it shrinks when the code is merely rescaled.
        scale_free: (E||f(x+e) - f(x)||^2 / E||f(x) - mean f||^2) / (E||e||^2 / E||x - mean x||^2). 1 means that noise
            moves the code as much, relative to the code's spread, as it moves the data relative to theirs. Unchanged
            when the code is rescaled; infinite when the code does not vary.
    """

    ratios: Tensor
    scale_free: float

    @property
    def mean(self) -> float:
        """Mean of the raw ratios."""
        return float(self.ratios.mean())


@dataclass(frozen=True)
class SensitivityProfile:
    """Movement of the code under several kinds and levels of noise.

    Attributes:
        levels: By kind of noise. Gaussian: standard deviations in units of `unit`; others: probability per entry.
        sensitivities: The `Sensitivity` at each of these levels, by kind of noise.
        unit: What a Gaussian level of 1 is in the units of x.
    """

    levels: Mapping[str, tuple[float, ...]]
    sensitivities: Mapping[str, tuple[Sensitivity, ...]]
    unit: float


@torch.no_grad()
def sensitivity(
    encode: Map, x: Tensor, corruption: Corruption, *, generator: torch.Generator | None = None
) -> Sensitivity:
    """Measure how far the code moves when `corruption` moves the input.

    Args:
        encode: Encoder f, in evaluation mode.
        x: Rows, (rows, *features), at least two and not all equal.
        corruption: For instance `objectives.Gaussian(0.1)`.
        generator: Source of the noise.

    Raises:
        ValueError: Rows that do not vary or are not finite, or a corruption that changes nothing.
    """
    check_finite(x)
    check_evaluating(encode)
    noisy = corruption(x, generator)
    code, moved = apply(encode, x), apply(encode, noisy)
    steps, noise = (moved - code).square().sum(1), (noisy - x).flatten(1).square().sum(1)
    if not bool(noise.sum() > 0):
        raise ValueError(f"corruption must change the data, got {corruption} without effect. Use a larger level.")
    data_spread = variance(x.flatten(1))
    if not data_spread > 0:
        raise ValueError(f"x must vary, got {len(x)} equal rows. Pass rows that differ.")
    touched = noise > 0
    ratios = (steps[touched] / noise[touched]).sqrt()
    code_spread = variance(code)
    relative = float(steps.mean()) / code_spread if code_spread > 0 else float("inf")
    return Sensitivity(ratios, relative / (float(noise.mean()) / data_spread))


@torch.no_grad()
def sensitivity_profile(
    encode: Map,
    x: Tensor,
    *,
    levels: Mapping[str, Sequence[float]] = NOISES,
    unit: float | None = None,
    num_points: int = 2000,
    generator: torch.Generator | None = None,
) -> SensitivityProfile:
    """Measure `sensitivity` under Gaussian, masking and salt-and-pepper noise of several levels.

    The same generator state gives every encoder the same noise.

    Args:
        encode: Encoder f, in evaluation mode.
        x: Rows, (rows, *features).
        levels: By kind of noise, of `gaussian`, `masking` and `salt and pepper`.
        unit: Gaussian noise of level 1 in the units of x; if omitted the standard deviation of a typical feature, the
            root mean square over features.
        num_points: At most so many evenly spaced rows are taken.
        generator: Source of the noise.

    Raises:
        ValueError: An unknown kind of noise, and as `sensitivity`.
    """
    check_rows(x, 2)
    unknown = set(levels) - set(NOISES)
    if unknown:
        raise ValueError(f"levels must be for {', '.join(NOISES)}, got {sorted(unknown)}. Use these names.")
    low, high = float(x.min()), float(x.max())
    scale = unit if unit is not None else float(x.flatten(1).var(0, correction=0).mean().sqrt())
    rows = spread_rows(x, num_points)
    kinds: dict[str, Callable[[float], Corruption]] = {
        "gaussian": lambda level: Gaussian(level * scale),
        "masking": Masking,
        "salt and pepper": lambda level: SaltAndPepper(level, low, high),
    }
    moved = {
        kind: tuple(sensitivity(encode, rows, kinds[kind](level), generator=generator) for level in levels[kind])
        for kind in levels
    }
    return SensitivityProfile({kind: tuple(levels[kind]) for kind in levels}, moved, scale)
