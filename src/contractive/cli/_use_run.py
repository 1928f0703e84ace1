"""`contractive encode`, `reconstruct` and `predict`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from contractive.data import Options
from contractive.studies import classifier_runs, runs
from contractive.studies.classifier_runs import open_any, open_classifier
from contractive.studies.runs import is_training_data
from contractive.studies.runs._apply import Watch


def use(
    what: str,
    folder: Path,
    data: str,
    output: Path,
    pass_through: tuple[str, ...],
    options: Options,
    device: str,
    *,
    force: bool,
    quiet: bool,
) -> None:
    """Encode or reconstruct."""
    with _watching(quiet) as watch:
        work, opens = {"encode": (runs.encode, open_any), "reconstruct": (runs.reconstruct, runs.open_run)}[what]
        rows = work(
            opens(folder),
            data,
            output,
            pass_through=pass_through,
            options=options,
            device=_place(device),
            overwrite=force,
            watch=watch,
        )
    if not quiet:
        _say_written(rows, output)


def predict(
    folder: Path,
    data: str,
    output: Path,
    pass_through: tuple[str, ...],
    options: Options,
    device: str,
    *,
    force: bool,
    quiet: bool,
) -> None:
    """Classes and probabilities; the accuracy where there are labels."""
    run, place = open_classifier(folder), _place(device)
    with _watching(quiet) as watch:
        found = classifier_runs.predict(
            run, data, output, pass_through=pass_through, options=options, device=place, overwrite=force, watch=watch
        )
    if quiet:
        return
    _say_written(found.rows, output)
    if found.labelled:
        low, high = found.interval
        trained = ", those it was trained on among them" if is_training_data(run, data) else ""
        Console(highlight=False).print(
            f"Accuracy: [bold]{found.accuracy:.1%}[/] (95 % interval {100 * low:.1f} to {high:.1%}) of"
            f" {found.labelled:,} labelled rows{trained}.",
            soft_wrap=True,
        )


def _place(device: str) -> str:
    return "cpu" if device == "auto" else device


def _say_written(rows: int, output: Path) -> None:
    Console(highlight=False).print(f"{rows:,} rows: [bold]{escape(str(output))}[/]", soft_wrap=True)


@contextmanager
def _watching(quiet: bool) -> Iterator[Watch]:
    """A spinner that counts rows."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("reading")
        yield lambda rows: progress.update(bar, description=f"{rows:,} rows")
