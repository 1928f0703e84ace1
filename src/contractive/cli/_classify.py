"""The command `classify`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import begin_run, command_line, resume_command
from contractive.cli._console import Console, bold
from contractive.cli._info import classifier_tables
from contractive.cli._settings import Group
from contractive.studies.runs import ClassifierRun, ClassifierSettings, open_run

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
    from contractive.report import classifier_sentences, write_classifier
    from contractive.studies.runs import train

    console, stage = Console(quiet=quiet), "the beginning"
    begun = begin_run(context, ClassifierRun, settings, reading, settings.seed, console)
    if begun is None:
        write_classifier(open_run(out, ClassifierRun), out / "report.html")
        return
    try:
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
        page = write_classifier(run, out / "report.html")
    except KeyboardInterrupt:
        console.note(f"Stopped in {stage}. {resume_command(open_run(out))}")
        raise typer.Exit(130) from None
    metrics = run.metrics()
    assert metrics is not None
    classifier_tables(console, metrics)
    console.warnings(metrics.warnings)
    console.line("Run: ", bold(out))
    console.line("Report: ", bold(page))
    verdict, *others = classifier_sentences(run)
    for sentence in (*others, verdict):
        console.line(sentence)
