"""Use a run on data: codes and reconstructions, streamed, in the user's own columns and units."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from contractive.data import Block, DataError, Options, open_rows, writer
from contractive.studies.runs._open import AnyRun, Run
from contractive.training import check_device

Watch = Callable[[int], None]
Made = np.ndarray | dict[str, np.ndarray]


def encode(
    run: AnyRun,
    data: str | Path,
    out: str | Path,
    *,
    pass_through: Sequence[str] = (),
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
        pass_through: Columns of `data` that are copied before the codes, an identifier for instance.
        options: How to read `data`.
        device: Where to compute.
        overwrite: Replace an existing file.
        watch: Called with the number of rows done.

    Raises:
        DataError: Data that do not fit the run, or a file that cannot be written.
    """
    check_device(device)
    encoder = run.parts()["encoder"].to(device)
    names = tuple(f"code_{unit}" for unit in range(run.num_units))

    def work(block: Block) -> np.ndarray:
        return encoder(torch.from_numpy(block.x).to(device)).flatten(1).cpu().numpy()

    return write_rows(
        run, data, out, names, work, pass_through=pass_through, options=options, overwrite=overwrite, watch=watch
    )


def reconstruct(
    run: Run,
    data: str | Path,
    out: str | Path,
    *,
    pass_through: Sequence[str] = (),
    options: Options = Options(),  # noqa: B008
    device: str = "cpu",
    overwrite: bool = False,
    watch: Watch = lambda rows: None,
) -> int:
    """Write the reconstruction of every row in the user's own units and columns; arguments as in `encode`."""
    check_device(device)
    autoencoder = run.autoencoder().to(device)
    names = run.preparation.column_names()

    def work(block: Block) -> Any:
        return run.preparation.inverse(autoencoder(torch.from_numpy(block.x).to(device)).flatten(1).cpu().numpy())

    return write_rows(
        run, data, out, names, work, pass_through=pass_through, options=options, overwrite=overwrite, watch=watch
    )


@torch.no_grad()
def write_rows(
    run: AnyRun,
    data: str | Path,
    out: str | Path,
    names: Sequence[str],
    work: Callable[[Block], Made],
    *,
    pass_through: Sequence[str] = (),
    optional: Sequence[str] = (),
    options: Options = Options(),  # noqa: B008
    overwrite: bool = False,
    watch: Watch = lambda rows: None,
) -> int:
    """Write what `work` makes of every block of `data`, behind the columns kept; returns the number of rows.

    Args:
        run: Whose preparation the rows get.
        data: Raw rows.
        out: File; its ending says the format.
        names: Of the columns that `work` makes.
        work: From a block to an array (rows, names), or to the values of each name.
        pass_through: Columns of `data` that are copied.
        optional: Columns that `work` finds in the block's `kept` where `data` have them, and that are not copied.
        options: How to read `data`.
        overwrite: Replace an existing file.
        watch: Called with the number of rows done.

    Raises:
        DataError: Data that do not fit the run, or a file that cannot be written.
    """
    done = 0
    if Path(out).exists() and Path(data).exists() and Path(out).samefile(data):
        raise DataError(f"-o must be another file than DATA, got {out} for both. Choose another name.")
    with writer(out, (*pass_through, *names), overwrite=overwrite) as file:
        for block in _ahead(
            open_rows(data, run.preparation, pass_through=pass_through, optional=optional, options=options)
        ):
            file.write(_columns(work(block), {name: block.pass_through[name] for name in pass_through}, names))
            done += len(block.x)
            watch(done)
    return done


def _ahead(blocks: Iterator[Block]) -> Iterator[Block]:
    """The same blocks, the next one read and prepared by a thread while the network works on this one."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = reader.submit(next, blocks, None)
            yield block


def _columns(made: Made, kept: dict[str, np.ndarray], names: Sequence[str]) -> Made:
    if isinstance(made, dict):
        return kept | made
    if not kept:
        return made
    return kept | dict(zip(names, made.reshape(len(made), -1).T, strict=True))
