"""What every analysis shares: rows evenly spaced, work in bounded memory, and the data that are refused.

The docstring of `contractive.analysis` states these conventions for callers; the functions here are where they hold.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from contractive.core.errors import InvalidType, InvalidValue, check_at_least
from contractive.core.randomness import draw
from contractive.jacobian import MEMORY_BUDGET

Map = Callable[[Tensor], Tensor]
Generator = torch.Generator | None
_ROWS_AT_ONCE = 4096
_FLOAT32_COUNTS_TO = 2**24
_RANDOM_OR_BATCHED = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)


@torch.no_grad()
def apply(f: Map, x: Tensor) -> Tensor:
    """Return f(x) for the rows of x, flattened to (rows, numbers), in the mode the module is in."""
    if len(x) == 0:
        raise InvalidValue("x", "have at least one row", "none", "Pass some data.")
    return torch.cat([f(part).flatten(1) for part in x.split(_ROWS_AT_ONCE)])


def spread_rows(x: Tensor, count: int) -> Tensor:
    """Return at most `count` evenly spaced rows: data sorted by class must not leave one class only."""
    check_at_least("count", count, 1)
    if len(x) <= count:
        return x
    exact = torch.float64 if len(x) > _FLOAT32_COUNTS_TO else None  # else the last index would be rounded up
    return x[torch.linspace(0, len(x) - 1, count, dtype=exact, device=x.device).long()]


def parts(x: Tensor, numbers_per_row: int) -> tuple[Tensor, ...]:
    """Split the rows of x such that `numbers_per_row` for each row of a part fit the memory budget."""
    return x.split(max(1, MEMORY_BUDGET // max(numbers_per_row * x.element_size(), 1)))


def code_size(f: Map, x: Tensor) -> int:
    """Return k, the numbers per code."""
    return apply(f, x[:1]).shape[1]


def variance(rows: Tensor) -> float:
    """E||row - mean||^2 of rows (rows, columns): exactly 0 where all are equal, which a rounded mean would hide."""
    return 0.0 if all_equal(rows) else float((rows - rows.mean(0)).square().sum(1).mean())


def all_equal(rows: Tensor) -> bool:
    """Return true where all rows are the same numbers."""
    return bool((rows == rows[:1]).all())


def unit_directions(like: Tensor, generator: Generator) -> Tensor:
    """Draw isotropic unit directions, one per row, in the shape of `like`."""
    flat = draw(torch.randn, (len(like), like[0].numel()), like=like, generator=generator)
    return (flat / flat.norm(dim=1, keepdim=True)).view(like.shape)


def check_rows(x: Tensor, least: int, name: str = "x", **counts: int) -> None:
    """Refuse data that are not at least so many rows of finite floating-point numbers, and counts below 1.

    Nan and infinity would look like something else: rows that do not vary, noise without effect.
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        got = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise InvalidType(name, "be a floating-point tensor", got, "Convert it with .float().")
    if x.ndim < 2:
        raise InvalidValue(name, "have the shape (rows, *features)", tuple(x.shape), "Use x.unsqueeze(0).")
    if len(x) < least:
        raise InvalidValue(name, f"have at least {least} rows", len(x), "Pass more data.")
    wrong = int((~x.isfinite().flatten(1).all(1)).sum())
    if wrong:
        got = f"nan or infinity in {wrong} of {len(x)} rows"
        raise InvalidValue(name, "be finite", got, "Leave these rows out or fill them.")
    for field, count in counts.items():
        check_at_least(field, count, 1)


def check_labels(labels: Tensor, x: Tensor) -> None:
    """Refuse labels that are not one per row."""
    if labels.shape != x.shape[:1]:
        got = f"shape {tuple(labels.shape)} for {len(x)} rows"
        raise InvalidValue("labels", "be one per row", got, "Use labels.flatten().")


def check_mode(f: Map) -> None:
    """Refuse a module whose dropout or batch norm is in training mode: it would not be the map that is used."""
    for part in f.modules() if isinstance(f, nn.Module) else ():
        if part.training and isinstance(part, _RANDOM_OR_BATCHED):
            got = f"a training {type(part).__name__}"
            raise InvalidValue("encode", "be in evaluation mode", got, "Call .eval() first.")


def equal_rows(x: Tensor) -> InvalidValue:
    """Return the error for data whose rows do not vary."""
    return InvalidValue("x", "vary", f"{len(x)} equal rows", "Pass rows that differ.")
