"""Write codes for TensorBoard's embedding projector, which shows them by PCA, t-SNE or UMAP, offline."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from pyarrow import csv as pa_csv

from contractive.core.errors import InvalidValue
from contractive.core.files import replace_file, write_text
from contractive.data import SETS, DataError, Options, open_rows
from contractive.studies.runs import Run

MOST_ROWS = 100_000  # what the projector itself loads
TENSORS, METADATA, CONFIG = "tensors.tsv", "metadata.tsv", "projector_config.pbtxt"
_LINES = pa_csv.WriteOptions(include_header=False, delimiter="\t")
_BREAKS = str.maketrans("\t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", " " * 11)


@torch.no_grad()
def project(
    run: Run[Any, Any],
    data: str | Path,
    out: str | Path,
    *,
    pass_through: Sequence[str] | None = None,
    options: Options = Options(),  # noqa: B008
    rows: int = 10_000,
    device: str = "cpu",
    overwrite: bool = False,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> int:
    """Write the codes of the first rows of `data` for TensorBoard's projector, and return how many rows there were.

    Three files in the folder: `tensors.tsv`, `metadata.tsv` (the columns passed through) and `projector_config.pbtxt`.

    Args:
        run: A run with a trained model.
        data: Raw rows, prepared as in training, in constant memory.
        out: A log folder, made if missing.
        pass_through: Columns that label and colour the points, as in `runs.encode`; None for the labels of a named set.
        options: How to read `data`.
        rows: At most so many; up to 100,000.
        device: Where to compute.
        overwrite: Replace the files of an earlier call.
        on_progress: Called with the number of rows done.

    Raises:
        DataError: Data that do not fit the run, or no rows.
        InvalidValue: A number of rows out of range; files that exist.
    """
    folder = Path(out)
    if not 1 <= rows <= MOST_ROWS:
        raise InvalidValue("rows", f"be from 1 to {MOST_ROWS}", rows, "The projector loads no more.")
    if (folder / CONFIG).exists() and not overwrite:
        raise InvalidValue("out", "be a folder without a projection", folder, "Replace it with `force`.")
    if folder.exists() and not folder.is_dir():
        raise InvalidValue("out", "be a folder", f"the file {folder}", "Choose another one.")
    names = (("label",) if str(data) in SETS else ()) if pass_through is None else pass_through
    columns: dict[str, list[Any]] = {name: [] for name in names}
    encoder, done = run.parts()["encoder"].to(device), 0

    def write(path: str) -> None:
        nonlocal done
        with open(path, "wb") as file:
            for block in open_rows(data, run.preparation, pass_through=names, options=options):
                x = torch.from_numpy(block.x[: rows - done]).to(device)
                codes = encoder(x).flatten(1).cpu().numpy()
                pa_csv.write_csv(pa.table({str(unit): values for unit, values in enumerate(codes.T)}), file, _LINES)
                for name in names:
                    columns[name] += block.pass_through[name][: len(x)].tolist()
                done += len(x)
                on_progress(done)
                if done == rows:
                    break
        if not done:
            raise DataError(field="data", rule="hold rows", got=f"none in {data}", remedy="There is nothing to show.")

    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)  # without it the other files are not looked at, should one be replaced
    replace_file(folder / TENSORS, write)
    title = run.folder.resolve().name.replace("\\", "").replace('"', "") or "run"
    lines = [f'tensor_name: "codes of {title}"', f'tensor_path: "{TENSORS}"']
    if names:
        # TensorBoard wants the names in a first line only if there are several columns
        table = [names] if len(names) > 1 else []
        table += zip(*columns.values(), strict=True)
        write_text(folder / METADATA, "".join("\t".join(map(_one_line, row)) + "\n" for row in table))
        lines += [f'metadata_path: "{METADATA}"']
    else:
        (folder / METADATA).unlink(missing_ok=True)
    write_text(folder / CONFIG, "embeddings {\n" + "".join(f"  {line}\n" for line in lines) + "}\n")
    return done


def _one_line(value: object) -> str:
    """The value on one line and not empty: TensorBoard skips lines without text."""
    return ("" if value is None else str(value)).translate(_BREAKS).strip() or "-"
