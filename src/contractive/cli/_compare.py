"""The command `compare`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import app, report_user_errors
from contractive.cli._groups import in_groups
from contractive.cli._options import LossName
from contractive.cli._parse import numbers, words


@app.command(epilog="Example:  contractive compare mnist --data-dir ~/data --max-epochs 5 --out mnist")
@report_user_errors
@in_groups
def compare(
    *,
    data: options.Source,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for results.json, results.csv and report.html.")],
    objectives: Annotated[
        str,
        typer.Option(
            help="Which, with commas: standard, denoising, sparse, contractive, higher_order,"
            " reconstruction_contractive, contractive_denoising, l1, weight_decay."
        ),
    ] = "standard,denoising,sparse,contractive",
    seeds: Annotated[int, typer.Option(help="Fits per variant; the table shows mean and spread over them.")] = 3,
    max_epochs: Annotated[
        int | None, typer.Option(help="Passes over the data.", show_default="40, or 10 above 5000 rows")
    ] = None,
    max_error_increase: Annotated[
        float,
        typer.Option(
            help="Each variant gets its strongest setting that raises the validation reconstruction error by at"
            " most this share over the standard model's."
        ),
    ] = 0.2,
    weight: Annotated[
        float | None,
        typer.Option(help="Fix the weight of the contractive penalty instead of searching it by the error increase."),
    ] = None,
    hidden: options.Hidden = None,
    code: options.Code = None,
    batch_size: options.BatchSize = None,
    learning_rate: options.LearningRate = None,
    loss: Annotated[LossName, typer.Option(help="Reconstruction loss, summed over features.")] = LossName.squared_error,
    data_dir: options.DataDir = None,
    preparing: options.Preparing,
    reading: options.Reading,
    jobs: Annotated[int | None, typer.Option(help="Fits at a time.", show_default="one per processor")] = None,
    force: options.Force = False,
    json: Annotated[bool, typer.Option("--json", help="Print the results as JSON and nothing else.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Train four kinds of autoencoder alike and see what contraction brings, and what it costs.

    Standard, denoising, sparse and contractive autoencoders get the same data split, network, budget and seeds. Each
    penalty is set by one rule, on validation data: as strong as the allowed increase of the error permits.
    Test data are only measured. Prints a table and writes report.html: open it in a browser.
    """
    from contractive.cli._compare_run import Wishes, run

    wishes = Wishes(numbers(hidden, "--hidden"), code, max_epochs, batch_size, learning_rate, loss.value)
    names = words(objectives)
    fixed = {} if weight is None else {"contractive": weight}
    about = options.data_options(preparing, reading)
    run(
        data,
        data_dir,
        about,
        out,
        wishes,
        names,
        seeds,
        max_error_increase,
        fixed,
        jobs,
        force=force,
        as_json=json,
        quiet=quiet,
    )
