"""How far the code changes: under noise, for steps of growing length, and at points on and off the data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn

from contractive.analysis._rows import (
    Generator,
    Map,
    apply,
    check_mode,
    check_rows,
    equal_rows,
    nearest,
    pairwise_distances,
    spread_rows,
    unit_directions,
    variance,
)
from contractive.analysis._spectra import Norms, norms
from contractive.core.errors import InvalidType, InvalidValue
from contractive.core.randomness import draw
from contractive.core.results import Result, TableResult
from contractive.jacobian import is_altered
from contractive.objectives import Corruption, Gaussian, Masking, SaltAndPepper

_NUM_RADII = 30
_MOST_PAIRED = 1000
_MOST_DRAWS = 20
_MOST_NEIGHBOURS = 10_000
NOISES: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {"gaussian": (0.1, 0.25, 0.5, 1.0), "masking": (0.1, 0.25, 0.5), "salt and pepper": (0.05, 0.1, 0.25)}
)


@dataclass(frozen=True, repr=False)
class Sensitivity(Result):
    """Change of the code under noise: the raw ratios shrink when the code is merely rescaled, scale-free does not.

    Scale-free 1 means that noise changes the code as much, relative to the code's spread, as it changes the data
    relative to theirs; it is infinite when the code does not vary.
    """

    ratios: Tensor  # ||f(x+e) - f(x)|| / ||e|| per example, shape (rows,)
    scale_free: float  # (E||f(x+e) - f(x)||^2 / E||f(x) - mean f||^2) / (E||e||^2 / E||x - mean x||^2)

    @property
    def mean(self) -> float:
        """Mean of the raw ratios."""
        return float(self.ratios.mean())


@dataclass(frozen=True, repr=False)
class SensitivityProfile(TableResult):
    """Sensitivity to several kinds of noise, by kind, and levels."""

    levels: Mapping[str, tuple[float, ...]]  # gaussian: in units of `unit`; others: probability per entry
    sensitivities: Mapping[str, tuple[Sensitivity, ...]]  # at each level
    unit: float  # what a Gaussian level of 1 is in the units of x

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
    found = _sensitivity(encode, x, corruption(x, generator))
    if found is None:
        raise InvalidValue("corruption", "change the data", f"{corruption} without effect", "Use a larger level.")
    return found


def _sensitivity(encode: Map, x: Tensor, noisy: Tensor) -> Sensitivity | None:
    """The sensitivity to this noise; None where it has not touched a row."""
    code, noisy_code = apply(encode, x), apply(encode, noisy)
    changes, noise = (noisy_code - code).square().sum(1), (noisy - x).flatten(1).square().sum(1)
    if not bool(noise.sum() > 0):
        return None
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
    """Measure `sensitivity` to `gaussian`, `masking` and `salt and pepper` noise of several levels.

    `unit` is Gaussian noise of level 1 in the units of x; if omitted the standard deviation of a typical feature, the
    root mean square over features. Noise of few entries may leave a small table as it is: it is drawn again, up to 20
    times. Where that does not help, as with masking of zeros, there are no ratios, and their mean is NaN.
    """
    check_rows(x, 2)
    check_mode(encode)
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

    def measured(corruption: Corruption) -> Sensitivity:
        draws = (_sensitivity(encode, rows, corruption(rows, generator)) for _ in range(_MOST_DRAWS))
        return next(filter(None, draws), Sensitivity(rows.new_empty(0), float("nan")))

    found = {kind: tuple(measured(corruptions[kind](level)) for level in levels[kind]) for kind in levels}
    return SensitivityProfile({kind: tuple(levels[kind]) for kind in levels}, found, scale)


@dataclass(frozen=True, repr=False)
class ContractionCurve(TableResult):
    """||f(x + r u) - f(x)|| / r against r, over points x and isotropic unit directions u."""

    radii: Tensor  # r in the units of x, (radii,)
    mean: Tensor  # mean ratio at each radius, (radii,)
    root_mean_square: Tensor  # root of the mean squared ratio; tends to sqrt(E||J||_F^2 / d) as r -> 0, (radii,)
    low: Tensor  # 5 % quantile, (radii,)
    high: Tensor  # 95 % quantile, (radii,)
    distances: tuple[float, float, float]  # smallest, median, largest distance of two rows, to compare with
    _table = ("radii", "mean", "root_mean_square", "low", "high")


def contraction_curve(
    encode: Map,
    x: Tensor,
    *,
    radii: Sequence[float] | None = None,
    num_points: int = 1000,
    num_directions: int = 1,
    generator: Generator = None,
) -> ContractionCurve:
    """Measure the contraction ratio at growing radii (Rifai et al., ICML 2011, section 5.2 and figure 1).

    Of at least two rows, not all equal, each with `num_directions` directions. If radii are omitted, they are 30 evenly
    spaced ones up to 1.5 times the largest distance of (up to 1000) rows. Deviation: a point keeps its directions over
    all radii, so that curves are smooth; every radius on its own is as in the paper.
    """
    return _curves([encode], x, radii, num_points, num_directions, generator)[0]


def contraction_by_depth(
    encoder: nn.Sequential,
    x: Tensor,
    *,
    radii: Sequence[float] | None = None,
    num_points: int = 1000,
    num_directions: int = 1,
    generator: Generator = None,
) -> tuple[ContractionCurve, ...]:
    """Measure the contraction ratio from the input to each layer of a deep encoder (Rifai et al., ICML 2011, figure 3).

    A layer is a module with a weight matrix or kernel and what follows it; a module that stands in two places counts as
    two. All layers see the same points and directions. An encoder with hooks or a `forward` of its own is one layer: it
    may do more than its modules in their order. Arguments as `contraction_curve`.

    Raises:
        InvalidType: The encoder is not an `nn.Sequential`, whose order could be read.
        InvalidValue: No layer in it, and as `contraction_curve`.
    """
    if not isinstance(encoder, nn.Sequential):
        raise InvalidType("encoder", "be an nn.Sequential", type(encoder).__name__, "Use contraction_curve.")
    modules = list(encoder)
    starts = [at for at, module in enumerate(modules) if any(weight.ndim > 1 for weight in module.parameters())]
    if not starts:
        raise InvalidValue("encoder", "have a layer with a weight matrix", "none", "Use contraction_curve.")
    prefixes = [nn.Sequential(*modules[:end]) for end in (*starts[1:], len(modules))]
    if is_altered(encoder) or type(encoder).forward is not nn.Sequential.forward:
        prefixes = [encoder]
    return tuple(_curves(prefixes, x, radii, num_points, num_directions, generator))


@torch.no_grad()
def _curves(
    maps: Sequence[Map],
    x: Tensor,
    radii: Sequence[float] | None,
    num_points: int,
    num_directions: int,
    generator: Generator,
) -> list[ContractionCurve]:
    check_rows(x, 2, num_points=num_points, num_directions=num_directions)
    pairs = pairwise_distances(spread_rows(x, _MOST_PAIRED))
    distances = float(pairs.min()), float(pairs.median()), float(pairs.max())
    if not distances[2] > 0:
        raise equal_rows(x)
    if radii is None:
        largest = 1.5 * distances[2]
        steps = torch.linspace(largest / _NUM_RADII, largest, _NUM_RADII, dtype=x.dtype, device=x.device)
    elif not len(radii) or not all(0 < radius < float("inf") for radius in radii):
        raise InvalidValue("radii", "be numbers above 0", list(radii), "For r -> 0 take a small one.")
    else:
        steps = torch.tensor(list(radii), dtype=x.dtype, device=x.device)
    rows = spread_rows(x, num_points)
    rays = [unit_directions(rows, generator) for _ in range(num_directions)]
    curves = []
    for f in maps:
        code = apply(f, rows)
        ratios = torch.stack([torch.cat([_ratio(f, rows, code, r * ray) for ray in rays]) for r in steps.unbind()])
        low, high = (torch.quantile(ratios, q, dim=1) for q in (0.05, 0.95))
        root_mean_square = ratios.square().mean(1).sqrt()
        curves.append(ContractionCurve(steps, ratios.mean(1), root_mean_square, low, high, distances))
    return curves


def _ratio(f: Map, x: Tensor, code: Tensor, step: Tensor) -> Tensor:
    """||f(x + step) - f(x)|| / ||step||, for the step that rounding leaves."""
    end = x + step
    lengths = (end - x).flatten(1).norm(dim=1)
    if not bool(lengths.all()):
        got = f"{float(step[0].norm()):.3g}"
        raise InvalidValue("radii", "be above the rounding of x", got, "Take a larger one, or float64.")
    return (apply(f, end) - code).norm(dim=1) / lengths


@dataclass(frozen=True, repr=False)
class EvaluationPoints(TableResult):
    """Exact Jacobian norms at several kinds of points, on and off the data."""

    norms: Mapping[str, Norms]  # of `training`, `test`, `midpoints`, `between`, `same distance`, `box`, `scaled out`
    distances: Mapping[str, Tensor]  # to the nearest training row, by kind, each (points,)

    def columns(self) -> dict[str, list]:
        found = self.norms.values()
        return {
            "points": list(self.norms),
            "frobenius": [float(entry.frobenius.mean()) for entry in found],
            "operator": [float(entry.operator.mean()) for entry in found],
            "contractive_share": [entry.contractive_share for entry in found],
            "distance": [float(self.distances[kind].mean()) for kind in self.norms],
        }


@torch.no_grad()
def evaluation_points(
    encode: Map,
    training: Tensor,
    test: Tensor | None = None,
    *,
    num_points: int = 500,
    factor: float = 3.0,
    generator: Generator = None,
) -> EvaluationPoints:
    """Measure ||J||_F and sigma_max where the data are and where they are not: contraction is local.

    `training` (at least two) and `test` are rows of the data. `midpoints` lie half-way between two random training
    rows, `between` at a uniformly random point of the line joining them. `same distance` has the distances of training
    rows to their mean, in random directions; `box` is uniform between the smallest and largest value of every feature;
    `scaled out` is `factor` times as far from the mean as training rows, in their direction: `num_points` of each.
    """
    check_rows(training, 2, "training", num_points=num_points)
    if not factor > 1:
        raise InvalidValue("factor", "be above 1", factor, "It says how far outside the data to look.")
    points = {"training": spread_rows(training, num_points)}
    if test is not None:
        check_rows(test, 1, "test")
        points["test"] = spread_rows(test, num_points)
    points |= _off_the_data(training, num_points, factor, generator)
    known = spread_rows(training, _MOST_NEIGHBOURS)
    distances = {kind: nearest(rows, known)[0][:, 0] for kind, rows in points.items()}
    return EvaluationPoints({kind: norms(encode, rows) for kind, rows in points.items()}, distances)


def _off_the_data(x: Tensor, count: int, factor: float, generator: Generator) -> dict[str, Tensor]:
    device = generator.device if generator is not None else x.device
    first = torch.randint(len(x), (count,), generator=generator, device=device).to(x.device)
    others = torch.randint(len(x) - 1, (count,), generator=generator, device=device).to(x.device)
    one, other = x[first], x[(first + 1 + others) % len(x)]  # never the same row
    column = (count, *[1] * (x.ndim - 1))
    mean, low, high = x.mean(0), x.amin(0), x.amax(0)
    radii = (one - mean).flatten(1).norm(dim=1).view(column)
    share = draw(torch.rand, column, like=x, generator=generator)
    return {
        "midpoints": (one + other) / 2,
        "between": torch.lerp(one, other, share.expand_as(one)),
        "same distance": mean + radii * unit_directions(one, generator),
        "box": low + (high - low) * draw(torch.rand, tuple(one.shape), like=x, generator=generator),
        "scaled out": mean + factor * (one - mean),
    }
