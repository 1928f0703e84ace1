"""The command `report`."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from contractive.cli._app import command
from contractive.cli._console import Console
from contractive.core.errors import ContractiveError


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
    pages = {name: page for name, page in _PAGES.items() if (folder / name).is_file()}
    if "metrics.json" in pages and not _holds_classifier(folder):
        del pages["metrics.json"]
    if not pages:
        raise ContractiveError(**_nothing(folder))
    for name, (made_by, write) in pages.items():
        try:
            page = write(folder)
        except (AttributeError, LookupError, TypeError) as error:
            got = f"a {name} that was changed ({type(error).__name__}: {str(error)[:80]})"
            again = f"Run contractive {made_by} again."
            raise ContractiveError(
                field=str(folder), rule="hold results as they were written", got=got, remedy=again
            ) from error
        Console().line("Report: ", page)


def _comparison(folder: Path) -> Path:
    from contractive.report import write_comparison
    from contractive.studies.compare import Results

    return write_comparison(Results.read(folder), folder / "report.html")


def _analysis(folder: Path) -> Path:
    from contractive.report import write_analysis
    from contractive.studies.sections import read_analysis

    return write_analysis(read_analysis(folder), folder / "report.html")


def _sweep(folder: Path) -> Path:
    from contractive.report import write_sweep
    from contractive.studies.sweep import Sweep

    return write_sweep(Sweep.read(folder), folder / "report.html")


def _classifier(folder: Path) -> Path:
    from contractive.report import write_classifier
    from contractive.studies.runs import ClassifierRun, open_run

    return write_classifier(open_run(folder, ClassifierRun), folder / "report.html")


_PAGES: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "results.json": ("compare", _comparison),
    "analysis.json": ("analyze", _analysis),
    "sweep.json": ("sweep", _sweep),
    "metrics.json": ("classify", _classifier),
}


def _holds_classifier(folder: Path) -> bool:
    from contractive.studies.runs import ClassifierRun, RunError, open_run

    try:
        return isinstance(open_run(folder), ClassifierRun)
    except RunError:
        return False


def _nothing(folder: Path) -> Any:
    """Say why there is nothing to make a page of, and what helps."""
    from contractive.studies.illustrations import TOPICS

    error = {"field": "folder", "rule": "be a folder that `contractive compare`, `analyze` or `sweep` wrote"}
    illustrations = [name for name in TOPICS if (folder / f"{name}.html").is_file()]
    if (folder / "config.json").is_file():
        remedy = f"`contractive analyze {folder} DATA -o DIR` measures it and makes its page."
        return {**error, "got": f"{folder} with a model", "remedy": remedy}
    if illustrations:
        remedy = f"`contractive illustrate {illustrations[0]} -o {folder}` makes one again."
        return {**error, "got": f"{folder} with illustrations, whose pages hold all there is", "remedy": remedy}
    return {**error, "got": f"{folder} without their results", "remedy": "Give the folder they wrote to."}
