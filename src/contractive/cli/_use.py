"""The commands that use a run: `encode`, `reconstruct`, `info`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import app, report_user_errors
from contractive.cli._groups import in_groups
from contractive.cli._parse import words

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `contractive train` wrote.")]


@app.command(epilog="Example:  contractive encode run table.csv -o codes.csv --pass-through id")
@report_user_errors
@in_groups
def encode(
    *,
    run: options.EitherRun,
    data: options.Source,
    out: options.OutFile,
    pass_through: options.PassThrough = None,
    reading: options.Reading,
    device: options.Device = "cpu",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the code of every row, in constant memory; of a classifier that of its fine-tuned layers.

    The data are prepared as in training; columns may come in another order, but not be others.
    """
    from contractive.cli._use_run import use

    wishes = options.data_options(reading)
    use("encode", run, data, out, words(pass_through), wishes, device, force=force, quiet=quiet)


@app.command(epilog="Example:  contractive reconstruct run table.csv -o cleaned.csv")
@report_user_errors
@in_groups
def reconstruct(
    *,
    run: RunFolder,
    data: options.Source,
    out: options.OutFile,
    pass_through: options.PassThrough = None,
    reading: options.Reading,
    device: options.Device = "cpu",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Write the reconstruction of every row, in the data's own columns and units."""
    from contractive.cli._use_run import use

    wishes = options.data_options(reading)
    use("reconstruct", run, data, out, words(pass_through), wishes, device, force=force, quiet=quiet)


@app.command(epilog="Example:  contractive info run")
@report_user_errors
def info(
    run: options.EitherRun,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON and nothing else.")] = False,
) -> None:
    """Say what a run is: data, network, training, figures, versions, and how to repeat it."""
    from contractive.cli._info_run import tell

    tell(run, as_json=json)
