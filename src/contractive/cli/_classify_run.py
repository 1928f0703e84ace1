"""`contractive classify`: begin or go on with a bar for each stage, say how it went, write the page."""

from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from contractive.cli._begin import check_given, command_line, diverged, refuse_other_options, say_finished, say_notes
from contractive.cli._tables import classifier_table, layers_table, say_warnings
from contractive.data import Options, Split, load
from contractive.report import classifier_sentences, write_classifier
from contractive.studies.classifier_runs import Settings, open_classifier, train
from contractive.studies.runs import load_again
from contractive.studies.runs._folder import Files
from contractive.training import TrainingDiverged, check_device, check_seconds


def begin(
    data: str | None,
    data_dir: Path | None,
    options: Options,
    settings: Settings,
    out: Path,
    checkpoint_seconds: float,
    *,
    force: bool,
    quiet: bool,
) -> None:
    """A new run."""
    data = check_given(data, "contractive classify digits --out run")
    check_device(settings.device)
    check_seconds(checkpoint_seconds)
    Files(out).check(force=force)
    split = load(data, data_dir=data_dir, seed=settings.seed, options=options)
    _run(split, settings, out, checkpoint_seconds, force=force, resume=False, quiet=quiet)


def go_on(context: typer.Context, out: Path, data: str | None, checkpoint_seconds: float, *, quiet: bool) -> None:
    """The run in the folder, from its last checkpoint."""
    refuse_other_options(context)
    run = open_classifier(out)
    split = load_again(run, data)
    if run.finished:
        write_classifier(run, Files(out).report)
        say_finished(out, quiet=quiet)
        return
    _run(split, run.settings, out, checkpoint_seconds, force=False, resume=True, quiet=quiet)


def _run(
    split: Split,
    settings: Settings,
    out: Path,
    checkpoint_seconds: float,
    *,
    force: bool,
    resume: bool,
    quiet: bool,
) -> None:
    console = Console(stderr=True, quiet=quiet, highlight=False)
    say_notes(console, split)
    stages = _Stages(console)
    try:
        with stages:
            train(
                split,
                settings,
                out,
                command=command_line(),
                force=force,
                resume=resume,
                checkpoint_seconds=checkpoint_seconds,
                watch=stages.watch,
            )
        _finish(out, quiet=quiet)
    except TrainingDiverged as error:
        raise diverged(error, "Here: a smaller --learning-rate, --pretraining-rate or --weight.") from error
    except KeyboardInterrupt:
        remedy = open_classifier(out).remedy
        console.print(escape(f"\nStopped in {stages.name or 'the beginning'}. {remedy}"), soft_wrap=True)
        raise typer.Exit(130) from None


def _finish(out: Path, *, quiet: bool) -> None:
    run = open_classifier(out)
    page = write_classifier(run, Files(out).report)
    if quiet:
        return
    console = Console(highlight=False)
    metrics = run.metrics()
    console.print(classifier_table(metrics))
    if metrics["pretraining"]:
        console.print(layers_table(metrics))
    for sentence in classifier_sentences(run):
        console.print(escape(sentence), soft_wrap=True)
    say_warnings(console, metrics["warnings"])
    console.print(f"Run: [bold]{escape(str(out))}[/]", soft_wrap=True)
    console.print(f"Report: [bold]{escape(str(page))}[/]", soft_wrap=True)


class _Stages:
    """A bar for each stage, made when the stage begins."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("[dim]{task.fields[unit]}"),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, console=console, disable=console.quiet or not console.is_terminal)
        self._bars: dict[str, TaskID] = {}
        self.name = ""

    def __enter__(self) -> "_Stages":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def watch(self, stage: str, done: int, total: int) -> None:
        """Move the bar of this stage."""
        if stage not in self._bars:
            unit = "rows" if stage == "directions" else "epochs"
            self._bars[stage] = self._progress.add_task(stage, total=total, unit=unit)
        self.name = stage
        self._progress.update(self._bars[stage], completed=done)
