"""How much the encoder contracts at a distance: the ratio of movements against the radius."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contractive.analysis._evaluate import apply, check_count, check_rows, spread_rows
from contractive.analysis._neighbours import pairwise_distances
from contractive.analysis._random import directions

Map = Callable[[Tensor], Tensor]
_NUM_RADII = 30
_MOST_PAIRED = 1000


@dataclass(frozen=True)
class ContractionCurve:
    """||f(x + r u) - f(x)|| / r against r, over points x and isotropic unit directions u.

    Attributes:
        radii: r in the units of x, (radii,).
        mean: Mean ratio at each radius, (radii,).
        root_mean_square: Root of the mean squared ratio; tends to sqrt(E||J||_F^2 / d) as r -> 0, (radii,).
        low: 5 % quantile, (radii,).
        high: 95 % quantile, (radii,).
        distances: Smallest, median and largest distance between two data rows: what a radius compares with.
    """

    radii: Tensor
    mean: Tensor
    root_mean_square: Tensor
    low: Tensor
    high: Tensor
    distances: tuple[float, float, float]


def contraction_curve(
    encode: Map,
    x: Tensor,
    *,
    radii: Sequence[float] | None = None,
    num_points: int = 1000,
    num_directions: int = 1,
    generator: torch.Generator | None = None,
) -> ContractionCurve:
    """Measure the contraction ratio at growing radii (Rifai et al., ICML 2011, section 5.2 and figure 1).

    Deviation: a point keeps its directions over all radii, so that curves are smooth; every radius on its own is as in
    the paper.

    Args:
        encode: Encoder f, in evaluation mode.
        x: Validation rows, (rows, *features), at least two and not all equal.
        radii: Radii above 0 in the units of x; 30 evenly spaced ones up to 1.5 times the largest distance if omitted.
        num_points: At most so many evenly spaced rows are taken; the distances are of at most 1000.
        num_directions: Directions per point.
        generator: Source of the directions.

    Raises:
        ValueError: Fewer than two rows, equal rows, a radius that is not above 0, a count below 1.
    """
    return _curves([encode], x, radii, num_points, num_directions, generator)[0]


def contraction_by_depth(
    encoder: nn.Sequential,
    x: Tensor,
    *,
    radii: Sequence[float] | None = None,
    num_points: int = 1000,
    num_directions: int = 1,
    generator: torch.Generator | None = None,
) -> tuple[ContractionCurve, ...]:
    """Measure the contraction ratio from the input to each layer of a deep encoder (Rifai et al., ICML 2011, figure 3).

    A layer is a module with a weight matrix or kernel and what follows it. All layers see the same points and
    directions. Arguments as `contraction_curve`.

    Raises:
        TypeError: The encoder is not an `nn.Sequential`, whose order could be read.
        ValueError: No layer in it, and as `contraction_curve`.
    """
    return tuple(_curves(prefixes(encoder), x, radii, num_points, num_directions, generator))


def prefixes(encoder: nn.Sequential) -> list[nn.Sequential]:
    """The encoder cut after each of its layers; the last one is the whole."""
    if not isinstance(encoder, nn.Sequential):
        raise TypeError(
            f"encoder must be an nn.Sequential, got {type(encoder).__name__}."
            " Pass its first layers to contraction_curve one by one."
        )
    modules = list(encoder)
    starts = [at for at, module in enumerate(modules) if any(weight.ndim > 1 for weight in module.parameters())]
    if not starts:
        raise ValueError("encoder must have a layer with a weight matrix, got none. Use contraction_curve.")
    return [nn.Sequential(*modules[:end]) for end in (*starts[1:], len(modules))]


@torch.no_grad()
def _curves(
    maps: Sequence[Map],
    x: Tensor,
    radii: Sequence[float] | None,
    num_points: int,
    num_directions: int,
    generator: torch.Generator | None,
) -> list[ContractionCurve]:
    check_rows(x, 2)
    check_count("num_points", num_points)
    check_count("num_directions", num_directions)
    distances = _distances(x)
    steps = _radii(radii, distances[2], x)
    rows = spread_rows(x, num_points)
    rays = [directions(rows, generator) for _ in range(num_directions)]
    return [_curve(f, rows, rays, steps, distances) for f in maps]


def _curve(
    f: Map, x: Tensor, rays: Sequence[Tensor], radii: Tensor, distances: tuple[float, float, float]
) -> ContractionCurve:
    code = apply(f, x)
    ratios = torch.stack([torch.cat([_ratio(f, x, code, r * ray) for ray in rays]) for r in radii.unbind()])
    low, high = (torch.quantile(ratios, q, dim=1) for q in (0.05, 0.95))
    return ContractionCurve(radii, ratios.mean(1), ratios.square().mean(1).sqrt(), low, high, distances)


def _ratio(f: Map, x: Tensor, code: Tensor, step: Tensor) -> Tensor:
    """How far the code moves for the step that rounding leaves, over its length."""
    moved = x + step
    lengths = (moved - x).flatten(1).norm(dim=1)
    if not bool(lengths.all()):
        radius = float(step[0].norm())
        raise ValueError(f"radii must be above the rounding of x, got {radius:.3g}. Take a larger one, or float64.")
    return (apply(f, moved) - code).norm(dim=1) / lengths


def _distances(x: Tensor) -> tuple[float, float, float]:
    pairs = pairwise_distances(spread_rows(x, _MOST_PAIRED))
    if not bool(pairs.max() > 0):
        raise ValueError(f"x must vary, got {len(x)} equal rows. Pass rows that differ.")
    return float(pairs.min()), float(pairs.median()), float(pairs.max())


def _radii(radii: Sequence[float] | None, largest: float, x: Tensor) -> Tensor:
    if radii is None:
        return torch.linspace(1.5 * largest / _NUM_RADII, 1.5 * largest, _NUM_RADII, dtype=x.dtype, device=x.device)
    wrong = [radius for radius in radii if not 0 < radius < float("inf")]
    if wrong or not len(radii):
        raise ValueError(f"radii must be numbers above 0, got {list(radii)}. For r -> 0 take a small one.")
    return torch.tensor(list(radii), dtype=x.dtype, device=x.device)
