"""The command `predict`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import app, report_user_errors
from contractive.cli._groups import in_groups
from contractive.cli._parse import words


@app.command(epilog="Example:  contractive predict run table.csv -o predictions.csv --pass-through id")
@report_user_errors
@in_groups
def predict(
    *,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `contractive classify` wrote.")],
    data: options.Source,
    out: options.OutFile,
    pass_through: options.PassThrough = None,
    label: Annotated[
        str | None,
        typer.Option(
            help="Column of the classes to compare with.",
            show_default="that of training, where DATA have it",
            rich_help_panel=options.DATA,
        ),
    ] = None,
    reading: options.Reading,
    device: options.Device = "cpu",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Write class and probabilities of every row, in constant memory; tell the accuracy where DATA have labels.

    The data are prepared as in training; columns may come in another order, but not be others. In a .npy file texts
    have no place: classes that are texts need .csv or .parquet.
    """
    from contractive.cli._use_run import predict as go

    wishes = options.data_options(reading, label=label)
    go(run, data, out, words(pass_through), wishes, device, force=force, quiet=quiet)
