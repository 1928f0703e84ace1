"""The command `sweep`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import app, report_user_errors
from contractive.cli._groups import in_groups
from contractive.cli._parse import amounts


@app.command(epilog="Example:  contractive sweep digits --weights 0.001,0.01,0.1,1.0 --out sweep")
@report_user_errors
@in_groups
def sweep(
    *,
    context: typer.Context,
    data: options.Source,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", help="Folder for report.html, sweep.json, sweep.csv, best/ (a run) and trials/ (all runs)."
        ),
    ],
    weights: Annotated[
        str | None,
        typer.Option(help="Fit these, with commas, instead of searching. The model without a penalty is added."),
    ] = None,
    trials: Annotated[
        int, typer.Option(help="Of the search, in all: a larger number goes on with a finished one.")
    ] = 16,
    objective: Annotated[
        str,
        typer.Option(
            help="contractive, higher_order, reconstruction_contractive, contractive_denoising, sparse, l1,"
            " weight_decay or denoising (sigma of the noise)."
        ),
    ] = "contractive",
    seeds: Annotated[int, typer.Option(help="Fits per trial; means are judged, the spread is shown.")] = 1,
    accuracy: Annotated[
        bool, typer.Option("--accuracy", help="A third objective: accuracy of a linear probe on the codes.")
    ] = False,
    fitting: options.Fitting,
    data_dir: options.DataDir = None,
    preparing: options.Preparing,
    reading: options.Reading,
    jobs: Annotated[
        int | None,
        typer.Option(
            help="Trials at a time, one thread each.",
            show_default="one per processor",
            rich_help_panel=options.MACHINE,
        ),
    ] = None,
    device: options.Device = "cpu",
    precision: options.Precision = "32",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Find the weight: what each costs in reconstruction, what it buys in steadiness, and the best bargain.

    Trains one autoencoder per weight, judges them on validation rows, draws the front of those that no other beats and
    marks its knee. Nothing is lost when it is broken off: the same command goes on, and several machines may share the
    folder. Afterwards: `contractive info DIR/best`, `contractive encode DIR/best DATA -o codes.csv`.
    """
    from contractive.cli._sweep_run import run
    from contractive.studies.runs import Settings

    given = context.get_parameter_source("trials")
    if weights is not None and given is not None and given.name == "COMMANDLINE":
        raise ValueError("--trials must be left out with --weights, got both. A grid has one trial per weight.")
    fits = Settings(
        **fitting.said(),
        objective=objective,
        device=device,
        precision=precision,
    )
    wishes = options.data_options(preparing, reading)
    grid = amounts(weights, "--weights")
    run(data, data_dir, wishes, fits, grid, trials, seeds, jobs, out, accuracy=accuracy, force=force, quiet=quiet)
