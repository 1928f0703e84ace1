"""How much the code changes under noise. e is the noise, z = f(x), and E the mean over rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from contractive.analysis._rows import Generator, Map, apply, check_mode, check_rows, equal_rows, spread_rows, variance
from contractive.core.errors import InvalidValue
from contractive.core.results import Result, TableResult
from contractive.objectives import Corruption, Gaussian, Masking, SaltAndPepper

NOISES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {"gaussian": (0.1, 0.25, 0.5, 1.0), "masking": (0.1, 0.25, 0.5), "salt and pepper": (0.05, 0.1, 0.25)}
)


@dataclass(frozen=True, repr=False)
class Sensitivity(Result):
    """Change of the code under noise.

    Attributes:
        ratios: ||f(x+e) - f(x)|| / ||e|| per example, shape (rows,). Raw: it shrinks when the code is merely rescaled.
        scale_free: (E||f(x+e) - f(x)||^2 / E||f(x) - mean f||^2) / (E||e||^2 / E||x - mean x||^2). 1 means that noise
            changes the code as much, relative to the code's spread, as it changes the data relative to theirs.
            Unchanged when the code is rescaled; infinite when the code does not vary.
    """

    ratios: Tensor
    scale_free: float

    @property
    def mean(self) -> float:
        """Mean of the raw ratios."""
        return float(self.ratios.mean())


@dataclass(frozen=True, repr=False)
class SensitivityProfile(TableResult):
    """Sensitivity to several kinds and levels of noise.

    Attributes:
        levels: By kind of noise. Gaussian: standard deviations in units of `unit`; others: probability per entry.
        sensitivities: The `Sensitivity` at each of these levels, by kind of noise.
        unit: What a Gaussian level of 1 is in the units of x.
    """

    levels: Mapping[str, tuple[float, ...]]
    sensitivities: Mapping[str, tuple[Sensitivity, ...]]
    unit: float

    def columns(self) -> dict[str, list]:
        found = [entry for kind in self.levels for entry in self.sensitivities[kind]]
        return {
            "noise": [kind for kind, levels in self.levels.items() for _ in levels],
            "level": [level for levels in self.levels.values() for level in levels],
            "sensitivity": [entry.mean for entry in found],
            "scale_free_sensitivity": [entry.scale_free for entry in found],
        }


@torch.no_grad()
def sensitivity(encode: Map, x: Tensor, corruption: Corruption, *, generator: Generator = None) -> Sensitivity:
    """Measure how much the code changes when a corruption such as `objectives.Gaussian(0.1)` changes the input."""
    check_rows(x, 2)
    check_mode(encode)
    noisy = corruption(x, generator)
    code, noisy_code = apply(encode, x), apply(encode, noisy)
    changes, noise = (noisy_code - code).square().sum(1), (noisy - x).flatten(1).square().sum(1)
    if not bool(noise.sum() > 0):
        raise InvalidValue("corruption", "change the data", f"{corruption} without effect", "Use a larger level.")
    spread, code_spread = variance(x.flatten(1)), variance(code)
    if not spread > 0:
        raise equal_rows(x)
    corrupted = noise > 0  # masking may leave a row as it is
    relative = float(changes.mean()) / code_spread if code_spread > 0 else float("inf")
    return Sensitivity((changes[corrupted] / noise[corrupted]).sqrt(), relative / (float(noise.mean()) / spread))


@torch.no_grad()
def sensitivity_profile(
    encode: Map,
    x: Tensor,
    *,
    levels: Mapping[str, Sequence[float]] = NOISES,
    unit: float | None = None,
    num_points: int = 2000,
    generator: Generator = None,
) -> SensitivityProfile:
    """Measure `sensitivity` to Gaussian, masking and salt-and-pepper noise of several levels.

    Args:
        encode: Encoder f.
        x: At least two rows.
        levels: By kind of noise, of `gaussian`, `masking` and `salt and pepper`.
        unit: Gaussian noise of level 1 in the units of x; if omitted the standard deviation of a typical feature, the
            root mean square over features.
        num_points: Rows that get noise.
        generator: Source of the noise.
    """
    check_rows(x, 2)
    if unknown := set(levels) - set(NOISES):
        raise InvalidValue("levels", f"be for {', '.join(NOISES)}", sorted(unknown), "Use these names.")
    low, high = float(x.min()), float(x.max())
    scale = unit if unit is not None else float(x.flatten(1).var(0, correction=0).mean().sqrt())
    rows = spread_rows(x, num_points)
    corruptions: dict[str, Callable[[float], Corruption]] = {
        "gaussian": lambda level: Gaussian(level * scale),
        "masking": Masking,
        "salt and pepper": lambda level: SaltAndPepper(level, low, high),
    }
    found = {
        kind: tuple(sensitivity(encode, rows, corruptions[kind](level), generator=generator) for level in levels[kind])
        for kind in levels
    }
    return SensitivityProfile({kind: tuple(levels[kind]) for kind in levels}, found, scale)
