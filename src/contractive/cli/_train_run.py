"""`contractive train`: begin or go on, say how it went."""

import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from contractive.cli._begin import check_given, command_line, diverged, refuse_other_options, say_finished, say_notes
from contractive.cli._tables import figures_table, say_warnings
from contractive.data import Options, Split, load
from contractive.studies.runs import Settings, Trained, load_again, open_run, train
from contractive.studies.runs._folder import Files
from contractive.training import TrainingDiverged, check_device, check_seconds, check_strategy, is_first_process


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
    data = check_given(data, "contractive train digits --out run")
    check_device(settings.device)
    check_strategy(settings.strategy)
    check_seconds(checkpoint_seconds)
    if is_first_process():  # the others begin when it has written there already
        Files(out).check(force=force)
    split = load(data, data_dir=data_dir, seed=settings.seed, options=options)
    settings = settings.completed(split)
    _run(split, settings, out, checkpoint_seconds, force=force, resume=False, quiet=quiet)


def go_on(context: typer.Context, out: Path, data: str | None, checkpoint_seconds: float, *, quiet: bool) -> None:
    """The run in the folder, from its last checkpoint."""
    refuse_other_options(context)
    run = open_run(out)
    split = load_again(run, data)
    if run.finished:
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
    console = Console(stderr=True, quiet=quiet or not is_first_process(), highlight=False)
    say_notes(console, split)
    try:
        trained = train(
            split,
            settings,
            out,
            command=command_line(),
            force=force,
            resume=resume,
            progress=not console.quiet and sys.stderr.isatty(),
            checkpoint_seconds=checkpoint_seconds,
        )
    except TrainingDiverged as error:
        raise diverged(error, "Here: a smaller --learning-rate or --weight, or --gradient-clip 1.") from error
    except KeyboardInterrupt:
        console.print(escape(_stopped(out)), soft_wrap=True)
        raise typer.Exit(130) from None
    if not console.quiet:
        _say(trained, settings)


def _stopped(out: Path) -> str:
    run = open_run(out)
    epochs = len(run.history())
    kept = f"after {epochs} epochs; the best model so far is kept" if epochs else "before the first checkpoint"
    return f"\nStopped {kept}. {run.remedy}"


def _say(trained: Trained, settings: Settings) -> None:
    console = Console(highlight=False)
    console.print(figures_table(trained.metrics))
    if "weight" in trained.metrics:
        found = trained.metrics
        console.print(
            f"Weight found: [bold]{found['weight']:.4g}[/]; the reconstruction error is {found['error_increase']:+.1%},"
            f" at most {found['max_error_increase']:.0%} was allowed; ‖J‖² fell from"
            f" {found['reference']['val_squared_norm']:.4g} to"
            f" {trained.history['val_squared_norm'][-1]:.4g}.",
            soft_wrap=True,
        )
    say_warnings(console, trained.metrics["warnings"])
    if trained.metrics["penalty_path"]:
        console.print(f"Jacobian norm in training: {escape(trained.metrics['penalty_path'])}", soft_wrap=True)
    console.print(f"Run: [bold]{escape(str(trained.folder))}[/]", soft_wrap=True)
