"""Tangent directions of a whole data set on disk: computed in blocks, resumed where stopped, read without loading."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.lib.format import open_memmap
from torch import Tensor, nn

from contractive.analysis import TangentsOf, tangents_of
from contractive.core.errors import InvalidValue, check_choice
from contractive.core.files import BROKEN_FILE_ERRORS, write_text
from contractive.core.settings import checked
from contractive.jacobian import leading
from contractive.models import Autoencoder, StorageError, architecture, tensors_checksum
from contractive.training._rows import as_tensor

DTYPES = ("float16", "float32")


def compute(model: nn.Module, x: Tensor, num: int, *, of: TangentsOf | None = None, tolerance: float = 1e-2) -> Tensor:
    """Compute the tangents of `analysis.tangents` by `jacobian.leading`, without whole Jacobians of wide networks."""
    if tangents_of(model, of) == "reconstruction":
        assert isinstance(model, Autoencoder)
        chain = nn.Sequential(model.encoder, model.decoder)  # whose structure the Jacobian formulas can read
        return leading(chain, x, num, side="left", tolerance=tolerance).vectors
    return leading(model.encoder if isinstance(model, Autoencoder) else model, x, num, tolerance=tolerance).vectors


def write(
    path: str | Path,
    model: nn.Module,
    x: Tensor | np.ndarray,
    num: int,
    *,
    of: TangentsOf | None = None,
    dtype: str = "float16",
    rows_at_once: int = 256,
    tolerance: float = 1e-2,
    device: str | torch.device = "cpu",
    on_rows: Callable[[int], None] | None = None,
) -> np.ndarray:
    """Write `num` tangents at every row of x, leading singular vectors of a Jacobian; return them mapped.

    The file is a plain .npy array (examples, num, features flattened). Until it is whole it is called `<path>.part`,
    beside `<path>.part.json` with its contents and the number of rows done: a call with the same encoder, data and
    settings continues it, any other starts anew. A whole file is computed again; `read` takes it as it is. Of two that
    write the same path, the second waits for the first (`<path>.part.lock`) and writes it anew.

    Args:
        path: Of the .npy file.
        model: A trained `Autoencoder` (for a stack of layers `models.unroll`) or encoder, in evaluation mode meanwhile.
        x: (examples, *features), floating point.
        num: Directions per example.
        of: `reconstruction` or `encoder`, as in `analysis.tangents`.
        dtype: `float16` (errors up to 0.05 %) or `float32`.
        rows_at_once: Rows between two notes of progress.
        tolerance: As in `jacobian.leading`.
        device: Where it is computed.
        on_rows: Called with the number of rows done after every note of progress.

    Raises:
        ValueError: Another dtype, no rows, fewer than one row at once, a number of directions that J does not have.
    """
    check_choice("dtype", dtype, DTYPES, "float16 halves the file.")
    rows_at_once = checked("rows_at_once", rows_at_once, int, least=1)
    rows = as_tensor(x)
    if len(rows) == 0:
        raise InvalidValue("x", "have at least one row", "none", "Directions belong to rows.")
    shape = [len(rows), checked("num", num, int, least=1), rows[0].numel()]
    of = tangents_of(model, of)
    checksum = tensors_checksum((*model.state_dict().values(), rows))
    # an unfinished file is continued only with the same
    contents = dict(model=architecture(model), of=of, checksum=checksum, shape=shape, dtype=dtype, tolerance=tolerance)
    path = Path(path)
    part, note = (path.with_name(path.name + end) for end in (".part", ".part.json"))
    like, mode = next(model.parameters()), model.training
    home, precision = like.device, like.dtype
    with FileLock(f"{path}.part.lock") as lock:
        done = _rows_done(part, note, contents)
        target = open_memmap(part, "r+" if done else "w+", np.dtype(dtype), None if done else tuple(shape))
        model.to(device).eval()
        try:
            for start in range(done, len(rows), rows_at_once):
                here = rows[start : start + rows_at_once].to(device, precision)
                found = compute(model, here, shape[1], of=of, tolerance=tolerance)
                target[start : start + len(here)] = found.cpu().numpy()
                target.flush()  # before the note: it must never promise rows that are not on the disk
                write_text(note, json.dumps({"rows": start + len(here), **contents}))
                if on_rows is not None:
                    on_rows(start + len(here))
        finally:
            model.to(home).train(mode)
        del target
        part.replace(path)
        note.unlink(missing_ok=True)
        with suppress(PermissionError):  # Windows lets nobody remove it before it is released
            Path(lock.lock_file).unlink()  # who waits for it sees that it has gone, and begins again
        return read(path)


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


def _rows_done(part: Path, note: Path, contents: dict[str, str | float | list[int]]) -> int:
    """Number of rows of an unfinished file that are right; 0 where there is none or it is of something else."""
    try:
        found = json.loads(note.read_text())
        begun = np.load(part, mmap_mode="r", allow_pickle=False)
        rows = found.pop("rows")
        same = found == contents == contents | {"shape": list(begun.shape), "dtype": begun.dtype.name}
    except (*BROKEN_FILE_ERRORS, AttributeError):  # JSON of another kind
        return 0
    return rows if same and isinstance(rows, int) and 0 <= rows <= len(begun) else 0
