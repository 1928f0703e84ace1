"""The command `analyze`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import app, report_user_errors
from contractive.cli._groups import in_groups


@app.command(epilog="Example:  contractive analyze run table.csv --out analysis")
@report_user_errors
@in_groups
def analyze(
    *,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `contractive train` wrote.")],
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for analysis.json and report.html.")],
    rows: Annotated[int, typer.Option(help="At most so many rows of each part, evenly spaced.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of noise, points and directions.")] = 0,
    umap: Annotated[
        bool, typer.Option("--umap/--no-umap", help="A map by UMAP, where umap-learn is installed.")
    ] = True,
    data_dir: options.DataDir = None,
    reading: options.Reading,
    label: options.Label = None,
    force: options.Force = False,
    json: Annotated[bool, typer.Option("--json", help="Print analysis.json and nothing else.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure everything about a trained model, and write a page that shows it.

    Where it contracts and where not, which directions it keeps, what its units do, what a classifier on the code
    stands. DATA that the run was trained on are split as they were; any other rows are new ones. Prints a few sentences
    and writes report.html: open it in a browser.
    """
    from contractive.cli._analyze_run import run as go

    wishes = options.data_options(reading, label=label)
    go(run, data, out, wishes, data_dir, rows, seed, umap=umap, force=force, as_json=json, quiet=quiet)
