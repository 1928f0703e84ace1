"""Euclidean distances between rows, in parts."""

from collections.abc import Iterator

import torch
from torch import Tensor

from contractive.analysis._evaluate import parts


def nearest(queries: Tensor, among: Tensor, count: int = 1, *, skip: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(distances, indices) of the `count` nearest rows of `among`, nearest first, each (queries, count).

    Args:
        queries: (queries, *features).
        among: (rows, *features).
        count: How many.
        skip: For each query the index of the row in `among` that does not count: itself.
    """
    found = []
    for start, squared in _squared_distances(queries, among):
        if skip is not None:
            squared.scatter_(1, skip[start : start + len(squared)].unsqueeze(1), torch.inf)
        values, indices = squared.topk(count, largest=False)
        found.append((values.sqrt(), indices))
    distances, indices = (torch.cat(column) for column in zip(*found, strict=True))
    return distances.to(queries.dtype), indices


def pairwise_distances(x: Tensor) -> Tensor:
    """The distances of all pairs of different rows, (rows * (rows - 1) / 2,)."""
    found = []
    for start, squared in _squared_distances(x, x):
        row = torch.arange(start, start + len(squared), device=x.device)
        later = torch.arange(len(x), device=x.device) > row.unsqueeze(1)
        found.append(squared[later].sqrt())
    return torch.cat(found).to(x.dtype)


def _squared_distances(queries: Tensor, among: Tensor) -> Iterator[tuple[int, Tensor]]:
    """(first query, squared distances) part by part; in float64 and centred, or near rows would lose their digits."""
    among = among.flatten(1).double()
    centre = among.mean(0)
    among = among - centre
    squares = among.square().sum(1)
    start = 0
    for part in parts(queries.flatten(1), 4 * len(among)):
        rows = part.double() - centre
        squared = rows.square().sum(1, keepdim=True) - 2 * rows @ among.T + squares
        yield start, squared.clamp_min(0)
        start += len(part)
