"""The condition of every formula here: row i of the code depends on row i of the batch alone."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from contractive.core.errors import InvalidValue
from contractive.core.randomness import rehearsing
from contractive.jacobian._held import CAN_BE_HELD

_ROWS = 16


@torch.no_grad()
def check_independent_rows(
    f: Callable[[Tensor], Tensor], x: Tensor, field: str = "encoder", *, batch_norm: bool = True
) -> None:
    """Raise where the code of a row changes as other rows of the batch do, which makes every penalty per row wrong.

    Of some rows of x (batch, *features) a half is replaced by copies of one of the others, then the other half: whether
    a row depends on those before it, after it or all, it shows. Random numbers are the same each time; generators and
    buffers are put back. A map that is random all the same cannot be judged and passes, as does one that mixes rows so
    little that rounding hides it.

    Args:
        f: The encoder or another map, in the mode in which it is used.
        x: At least two rows that differ.
        field: What the error calls the map.
        batch_norm: False leaves out batch norms that use the statistics of the batch. The functions for norms refuse
            these on their own, or hold the statistics fixed.

    Raises:
        InvalidValue: The rows are not independent.
    """
    few = x[torch.linspace(0, len(x) - 1, min(len(x), _ROWS), dtype=torch.float64, device=x.device).long()]
    if len(few) < 2:
        return

    def run(rows: Tensor) -> Tensor:
        torch.manual_seed(0)
        return f(rows.clone())  # which may begin in place

    with rehearsing(f), nullcontext() if batch_norm else _WithoutBatchNorm():
        code = run(few)
        if not isinstance(code, Tensor) or code.shape[:1] != few.shape[:1]:
            return  # no code of rows: refused where it is differentiated
        noise, change = float((run(few) - code).abs().max()), 0.0
        # drawn, so that no pattern such as neighbours in pairs keeps within a half
        kept = (torch.randperm(len(few), generator=torch.Generator().manual_seed(0)) < len(few) // 2).to(x.device)
        for half in (kept, ~kept):
            # as many rows, so that the same kernels compute them and rounding is the same
            other = few.clone()
            other[~half] = few[half][0]
            change = max(change, float((run(other) - code)[half].abs().max()))
    size, rounding = float(code.abs().max()), torch.finfo(code.dtype).eps ** 0.75
    if noise <= rounding * size < change:
        raise InvalidValue(
            field,
            "treat every example on its own",
            f"rows that change by {change / max(size, 1e-30):.2g} of the largest number with other rows beside them",
            "Leave out what is computed over the batch, or use LayerNorm.",
        )


class _WithoutBatchNorm(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        uses_batch = kwargs.get("training", args[5] if len(args) > 5 else False)
        if func in CAN_BE_HELD and uses_batch:
            return args[0] if args else kwargs["input"]
        return func(*args, **kwargs)
