"""`contractive train`: begin or go on, say how it went."""

import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer
from click.core import ParameterSource
from lightning.pytorch.utilities import rank_zero_only
from rich.console import Console

from contractive.cli._tables import figures_table
from contractive.data import Options, Split, load
from contractive.runs import Settings, Trained, open_run, train
from contractive.training import TrainingDiverged

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
    source = {
        "data": data if "/" not in data and not Path(data).exists() else str(Path(data).resolve()),
        "data_dir": str(data_dir.resolve()) if data_dir else None,
        "options": _plain(options),
    }
    split = load(data, data_dir=data_dir, seed=settings.seed, options=options)
    _run(split, settings, out, source, checkpoint_seconds, force=force, resume=False, quiet=quiet)


def go_on(context: typer.Context, out: Path, data: str | None, checkpoint_seconds: float, *, quiet: bool) -> None:
    """The run in the folder, from its last checkpoint."""
    _refuse_other_options(context)
    run = open_run(out)
    source = run.config["data"].get("source") or {}
    if not data and not source.get("data"):
        raise ValueError(f"DATA must be given, got none, and {out} does not say where it came from.")
    options = Options(**{name: tuple(v) if isinstance(v, list) else v for name, v in source["options"].items()})
    split = load(data or source["data"], data_dir=source.get("data_dir"), seed=run.settings.seed, options=options)
    if split.checksum != run.config["data"].get("checksum"):
        raise ValueError(
            f"DATA must be the data that {out} was begun with, got others (checksum {split.checksum[:12]} instead of"
            f" {str(run.config['data'].get('checksum'))[:12]}). Put them back, or start a new run."
        )
    if run.finished:
        if not quiet:
            Console(stderr=True).print(f"{out} is finished already; nothing was left to do.", highlight=False)
        return
    _run(split, run.settings, out, source, checkpoint_seconds, force=False, resume=True, quiet=quiet)


def _refuse_other_options(context: typer.Context) -> None:
    given = (
        name
        for name in context.params
        if name not in _WITH_RESUME and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    )
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
    console = Console(stderr=True, quiet=quiet or rank_zero_only.rank not in (None, 0), highlight=False)
    for note in split.notes:
        console.print(f"[dim]Note: {note}[/]", soft_wrap=True)
    try:
        trained = train(
            split,
            settings,
            out,
            source=source,
            command=shlex.join(["contractive", *sys.argv[1:]]),
            force=force,
            resume=resume,
            progress=not console.quiet,
            checkpoint_seconds=checkpoint_seconds,
        )
    except TrainingDiverged as error:
        raise ValueError(f"{error} Here: a smaller --learning-rate or --weight, or --gradient-clip 1.") from error
    except KeyboardInterrupt:
        console.print(_stopped(out), soft_wrap=True)
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
        console.print(f"[bold yellow]Warning[/]: {warning}", soft_wrap=True)
    if trained.metrics["penalty_path"]:
        console.print(f"Jacobian norm in training: {trained.metrics['penalty_path']}", soft_wrap=True)
    console.print(f"Run: [bold]{trained.folder}[/]", soft_wrap=True)


def _plain(options: Options) -> dict[str, Any]:
    """For `config.json`."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()}
