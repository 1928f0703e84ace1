"""Where the encoder contracts: at the data, between them, and away from them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import check_count, check_rows, spread_rows
from contractive.analysis._neighbours import nearest
from contractive.analysis._norms import Norms, norms
from contractive.analysis._random import directions, integers, uniform

Map = Callable[[Tensor], Tensor]
_MOST_NEIGHBOURS = 10_000


@dataclass(frozen=True)
class EvaluationPoints:
    """Exact Jacobian norms by kind of place.

    Attributes:
        norms: By place: `training`, `test` (if given), `midpoints`, `between`, `same distance`, `box`, `scaled out`.
        distances: Distance of each of these points to the nearest training row, by place, each (points,).
    """

    norms: Mapping[str, Norms]
    distances: Mapping[str, Tensor]


@torch.no_grad()
def evaluation_points(
    encode: Map,
    training: Tensor,
    test: Tensor | None = None,
    *,
    num_points: int = 500,
    factor: float = 3.0,
    generator: torch.Generator | None = None,
) -> EvaluationPoints:
    """Measure ||J||_F and sigma_max where the data are and where they are not: contraction is local.

    `training` and `test` are rows of the data. `midpoints` lie half-way between two random training rows, `between`
    at a uniformly random place on the line joining them. `same distance` has the distances of training rows to their
    mean, in random directions; `box` is uniform between the smallest and largest value of every feature; `scaled out`
    is `factor` times as far from the mean as training rows, in their direction.

    Args:
        encode: Encoder f, in evaluation mode.
        training: Rows, (rows, *features), at least two.
        test: Rows that were not trained on.
        num_points: Points per place.
        factor: How far out `scaled out` is, above 1.
        generator: Source of the points.

    Raises:
        ValueError: Fewer than two training rows, `num_points` below 1, a factor of 1 or less.
    """
    check_rows(training, 2, "training")
    check_count("num_points", num_points)
    if not factor > 1:
        raise ValueError(f"factor must be above 1, got {factor}. It says how far outside the data to look.")
    found = {"training": spread_rows(training, num_points)}
    if test is not None:
        check_rows(test, 1, "test")
        found["test"] = spread_rows(test, num_points)
    found |= _made_up(training, num_points, factor, generator)
    known = spread_rows(training, _MOST_NEIGHBOURS)
    distances = {name: nearest(points, known)[0][:, 0] for name, points in found.items()}
    return EvaluationPoints({name: norms(encode, points) for name, points in found.items()}, distances)


def _made_up(x: Tensor, count: int, factor: float, generator: torch.Generator | None) -> dict[str, Tensor]:
    """Points that are not data."""
    first = integers(len(x), (count,), x, generator)
    second = (first + 1 + integers(len(x) - 1, (count,), x, generator)) % len(x)  # never the same row
    one, other = x[first], x[second]
    column = (count, *[1] * (x.ndim - 1))
    mean = x.mean(0)
    radii = (one - mean).flatten(1).norm(dim=1).view(column)
    low, high = x.amin(0), x.amax(0)
    return {
        "midpoints": (one + other) / 2,
        "between": torch.lerp(one, other, uniform(column, x, generator).expand_as(one)),
        "same distance": mean + radii * directions(one, generator),
        "box": low + (high - low) * uniform(tuple(one.shape), x, generator),
        "scaled out": mean + factor * (one - mean),
    }
