"""Many small images as one large one."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def sheet(
    rows: Tensor | np.ndarray, shape: Sequence[int], *, columns: int = 10, gap: int = 1, background: float = 1.0
) -> np.ndarray:
    """Lay grey images out row by row, and return one array (height, width), values as they are.

    Args:
        rows: (images, features) or any shape with height * width numbers per image.
        shape: (height, width) of one image.
        columns: Images side by side.
        gap: Pixels between images.
        background: Value between images and where the last row is not full.

    Raises:
        ValueError: No image, counts out of range, images of another size.

    Example:
        >>> sheet(torch.zeros(5, 6), (2, 3), columns=3).shape
        (5, 11)
    """
    images = rows.detach().cpu().numpy() if isinstance(rows, torch.Tensor) else np.asarray(rows)
    height, width = shape
    if columns < 1 or gap < 0:
        raise ValueError(f"columns must be at least 1 and gap at least 0, got {columns} and {gap}. Try 10 and 1.")
    if len(images) == 0 or images[0].size != height * width:
        got = f"{images.shape}"
        raise ValueError(f"rows must be images of {height} x {width} numbers, got the shape {got}. Check shape.")
    lines = -(-len(images) // columns)
    cells = np.full((lines * columns, height + gap, width + gap), background, dtype=images.dtype)
    cells[: len(images), :height, :width] = images.reshape(-1, height, width)
    grid = cells.reshape(lines, columns, height + gap, width + gap).swapaxes(1, 2)
    whole = grid.reshape(lines * (height + gap), columns * (width + gap))
    return whole[: whole.shape[0] - gap, : whole.shape[1] - gap]
