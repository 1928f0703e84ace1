"""`contractive train`: begin or go on, say how it went."""

import shlex
import sys
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from contractive.cli._tables import figures_table
from contractive.data import Options, Split, load
from contractive.runs import Settings, Trained, load_again, open_run, source_of, train
from contractive.runs._folder import Files
from contractive.training import TrainingDiverged, is_first_process
from contractive.training._checks import check_device, check_seconds, check_strategy

_WITH_RESUME = {"out", "data", "resume", "quiet", "checkpoint_seconds"}


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
    if data is None:
        raise ValueError("DATA must be given for a new run, got none. For instance: contractive train digits --out run")
    check_device(settings.device)
    check_strategy(settings.strategy)
    check_seconds(checkpoint_seconds)
    if is_first_process():  # the others begin when it has written there already
        Files(out).check(force=force)
    source = source_of(data, data_dir, options)
    split = load(data, data_dir=data_dir, seed=settings.seed, options=options)
    settings = settings.completed(split)
    _run(split, settings, out, source, checkpoint_seconds, force=force, resume=False, quiet=quiet)


def go_on(context: typer.Context, out: Path, data: str | None, checkpoint_seconds: float, *, quiet: bool) -> None:
    """The run in the folder, from its last checkpoint."""
    _refuse_other_options(context)
    run = open_run(out)
    split = load_again(run, data)
    if run.finished:
        if not quiet:
            Console(stderr=True).print(
                f"{escape(str(out))} is finished already; nothing was left to do.", highlight=False
            )
        return
    _run(split, run.settings, out, {}, checkpoint_seconds, force=False, resume=True, quiet=quiet)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _refuse_other_options(context: typer.Context) -> None:
    given = (name for name in context.params if name not in _WITH_RESUME and _is_given(context, name))
    other = next(given, None)
    if other:
        option = f"--{other.replace('_', '-')}"
        raise ValueError(
            f"--resume must come without other settings, got {option}: the run keeps its own. Leave it out."
        )


def _run(
    split: Split,
    settings: Settings,
    out: Path,
    source: dict[str, Any],
    checkpoint_seconds: float,
    *,
    force: bool,
    resume: bool,
    quiet: bool,
) -> None:
    console = Console(stderr=True, quiet=quiet or not is_first_process(), highlight=False)
    for note in split.notes:
        console.print(f"[dim]Note: {escape(note)}[/]", soft_wrap=True)
    try:
        trained = train(
            split,
            settings,
            out,
            source=source,
            command=shlex.join(["contractive", *sys.argv[1:]]),
            force=force,
            resume=resume,
            progress=not console.quiet and sys.stderr.isatty(),
            checkpoint_seconds=checkpoint_seconds,
        )
    except TrainingDiverged as error:
        raise ValueError(f"{error} Here: a smaller --learning-rate or --weight, or --gradient-clip 1.") from error
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
            f"Weight found: [bold]{found['weight']:.4g}[/]; reconstruction costs {found['price_paid']:+.1%} of the"
            f" {found['price_allowed']:.0%} allowed, ‖J‖² fell from {found['reference']['val_squared_norm']:.4g} to"
            f" {trained.history['val_squared_norm'][-1]:.4g}.",
            soft_wrap=True,
        )
    for warning in trained.metrics["warnings"]:
        console.print(f"[bold yellow]Warning[/]: {escape(warning)}", soft_wrap=True)
    if trained.metrics["penalty_path"]:
        console.print(f"Jacobian norm in training: {escape(trained.metrics['penalty_path'])}", soft_wrap=True)
    console.print(f"Run: [bold]{escape(str(trained.folder))}[/]", soft_wrap=True)
