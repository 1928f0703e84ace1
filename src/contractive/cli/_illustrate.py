"""The command `illustrate`."""

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from contractive.cli._app import app, report_user_errors

_ALL = "all"


@app.command(epilog="Example:  contractive illustrate manifold")
@report_user_errors
def illustrate(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which, or [bold]all[/]; none lists them.")] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for NAME.html; a page of that name is replaced.")
    ] = Path("illustrations"),
    seed: Annotated[int, typer.Option(help="Of data, weights and noise.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Seconds instead of up to a minute, and rougher.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing.")] = False,
) -> None:
    """Show one phenomenon of contraction on a small problem: numbers, a sentence made from them, pictures.

    Without a NAME the illustrations are listed. Each writes one page that opens offline.
    """
    from contractive.studies.illustrations import TOPICS

    if name is None:
        _list()
        return
    if name != _ALL and name not in TOPICS:
        raise ValueError(f"NAME must be one of {', '.join(TOPICS)} or {_ALL}, got {name!r}. Leave it out for a list.")
    _check_folder(out)
    for chosen in TOPICS if name == _ALL else (name,):
        _one(chosen, out, seed, quick=quick, quiet=quiet)


def _list() -> None:
    from rich.console import Console
    from rich.table import Table

    from contractive.studies.illustrations import TOPICS

    table = Table(title="contractive illustrate NAME", box=None, title_justify="left", pad_edge=False)
    table.add_column("NAME", no_wrap=True, style="bold")
    table.add_column("shows that")
    for topic in TOPICS.values():
        table.add_row(topic.name, topic.line)
    table.add_row(_ALL, "all of them, one after another, a few minutes")
    Console().print(table)


def _check_folder(out: Path) -> None:
    """Refuse what is no folder before the work and not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"--out must be a folder that can be written, got {out}: {error.strerror}. Choose another."
        ) from error


def _one(name: str, out: Path, seed: int, *, quick: bool, quiet: bool) -> None:
    from rich.console import Console

    from contractive.cli._begin import diverged
    from contractive.report import write_illustration
    from contractive.studies.illustrations import TOPICS
    from contractive.training import TrainingDiverged

    topic = TOPICS[name]
    console = Console(stderr=True, quiet=quiet)
    started = time.perf_counter()
    try:
        with console.status(f"{topic.title} ..."):
            result = topic.run(quick, seed)
    except TrainingDiverged as error:
        raise diverged(error, "Here: another --seed.") from error
    page = write_illustration(topic, result, out / f"{name}.html", command=_command(name, seed, quick))
    if not quiet:
        Console().print(
            f"[bold]{topic.title}[/] ({time.perf_counter() - started:.0f} s)\n{result.finding}", highlight=False
        )
        Console().print(f"Page: [bold]{page}[/]\n", soft_wrap=True)


def _command(name: str, seed: int, quick: bool) -> str:
    extra = (["--seed", str(seed)] if seed else []) + (["--quick"] if quick else [])
    return shlex.join(["contractive", "illustrate", name, *extra])
