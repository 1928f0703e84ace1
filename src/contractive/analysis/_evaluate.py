"""Run a map over many rows in constant memory."""

from collections.abc import Callable

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]
_ROWS_AT_ONCE = 4096


@torch.no_grad()
def apply(f: Map, x: Tensor) -> Tensor:
    """f(x) for the rows of x, flattened to (rows, numbers), in the mode the module is in."""
    if len(x) == 0:
        raise ValueError("x must have at least one row, got none. Pass some data.")
    return torch.cat([f(part).flatten(1) for part in x.split(_ROWS_AT_ONCE)])


def spread_rows(x: Tensor, count: int) -> Tensor:
    """At most `count` rows, evenly spaced: data sorted by class must not leave one class only."""
    if len(x) <= count:
        return x
    return x[torch.linspace(0, len(x) - 1, count, device=x.device).long()]
