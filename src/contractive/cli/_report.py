"""The command `report`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from contractive.cli._app import command
from contractive.cli._console import Console, bold
from contractive.core.errors import InvalidValue


@command("report demo")
def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder that `contractive compare`, `analyze`, `sweep` or `classify` wrote."
        ),
    ],
) -> None:
    """The results are those of a comparison, an analysis, a sweep or a classifier."""
    from contractive import report as pages
    from contractive.studies.compare import Results
    from contractive.studies.illustrations import TOPICS
    from contractive.studies.runs import ClassifierRun, open_run
    from contractive.studies.sections import read_analysis
    from contractive.studies.sweep import Sweep

    page = folder / "report.html"
    writers: dict[str, Callable[[], Path]] = {  # by the file that only results of this kind have
        "results.json": lambda: pages.write_comparison(Results.read(folder), page),
        "analysis.json": lambda: pages.write_analysis(read_analysis(folder), page),
        "sweep.json": lambda: pages.write_sweep(Sweep.read(folder), page),
        "mistakes.npz": lambda: pages.write_classifier(open_run(folder, ClassifierRun), page),
    }
    found = [write for name, write in writers.items() if (folder / name).is_file()]
    for write in found:
        Console().line("Report: ", bold(write()))
    if found:
        return
    illustrations = [name for name in TOPICS if (folder / f"{name}.html").is_file()]
    got, remedy = f"{folder} without their results", "Give the folder they wrote to."
    if (folder / "config.json").is_file():
        got = f"{folder} with a model"
        remedy = f"`contractive analyze {folder} DATA -o DIR` measures it and makes its page."
    elif illustrations:
        got = f"{folder} with illustrations, whose pages hold all there is"
        remedy = f"`contractive illustrate {illustrations[0]} -o {folder}` makes one again."
    raise InvalidValue("folder", "be a folder that `contractive compare`, `analyze` or `sweep` wrote", got, remedy)
