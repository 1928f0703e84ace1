"""Codes for TensorBoard's embedding projector: `tensorboard --logdir FOLDER`, offline, PCA, t-SNE and UMAP in it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from pyarrow import csv as pa_csv

from contractive.core.files import replace_file, write_text
from contractive.data import SETS, DataError, Options, open_rows
from contractive.studies.runs import AnyRun

MOST_ROWS = 100_000  # what the projector itself loads
TENSORS, METADATA, CONFIG = "tensors.tsv", "metadata.tsv", "projector_config.pbtxt"
_LINES = pa_csv.WriteOptions(include_header=False, delimiter="\t")
_BREAKS = str.maketrans("\t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", " " * 11)


def project(
    run: AnyRun,
    data: str | Path,
    out: str | Path,
    *,
    pass_through: Sequence[str] | None = None,
    options: Options = Options(),  # noqa: B008
    rows: int = 10_000,
    device: str = "cpu",
    overwrite: bool = False,
    watch: Callable[[int], None] = lambda rows: None,
) -> int:
    """Write the codes of the first rows of `data` for TensorBoard's projector; returns how many rows.

    Three files in the folder: `tensors.tsv`, `metadata.tsv` (where columns are kept) and `projector_config.pbtxt`.

    Args:
        run: A run with a trained model.
        data: Raw rows, prepared as in training, in constant memory.
        out: A log folder, made if missing.
        pass_through: Columns that label and colour the points, as in `runs.encode`; None for the labels of a named set.
        options: How to read `data`.
        rows: At most so many; up to 100,000.
        device: Where to compute.
        overwrite: Replace the files of an earlier call.
        watch: Called with the number of rows done.

    Raises:
        DataError: Data that do not fit the run, or no rows.
        ValueError: A number of rows out of range; files that are there.
    """
    folder = Path(out)
    if not 1 <= rows <= MOST_ROWS:
        raise ValueError(f"rows must be from 1 to {MOST_ROWS}, got {rows}. The projector loads no more.")
    if (folder / CONFIG).exists() and not overwrite:
        raise ValueError(f"--out must not hold a projection yet, got {folder}. Replace it with --force.")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out must be a folder, got the file {folder}. Choose another.")
    pass_through = (("label",) if str(data) in SETS else ()) if pass_through is None else pass_through
    kept: list[dict[str, np.ndarray]] = []
    done = 0

    def write(path: str) -> None:
        nonlocal done
        with open(path, "wb") as file:
            for codes, columns in _codes(run, data, pass_through, options, rows, device):
                table = pa.table({str(unit): values for unit, values in enumerate(codes.T)})
                pa_csv.write_csv(table, file, _LINES)
                kept.append(columns)
                done += len(codes)
                watch(done)
        if not done:
            raise DataError(f"data must hold rows, got none in {data}. There is nothing to show.")

    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)  # without it the other files are not looked at, should one be replaced
    replace_file(folder / TENSORS, write)
    if pass_through:
        write_text(folder / METADATA, _metadata(pass_through, kept))
    else:
        (folder / METADATA).unlink(missing_ok=True)
    write_text(folder / CONFIG, _config(run, described=bool(pass_through)))
    return done


@torch.no_grad()
def _codes(
    run: AnyRun, data: str | Path, pass_through: Sequence[str], options: Options, rows: int, device: str
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    encoder = run.parts()["encoder"].to(device)
    left = rows
    for block in open_rows(data, run.preparation, pass_through=pass_through, options=options):
        x = torch.from_numpy(block.x[:left]).to(device)
        yield encoder(x).flatten(1).cpu().numpy(), {name: v[:left] for name, v in block.pass_through.items()}
        left -= len(x)
        if not left:
            return


def _metadata(names: Sequence[str], blocks: Sequence[dict[str, np.ndarray]]) -> str:
    """One line per row; the names in a first line only if there are several columns, as TensorBoard wants it."""
    columns = [[_words(value) for block in blocks for value in block[name].tolist()] for name in names]
    lines = ["\t".join(row) for row in zip(*columns, strict=True)]
    head = ["\t".join(map(_words, names))] if len(names) > 1 else []
    return "\n".join([*head, *lines]) + "\n"


def _words(value: object) -> str:
    """On one line and not empty: TensorBoard skips lines without text."""
    return ("" if value is None else str(value)).translate(_BREAKS).strip() or "-"


def _config(run: AnyRun, *, described: bool) -> str:
    name = run.folder.resolve().name.replace("\\", "").replace('"', "") or "run"
    lines = [f'tensor_name: "codes of {name}"', f'tensor_path: "{TENSORS}"']
    lines += [f'metadata_path: "{METADATA}"'] if described else []
    return "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n"
