"""The commands that train a run: `train` and `classify`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import begin_run, command_line, refuse_collapsed, resumable, resume_command
from contractive.cli._console import Console, bold
from contractive.cli._info import classifier_tables, metrics_table
from contractive.cli._settings import Group
from contractive.core.signals import exit_code
from contractive.studies.runs import AutoencoderRun, AutoencoderSettings, ClassifierRun, ClassifierSettings, open_run

_PANELS = {"network": "Network", "training": "Training"}


@command("train table.csv --label class --weight 0.1 -o run")
def train(
    *,
    context: typer.Context,
    data: options.OptionalSource = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the run: model, settings, history, metrics, checkpoints.")
    ],
    settings: Annotated[AutoencoderSettings, Group("Objective", _PANELS)],
    data_dir: options.DataDir = None,
    reading: options.DataOptions,
    checkpoint_seconds: options.CheckpointSeconds = 10.0,
    resume: options.Resume = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """An interrupted run loses nothing: run it again with --resume, and it ends with the same weights.

    Afterwards: `contractive info RUN`, `contractive encode RUN DATA -o codes.csv`, `contractive analyze RUN DATA -o
    DIR`.
    """
    from contractive.studies.runs import train as work
    from contractive.training import is_first_process

    console = Console(quiet=quiet or not is_first_process())
    begun = begin_run(context, AutoencoderRun, settings, reading, settings.training.seed, console)
    if begun is None:
        refuse_collapsed(open_run(out).finished_metrics())
        return
    try:
        trained = work(
            *begun,
            out,
            command=command_line(),
            force=force,
            resume=resume,
            progress=not console.quiet and sys.stderr.isatty(),
            checkpoint_seconds=checkpoint_seconds,
        )
    except KeyboardInterrupt as error:
        run = open_run(out) if (out / "config.json").exists() else None
        epochs = len(run.history()) if run is not None and run.files.model.exists() else 0
        kept = "before the first checkpoint"
        if epochs:
            kept = f"after {epochs} epochs; the best model so far is kept"
        elif run is not None and any(run.files.checkpoints.glob("*.ckpt")):
            kept = "in training; what is done is kept"
        console.note(f"Stopped {kept}. {resume_command(out)}")
        raise typer.Exit(exit_code(error)) from None
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
            f". It changes the reconstruction error by {increase:+.1%}, at most {allowed:.0%} was allowed; ‖J‖² is"
            f" {after:.4g} instead of {before:.4g}.",
        )
    refuse_collapsed(metrics)


_PRETRAINING = ("objective", "weight", "loss", "pretraining_epochs", "pretraining_rate", "pretraining_batch_size")
_PANELS = {
    **dict.fromkeys(("hidden", "activation", "decoder", "output"), "Network"),
    **dict.fromkeys(_PRETRAINING, "Pretraining, without labels"),
}


@command("classify table.csv --label class -o run")
def classify(
    *,
    context: typer.Context,
    data: options.OptionalSource = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for the run: model, settings, histories, metrics, page.")
    ],
    settings: Annotated[ClassifierSettings, Group("Fine-tuning, with labels", _PANELS)],
    data_dir: options.DataDir = None,
    reading: options.DataOptions,
    checkpoint_seconds: options.CheckpointSeconds = 10.0,
    resume: options.Resume = False,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> None:
    """Each layer is pretrained as a contractive autoencoder on the codes of the one below.

    Then all are trained together on the labels. The epoch is chosen on validation rows, and the test rows are measured
    once. `digits` takes about ten seconds. An interrupted run loses nothing: run it again with --resume. Writes
    report.html: open it in a browser. Afterwards: `contractive predict RUN DATA -o predictions.csv`, `contractive info
    RUN`.
    """
    from contractive.report import classifier_html, classifier_sentences, write_page
    from contractive.studies.runs import train

    console, stage = Console(quiet=quiet), "the beginning"
    begun = begin_run(context, ClassifierRun, settings, reading, settings.seed, console)
    if begun is None:
        run = open_run(out, ClassifierRun)
        write_page(classifier_html(run), out / "report.html")
        refuse_collapsed(run.finished_metrics())
        return
    with resumable(console, out, lambda: stage):
        with console.progress() as progress:

            def on_progress(what: str, done: int, total: int) -> None:
                nonlocal stage
                stage = what
                progress(what, done, total)

            train(
                *begun,
                out,
                command=command_line(),
                force=force,
                resume=resume,
                checkpoint_seconds=checkpoint_seconds,
                on_progress=on_progress,
            )
        run = open_run(out, ClassifierRun)
        page = write_page(classifier_html(run), out / "report.html")
    metrics = run.finished_metrics()
    classifier_tables(console, metrics)
    console.warnings(metrics.warnings)
    console.line("Run: ", bold(out))
    console.line("Report: ", bold(page))
    verdict, *others = classifier_sentences(run)
    for sentence in (*others, verdict):
        console.line(sentence)
    refuse_collapsed(metrics)
