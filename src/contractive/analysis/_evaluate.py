"""Run a map over many rows in constant memory."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from contractive.jacobian import MEMORY_BUDGET

Map = Callable[[Tensor], Tensor]
_ROWS_AT_ONCE = 4096
_FLOAT32_COUNTS_TO = 2**24
_RANDOM_OR_BATCHED = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)


@torch.no_grad()
def apply(f: Map, x: Tensor) -> Tensor:
    """f(x) for the rows of x, flattened to (rows, numbers), in the mode the module is in."""
    if len(x) == 0:
        raise ValueError("x must have at least one row, got none. Pass some data.")
    return torch.cat([f(part).flatten(1) for part in x.split(_ROWS_AT_ONCE)])


def spread_rows(x: Tensor, count: int) -> Tensor:
    """At most `count` rows, evenly spaced: data sorted by class must not leave one class only."""
    check_count("count", count)
    if len(x) <= count:
        return x
    exact = torch.float64 if len(x) > _FLOAT32_COUNTS_TO else None
    return x[torch.linspace(0, len(x) - 1, count, dtype=exact, device=x.device).long()]


def variance(rows: Tensor) -> float:
    """E||row - mean||^2 of rows (rows, columns): exactly 0 where all are equal, which a rounded mean would hide."""
    return 0.0 if all_equal(rows) else float((rows - rows.mean(0)).square().sum(1).mean())


def all_equal(rows: Tensor) -> bool:
    """Whether all rows are the same numbers."""
    return bool((rows == rows[:1]).all())


def parts(x: Tensor, numbers_per_row: int) -> tuple[Tensor, ...]:
    """The rows of x in parts, so many that `numbers_per_row` for each keep to the memory budget."""
    return x.split(max(1, MEMORY_BUDGET // max(numbers_per_row * x.element_size(), 1)))


@torch.no_grad()
def code_size(f: Map, x: Tensor) -> int:
    """Numbers per code, k."""
    return apply(f, x[:1]).shape[1]


def check_rows(x: Tensor, least: int, name: str = "x") -> None:
    """Refuse data of fewer than `least` rows, or that are not rows of finite floating-point numbers."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"{name} must be a floating-point tensor, got {kind}. Convert it with .float().")
    if x.ndim < 2:
        raise ValueError(f"{name} must have the shape (rows, *features), got {tuple(x.shape)}. Use x.unsqueeze(0).")
    if len(x) < least:
        raise ValueError(f"{name} must have at least {least} rows, got {len(x)}. Pass more data.")
    check_finite(x, name)


def check_finite(x: Tensor, name: str = "x") -> None:
    """Refuse nan and infinity, which would come out as something else: rows that do not vary, noise without effect."""
    wrong = ~x.isfinite().flatten(1).all(1)
    if bool(wrong.any()):
        raise ValueError(
            f"{name} must be finite, got nan or infinity in {int(wrong.sum())} of {len(x)} rows."
            " Leave them out or fill them."
        )


def check_count(name: str, value: int, least: int = 1) -> None:
    """Refuse a count below `least`."""
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}. Leave it out for the usual number.")


def check_labels(labels: Tensor, x: Tensor) -> None:
    """Refuse labels that are not one per row."""
    if labels.shape != x.shape[:1]:
        raise ValueError(
            f"labels must be one per row, got shape {tuple(labels.shape)} for {len(x)} rows. Use labels.flatten()."
        )


def check_evaluating(f: Map) -> None:
    """Refuse a module whose dropout or batch norm is in training mode: it would not be the map that is used."""
    for part in f.modules() if isinstance(f, nn.Module) else ():
        if part.training and isinstance(part, _RANDOM_OR_BATCHED):
            raise ValueError(f"encode must be in evaluation mode, got a training {type(part).__name__}. Call .eval().")
