"""Use a run on data: codes and reconstructions, streamed, in the user's own columns and units."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from contractive.data import Block, DataError, Options, open_rows, writer
from contractive.runs._open import Run
from contractive.training._checks import check_device

Watch = Callable[[int], None]


def encode(
    run: Run,
    data: str | Path,
    out: str | Path,
    *,
    keep: Sequence[str] = (),
    options: Options = Options(),  # noqa: B008
    device: str = "cpu",
    overwrite: bool = False,
    watch: Watch = lambda rows: None,
) -> int:
    """Write the code of every row of `data` to `out` (.npy, .csv, .parquet); returns the number of rows.

    Args:
        run: A run with a trained model.
        data: Raw rows, prepared as in training, in constant memory.
        out: File; its ending says the format. Written whole or not at all.
        keep: Columns of `data` that are copied before the codes, an identifier for instance.
        options: How to read `data`.
        device: Where to compute.
        overwrite: Replace an existing file.
        watch: Called with the number of rows done.

    Raises:
        DataError: Data that do not fit the run, or a file that cannot be written.
    """
    check_device(device)
    autoencoder = run.autoencoder().to(device)
    count = run.settings.code or 0
    names = (*keep, *(f"code_{unit}" for unit in range(count)))

    def work(x: torch.Tensor) -> np.ndarray:
        return autoencoder.encode(x.to(device)).flatten(1).cpu().numpy()

    return _stream(run, data, out, names, work, keep, options, overwrite, watch, decode=False)


def reconstruct(
    run: Run,
    data: str | Path,
    out: str | Path,
    *,
    keep: Sequence[str] = (),
    options: Options = Options(),  # noqa: B008
    device: str = "cpu",
    overwrite: bool = False,
    watch: Watch = lambda rows: None,
) -> int:
    """Write the reconstruction of every row in the user's own units and columns; arguments as in `encode`."""
    check_device(device)
    autoencoder = run.autoencoder().to(device)
    names = (*keep, *run.preparation.column_names())

    def work(x: torch.Tensor) -> np.ndarray:
        return autoencoder(x.to(device)).flatten(1).cpu().numpy()

    return _stream(run, data, out, names, work, keep, options, overwrite, watch, decode=True)


@torch.no_grad()
def _stream(
    run: Run,
    data: str | Path,
    out: str | Path,
    names: Sequence[str],
    work: Callable[[torch.Tensor], np.ndarray],
    keep: Sequence[str],
    options: Options,
    overwrite: bool,
    watch: Watch,
    *,
    decode: bool,
) -> int:
    done = 0
    if Path(out).exists() and Path(data).exists() and Path(out).samefile(data):
        raise DataError(f"-o must be another file than DATA, got {out} for both. Choose another name.")
    with writer(out, names, overwrite=overwrite) as file:
        for block in _ahead(open_rows(data, run.preparation, keep=keep, options=options)):
            made = work(torch.from_numpy(block.x))
            file.write(_columns(run, made, block.kept, names, decode=decode))
            done += len(made)
            watch(done)
    return done


def _ahead(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same blocks, the next one read and prepared by a thread while the network works on this one."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            yield block


def _columns(
    run: Run, made: np.ndarray, kept: dict[str, np.ndarray], names: Sequence[str], *, decode: bool
) -> np.ndarray | dict[str, np.ndarray]:
    back = run.preparation.inverse(made) if decode else made
    if isinstance(back, dict):
        return kept | back
    if not kept:
        return back
    return kept | dict(zip(names[len(kept) :], back.reshape(len(back), -1).T, strict=True))
