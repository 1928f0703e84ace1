"""The command `train`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import app, report_user_errors
from contractive.cli._groups import in_groups
from contractive.cli._options import MACHINE
from contractive.cli._parse import number


@app.command(epilog="Example:  contractive train table.csv --label class --weight 0.1 --out run")
@report_user_errors
@in_groups
def train(
    *,
    context: typer.Context,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the run: model, configuration, history, figures, checkpoints."),
    ],
    data: options.OptionalSource = None,
    objective: Annotated[
        str,
        typer.Option(
            help="contractive, higher_order, reconstruction_contractive, contractive_denoising, denoising, sparse, l1,"
            " weight_decay or standard."
        ),
    ] = "contractive",
    weight: Annotated[
        str,
        typer.Option(
            help="Of the penalty (denoising: sigma of the noise), or [bold]auto[/]: the largest that costs no more"
            " reconstruction than --max-error-increase."
        ),
    ] = "auto",
    max_error_increase: Annotated[
        float | None,
        typer.Option(
            help="With --weight auto: allowed increase of the reconstruction error over the same network without"
            " penalty.",
            show_default="0.1, ten per cent",
        ),
    ] = None,
    fitting: options.Fitting,
    data_dir: options.DataDir = None,
    preparing: options.Preparing,
    reading: options.Reading,
    device: options.Device = "auto",
    precision: options.Precision = "32",
    devices: Annotated[
        int, typer.Option(help="Processes on this machine, one per device.", rich_help_panel=MACHINE)
    ] = 1,
    num_nodes: Annotated[int, typer.Option(help="Machines.", rich_help_panel=MACHINE)] = 1,
    strategy: Annotated[str, typer.Option(help="Lightning's, for instance ddp.", rich_help_panel=MACHINE)] = "auto",
    checkpoint_seconds: options.CheckpointSeconds = 10.0,
    resume: options.Resume = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Train an autoencoder on your data into a folder that can be resumed, used and looked at.

    Nothing is lost when it is broken off: run it again with --resume and it ends with the same weights. Afterwards:
    `contractive info RUN`, `contractive encode RUN DATA -o codes.csv`, `contractive analyze RUN DATA --out DIR`.
    """
    from contractive.cli._train_run import begin, go_on

    if resume:
        go_on(context, out, data, checkpoint_seconds, quiet=quiet)
        return
    from contractive.studies.runs import Settings

    settings = Settings(
        **fitting.said(),
        objective=objective,
        weight=None if weight == "auto" else number(weight, "--weight"),
        max_error_increase=max_error_increase,
        device=device,
        precision=precision,
        devices=devices,
        num_nodes=num_nodes,
        strategy=strategy,
    )
    wishes = options.data_options(preparing, reading)
    begin(data, data_dir, wishes, settings, out, checkpoint_seconds, force=force, quiet=quiet)
