"""The command `illustrate`."""

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from contractive.cli import _options as options
from contractive.cli._app import command
from contractive.cli._begin import check_results
from contractive.cli._console import Console, bold
from contractive.core.errors import ContractiveError, check_choice

_ALL = "all"


@command("illustrate manifold")
def illustrate(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Which, or [bold]all[/]; none lists them.")] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for NAME.html; a page of that name is replaced.")
    ] = Path("illustrations"),
    seed: Annotated[int, typer.Option(help="Random seed of data, weights and noise.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Seconds instead of up to a minute, and rougher.")] = False,
    quiet: options.Quiet = False,
) -> None:
    """Each writes one page with numbers, a sentence made from them and pictures; without a NAME they are listed."""
    from contractive.report import write_illustration
    from contractive.studies.illustrations import TOPICS
    from contractive.training import TrainingDiverged

    console = Console(quiet=quiet and name is not None)
    if name is None:
        rows = [(topic.name, topic.line) for topic in TOPICS.values()]
        every = (_ALL, "all of them, one after another, a few minutes")
        console.table([*rows, every], ("NAME", "shows that"), title="contractive illustrate NAME", left=(0, 1))
        return
    check_choice("name", name, [*TOPICS, _ALL], "Leave it out for a list.")
    check_results(out)
    for topic in TOPICS.values() if name == _ALL else (TOPICS[name],):
        started = time.perf_counter()
        try:
            with console.progress(topic.title):
                result = topic.run(quick=quick, seed=seed)
        except TrainingDiverged as error:
            raise ContractiveError(f"{error} Here: another `seed`.") from error
        seeded = ["--seed", str(seed)] if seed else []
        words = ["contractive", "illustrate", topic.name, *seeded, *["--quick"] * quick]
        page = write_illustration(topic, result, out / f"{topic.name}.html", command=shlex.join(words))
        console.line(bold(topic.title), f" ({time.perf_counter() - started:.0f} s)")
        console.line("Page: ", bold(page))
        console.line(result.finding)
