"""`contractive sweep`: run it with a progress bar, print the table, write the report."""

import shlex
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from contractive.cli._begin import diverged
from contractive.cli._compare_run import processors
from contractive.data import Options, load
from contractive.report import sweep_sentences, write_sweep_report
from contractive.studies.runs import Settings
from contractive.studies.sweep import Sweep, SweepSettings, SweepTrial
from contractive.studies.sweep import sweep as sweep_weights
from contractive.training import TrainingDiverged

_COLUMNS = {"error": "error ↓", "sensitivity": "sensitivity ↓", "accuracy": "accuracy ↑", "squared_norm": "‖J‖² ↓"}
_TESTED = ("error", "sensitivity", "accuracy")


def run(
    data: str,
    data_dir: Path | None,
    options: Options,
    fits: Settings,
    weights: tuple[float, ...] | None,
    trials: int,
    seeds: int,
    jobs: int | None,
    out: Path,
    *,
    accuracy: bool,
    force: bool,
    quiet: bool,
) -> None:
    """Do what the command says."""
    if weights is not None:  # 0 is fitted anyhow, and twice the same would be the same
        weights = tuple(dict.fromkeys(weight for weight in weights if weight))
    jobs = jobs if jobs is not None else processors()
    settings = SweepSettings(fits, weights, trials, seeds, accuracy, jobs)
    split = load(data, data_dir=data_dir, seed=fits.seed, options=options)
    console = Console(stderr=True, quiet=quiet, highlight=False)
    for note in split.notes:
        console.print(f"[dim]Note: {note}[/]", soft_wrap=True)
    columns = (
        TextColumn("[bold]Trials"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    try:
        with Progress(*columns, console=console, disable=quiet) as progress:
            bar = progress.add_task("", total=None)

            def watch(what: str, done: int, total: int) -> None:
                progress.update(bar, description=f"[dim]{what}", completed=done, total=total)

            command = shlex.join(["contractive", *sys.argv[1:]])
            found = sweep_weights(split, settings, out, command=command, force=force, watch=watch)
    except TrainingDiverged as error:
        raise diverged(error, "This was the model without a penalty: use a smaller --learning-rate.") from error
    except BrokenProcessPool as error:
        raise ValueError("every process must live on, got one killed, probably for memory. Use --jobs 1.") from error
    except KeyboardInterrupt:
        console.print("\nStopped. What is finished is kept: run the same command again to go on.", soft_wrap=True)
        raise typer.Exit(130) from None
    page = write_sweep_report(found, out / "report.html")
    if not quiet:
        _say(found, out, page)


def _say(sweep: Sweep, out: Path, page: Path) -> None:
    console = Console(highlight=False)
    console.print(_table(sweep))
    for warning in sweep.yardstick.warnings:
        console.print(f"[bold yellow]Warning[/], without penalty: {warning}", soft_wrap=True)
    for trial in sweep.pruned:
        console.print(f"[dim]Pruned: weight {trial.weight:.3g}, {trial.reason}[/]", soft_wrap=True)
    console.print(sweep_sentences(sweep)[0], style="bold", soft_wrap=True)
    console.print(f"Report: [bold]{page}[/]", soft_wrap=True)
    console.print(f"Best run: [bold]{out / 'best'}[/] (contractive info {out / 'best'})", soft_wrap=True)


def _table(sweep: Sweep) -> Table:
    data, seeds = sweep.data, sweep.settings["seeds"]
    table = Table(
        title=f"{data['name']}: {sweep.settings['run']['objective']}, {'one seed' if seeds == 1 else f'{seeds} seeds'}",
        title_justify="left",
        caption="Validation rows choose; test rows are only shown. Sensitivity is scale-free. ● on the Pareto front.",
        caption_justify="left",
    )
    names = [name for name in _COLUMNS if name in sweep.yardstick.figures]
    tested = [name for name in _TESTED if name in sweep.yardstick.test]
    for heading in ("weight", *(_COLUMNS[name] for name in names), *(f"test {_COLUMNS[name]}" for name in tested)):
        table.add_column(heading, justify="right")
    table.add_column("")
    for trial in sweep.complete:
        style = "bold" if trial.number == sweep.knee else None
        mark = "● knee" if trial.number == sweep.knee else "●" if trial.number in sweep.front else ""
        cells = [_cell(trial, name) for name in names] + [_number(name, trial.test[name]) for name in tested]
        table.add_row(f"{trial.weight:.3g}" if trial.weight else "none", *cells, mark, style=style)
    return table


def _cell(trial: SweepTrial, name: str) -> str:
    spread = f" ± {trial.spread[name]:.1g}" if trial.spread else ""
    return _number(name, trial.figures[name]) + spread


def _number(name: str, figure: float) -> str:
    return f"{figure:.3f}" if name == "accuracy" else f"{figure:.4g}"
