"""The command `train`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import command_line, load_new, refuse_other_options, resume_command
from contractive.cli._console import Console, bold
from contractive.cli._metrics import metrics_table
from contractive.cli._options import MACHINE
from contractive.cli._parse import number

if TYPE_CHECKING:
    from contractive.data import Split
    from contractive.studies.runs import AutoencoderSettings


@command("train table.csv --label class --weight 0.1 -o run")
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
            help="contractive, standard, denoising, sparse, higher_order, reconstruction_contractive or weight_decay."
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
    reading: options.DataOptions,
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
    """An interrupted run loses nothing: run it again with --resume, and it ends with the same weights.

    Afterwards: `contractive info RUN`, `contractive encode RUN DATA -o codes.csv`, `contractive analyze RUN DATA -o
    DIR`.
    """
    from contractive.studies.runs import AutoencoderRun, AutoencoderSettings, open_run
    from contractive.training import check_seconds, is_first_process

    console = Console(quiet=quiet or not is_first_process())
    if resume:
        refuse_other_options(context)
        run = open_run(out, AutoencoderRun)
        split = run.load_data(data)
        if run.finished:
            console.note(out, " is finished already; nothing was left to do.")
        else:
            _run(split, run.settings, out, console, checkpoint_seconds, resume=True)
        return
    settings = AutoencoderSettings.of(
        **fitting.said(),
        objective=objective,
        weight=None if weight == "auto" else number(weight, "weight"),
        max_error_increase=max_error_increase,
        device=device,
        precision=precision,
        devices=devices,
        num_nodes=num_nodes,
        strategy=strategy,
    )
    settings.check_machine()
    check_seconds(checkpoint_seconds)
    first = is_first_process()  # the others find what it wrote
    split = load_new(context, data, data_dir, reading, out, seed=settings.training.seed, force=force, check=first)
    _run(split, settings.completed(split), out, console, checkpoint_seconds, force=force)


def _run(
    split: "Split",
    settings: "AutoencoderSettings",
    out: Path,
    console: Console,
    checkpoint_seconds: float,
    *,
    force: bool = False,
    resume: bool = False,
) -> None:
    """Train, and print how it went."""
    from contractive.studies.runs import open_run, train

    console.notes(split.notes)
    progress = not console.quiet and sys.stderr.isatty()
    try:
        trained = train(
            split,
            settings,
            out,
            command=command_line(),
            force=force,
            resume=resume,
            progress=progress,
            checkpoint_seconds=checkpoint_seconds,
        )
    except KeyboardInterrupt:
        run = open_run(out)
        epochs = len(run.history())
        kept = f"after {epochs} epochs; the best model so far is kept" if epochs else "before the first checkpoint"
        console.note(f"Stopped {kept}. {resume_command(run)}")
        raise typer.Exit(130) from None
    metrics = trained.metrics
    metrics_table(console, metrics)
    console.warnings(metrics.warnings)
    if metrics.penalty_path:
        console.line("Jacobian norm in training: ", metrics.penalty_path)
    console.line("Run: ", bold(trained.folder))
    if metrics.weight is not None and metrics.reference is not None:
        before, after = metrics.reference["val_squared_norm"], trained.history["val_squared_norm"][-1]
        increase, allowed = metrics.error_increase, metrics.max_error_increase
        console.line(
            "Weight found: ",
            bold(f"{metrics.weight:.4g}"),
            f". It raises the reconstruction error by {increase:.1%}, at most {allowed:.0%} was allowed; ‖J‖² fell from"
            f" {before:.4g} to {after:.4g}.",
        )
