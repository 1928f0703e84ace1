"""Tangent directions of a whole data set on disk: computed in parts, resumed where stopped, read without loading."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from numpy.lib.format import open_memmap
from torch import Tensor, nn

from contractive.core.files import write_text
from contractive.data import BROKEN_FILE_ERRORS
from contractive.jacobian import leading
from contractive.models import StorageError, architecture, tensors_checksum
from contractive.training._batches import as_tensor
from contractive.training._settings import whole

DTYPES = ("float16", "float32")


def write(
    path: str | Path,
    encoder: nn.Module,
    x: Tensor | np.ndarray,
    num: int,
    *,
    dtype: str = "float16",
    rows_at_once: int = 256,
    tolerance: float = 1e-2,
    device: str | torch.device = "cpu",
    on_rows: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Write the `num` leading right singular vectors of the encoder's Jacobian at every row of x; returns them mapped.

    The file is a plain .npy array (examples, num, features flattened), from which rows are read without loading the
    rest. Until it is whole it is called `<path>.part`, beside `<path>.part.json` that says how far it is and of what:
    a call with the same encoder, data and settings goes on there, any other starts anew. A whole file is computed
    again; use `read` where it is known to be right. Of two that write the same path, the second waits for the first
    (`<path>.part.lock`) and writes it anew; what the first has mapped stays as it was.

    Args:
        path: Of the .npy file.
        encoder: Trained; put into evaluation mode meanwhile. For a stack of layers their product is decomposed.
        x: (examples, *features), floating point.
        num: Directions per example.
        dtype: `float16` (errors up to 0.05 %) or `float32`.
        rows_at_once: Rows between two notes of progress.
        tolerance: As in `jacobian.leading`.
        device: Where it is computed.
        on_rows: Called with the number of rows done after every note of progress.

    Raises:
        ValueError: Another dtype, no rows, fewer than one row at once, a number of directions that J does not have.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}. float16 halves the file.")
    if rows_at_once < 1:
        raise ValueError(f"rows_at_once must be at least 1, got {rows_at_once}. Leave it out.")
    rows = as_tensor(x)
    if len(rows) == 0:
        raise ValueError("x must have at least one row, got none. Directions belong to rows.")
    of = {
        "encoder": architecture(encoder),
        "checksum": tensors_checksum((*encoder.state_dict().values(), rows)),
        "shape": [len(rows), whole("num", num), rows[0].numel()],
        "dtype": dtype,
        "tolerance": tolerance,
    }
    path = Path(path)
    with FileLock(f"{path}.part.lock") as lock:
        _write(path, encoder, rows, of, rows_at_once, device, on_rows)
        with suppress(PermissionError):  # Windows lets nobody remove it before it is released
            Path(lock.lock_file).unlink()  # who waits for it sees that it has gone, and begins again
        return read(path)


def _write(
    path: Path,
    encoder: nn.Module,
    rows: Tensor,
    of: dict[str, Any],
    rows_at_once: int,
    device: str | torch.device,
    on_rows: Callable[[int], None] | None,
) -> None:
    """What `write` does while nobody else writes the path."""
    part, note = (path.with_name(path.name + end) for end in (".part", ".part.json"))
    done = _done(part, note, of)
    shape = None if done else tuple(of["shape"])
    target = open_memmap(part, "r+" if done else "w+", dtype=np.dtype(of["dtype"]), shape=shape)
    like, mode = next(encoder.parameters()), encoder.training
    home, precision = like.device, like.dtype
    encoder.to(device).eval()
    try:
        for start in range(done, len(rows), rows_at_once):
            here = rows[start : start + rows_at_once].to(device, precision)
            found = leading(encoder, here, of["shape"][1], tolerance=of["tolerance"]).vectors
            target[start : start + len(here)] = found.cpu().numpy()
            target.flush()
            write_text(note, json.dumps({"rows": start + len(here), **of}))
            if on_rows is not None:
                on_rows(start + len(here))
    finally:
        encoder.to(home).train(mode)
    del target
    part.replace(path)
    note.unlink(missing_ok=True)


def read(path: str | Path) -> np.ndarray:
    """Map a file of tangents, (examples, num, features), without loading it.

    Raises:
        StorageError: Missing, broken, or an array of another kind.
    """
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except BROKEN_FILE_ERRORS as error:
        raise StorageError(f"{path} must be a .npy file of tangents, got: {error}. Write it again.") from error
    if not isinstance(found, np.ndarray) or found.ndim != 3 or found.dtype.name not in DTYPES:
        raise StorageError(f"{path} must hold (examples, num, features) floats, got another array. Write it again.")
    return found


def _done(part: Path, note: Path, of: dict[str, Any]) -> int:
    """Rows of an unfinished file that are right; 0 where there is none or it is of something else."""
    try:
        found = json.loads(note.read_text())
        begun = np.load(part, mmap_mode="r", allow_pickle=False)
    except BROKEN_FILE_ERRORS:
        return 0
    if not isinstance(found, dict) or {key: found.get(key) for key in of} != of:
        return 0
    rows = found.get("rows")
    fits = isinstance(begun, np.ndarray) and [list(begun.shape), begun.dtype.name] == [of["shape"], of["dtype"]]
    return rows if fits and isinstance(rows, int) and 0 <= rows <= len(begun) else 0
