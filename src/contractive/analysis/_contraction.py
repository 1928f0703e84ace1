"""Where the encoder contracts: at growing distances from the data, and at points on and off the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from contractive.analysis._geometry import nearest, pairwise_distances
from contractive.analysis._rows import Generator, Map, apply, check_rows, equal_rows, spread_rows, unit_directions
from contractive.analysis._spectra import Norms, norms
from contractive.core.errors import InvalidType, InvalidValue
from contractive.core.randomness import draw
from contractive.core.results import TableResult

_NUM_RADII = 30
_MOST_PAIRED = 1000
_MOST_NEIGHBOURS = 10_000


@dataclass(frozen=True, repr=False)
class ContractionCurve(TableResult):
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

    Deviation: a point keeps its directions over all radii, so that curves are smooth; every radius on its own is as in
    the paper.

    Args:
        encode: Encoder f.
        x: Validation rows, at least two and not all equal.
        radii: Radii above 0 in the units of x; 30 evenly spaced ones up to 1.5 times the largest distance if omitted.
        num_points: Rows from which steps go; the distances are of at most 1000.
        num_directions: Directions per point.
        generator: Source of the directions.
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

    A layer is a module with a weight matrix or kernel and what follows it. All layers see the same points and
    directions. Arguments as `contraction_curve`.

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
    """Exact Jacobian norms at several kinds of points, on and off the data.

    Attributes:
        norms: By kind: `training`, `test` (if given), `midpoints`, `between`, `same distance`, `box`, `scaled out`.
        distances: Distance of each of these points to the nearest training row, by kind, each (points,).
    """

    norms: Mapping[str, Norms]
    distances: Mapping[str, Tensor]

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

    `training` and `test` are rows of the data. `midpoints` lie half-way between two random training rows, `between`
    at a uniformly random point of the line joining them. `same distance` has the distances of training rows to their
    mean, in random directions; `box` is uniform between the smallest and largest value of every feature; `scaled out`
    is `factor` times as far from the mean as training rows, in their direction.

    Args:
        encode: Encoder f.
        training: At least two rows.
        test: Rows that were not trained on.
        num_points: Points of each kind.
        factor: How far out `scaled out` is, above 1.
        generator: Source of the points.
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
