"""The condition of every formula here: row i of the code depends on row i of the batch alone."""

from collections.abc import Callable

import torch
from torch import Tensor

from contractive.core.errors import InvalidValue

_ROWS = 16


@torch.no_grad()
def check_independent_rows(encode: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Raise where the code of a row changes as other rows of the batch do, which makes every penalty per row wrong.

    Half of some rows of x (batch, *features) are replaced by copies of one. A map that is random cannot be judged and
    passes, as does one that mixes rows so little that rounding hides it.

    Args:
        encode: The encoder, in the mode in which it is used.
        x: At least two rows that differ.

    Raises:
        InvalidValue: The rows are not independent.
    """
    few = x[torch.linspace(0, len(x) - 1, min(len(x), _ROWS), dtype=torch.float64, device=x.device).long()]
    half = len(few) // 2
    if not half:
        return
    code = encode(few)
    # as many rows, so that the same kernels compute them and rounding is the same
    other = encode(torch.cat([few[:half], few[:1].expand(len(few) - half, *few.shape[1:])]))
    size, rounding = float(code.abs().max()), torch.finfo(code.dtype).eps ** 0.75
    noise, change = (float((codes[:half] - code[:half]).abs().max()) for codes in (encode(few), other))
    if noise <= rounding * size < change:
        raise InvalidValue(
            "encoder",
            "treat every example on its own",
            f"a code that changes by {change / max(size, 1e-30):.2g} of its largest number with other rows beside it",
            "Leave out what is computed over the batch, or use LayerNorm.",
        )
