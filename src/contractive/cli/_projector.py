"""The command `projector`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._console import Console
from contractive.cli._settings import split_words


@command("projector run table.csv -o logs --pass-through class")
def projector(
    *,
    run: options.AnyRunFolder,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Log folder for TensorBoard, made if missing.")],
    pass_through: Annotated[
        str | None,
        typer.Option(help="Columns that label points, with commas.", show_default="labels of named sets"),
    ] = None,
    rows: Annotated[int, typer.Option(help="Number of rows, from the first; at most 100,000.")] = 10_000,
    reading: options.ReadingOptions,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """TensorBoard shows them as points in PCA, t-SNE or UMAP, to turn and to search."""
    from contractive.studies.projector import project
    from contractive.studies.runs import open_run

    kept = split_words(pass_through) if pass_through is not None else None
    count = project(open_run(run), data, out, pass_through=kept, options=reading, rows=rows, overwrite=force)
    Console(quiet=quiet).line(f"{count:,} rows: {out}. Look at them with: tensorboard --logdir {out}")
