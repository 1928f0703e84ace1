"""The command `projector`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import app, report_user_errors
from contractive.cli._groups import in_groups
from contractive.cli._parse import words


@app.command(epilog="Example:  contractive projector run table.csv --out logs --pass-through class")
@report_user_errors
@in_groups
def projector(
    *,
    run: options.EitherRun,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Log folder for TensorBoard, made if missing.")],
    pass_through: Annotated[
        str | None,
        typer.Option(help="Columns that label points, with commas.", show_default="labels of named sets"),
    ] = None,
    rows: Annotated[int, typer.Option(help="The first so many rows; at most 100,000.")] = 10_000,
    reading: options.Reading,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Write codes for TensorBoard's projector: points in PCA, t-SNE or UMAP, to turn and to search."""
    from contractive.studies.classifier_runs import open_any
    from contractive.studies.projector import project

    wishes = options.data_options(reading)
    kept = words(pass_through) if pass_through is not None else None
    count = project(open_any(run), data, out, pass_through=kept, options=wishes, rows=rows, overwrite=force)
    if not quiet:
        typer.echo(f"{count:,} rows: {out}. Look at them with: tensorboard --logdir {out}")
