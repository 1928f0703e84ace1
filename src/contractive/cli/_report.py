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
    pages = [write for name, write in _writers().items() if (folder / name).is_file()]
    if not pages:
        got, remedy = _nothing(folder)
        raise InvalidValue("folder", "be a folder that `contractive compare`, `analyze` or `sweep` wrote", got, remedy)
    for write in pages:
        Console().line("Report: ", bold(write(folder, folder / "report.html")))


def _writers() -> dict[str, Callable[[Path, Path], Path]]:
    """Return who writes the page of each kind of result, by the file that only results of this kind have."""
    from contractive import report
    from contractive.studies.compare import Results
    from contractive.studies.runs import ClassifierRun, open_run
    from contractive.studies.sections import read_analysis
    from contractive.studies.sweep import Sweep

    return {
        "results.json": lambda folder, page: report.write_comparison(Results.read(folder), page),
        "analysis.json": lambda folder, page: report.write_analysis(read_analysis(folder), page),
        "sweep.json": lambda folder, page: report.write_sweep(Sweep.read(folder), page),
        "mistakes.npz": lambda folder, page: report.write_classifier(open_run(folder, ClassifierRun), page),
    }


def _nothing(folder: Path) -> tuple[str, str]:
    """Return why there is nothing to make a page of, and what helps."""
    from contractive.studies.illustrations import TOPICS

    illustrations = [name for name in TOPICS if (folder / f"{name}.html").is_file()]
    if (folder / "config.json").is_file():
        remedy = f"`contractive analyze {folder} DATA -o DIR` measures it and makes its page."
        return f"{folder} with a model", remedy
    if illustrations:
        remedy = f"`contractive illustrate {illustrations[0]} -o {folder}` makes one again."
        return f"{folder} with illustrations, whose pages hold all there is", remedy
    return f"{folder} without their results", "Give the folder they wrote to."
