"""The command `report`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from contractive.cli._app import app, report_user_errors


@app.command(epilog="Example:  contractive report demo")
@report_user_errors
def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Folder that `contractive compare`, `analyze`, `sweep` or `classify` wrote."
        ),
    ],
) -> None:
    """Write report.html again from the results in a folder: of a comparison, an analysis, a sweep or a classifier."""
    made = {name: make for name, make in _MAKERS.items() if (folder / name).is_file()}
    if not made and _holds_classifier(folder):
        made = {"metrics.json": _classifier}
    if not made:
        raise ValueError(_none(folder))
    for name, make in made.items():
        try:
            page = make(folder)
        except (AttributeError, LookupError, TypeError) as error:
            raise ValueError(
                f"{folder} must hold results as they were written, got a {name} that was changed"
                f" ({type(error).__name__}: {str(error)[:80]}). Run `{_COMMANDS[name]}` again."
            ) from error
        typer.echo(f"Report: {page}")


def _comparison(folder: Path) -> Path:
    from contractive.report import write_report
    from contractive.studies.compare import read

    return write_report(read(folder), folder / "report.html")


def _analysis(folder: Path) -> Path:
    from contractive.report import write_analysis
    from contractive.studies.sections import read_analysis

    stored = read_analysis(folder)
    return write_analysis(stored.results, stored.document, folder / "report.html")


def _sweep(folder: Path) -> Path:
    from contractive.report import write_sweep_report
    from contractive.studies.sweep import read_sweep

    return write_sweep_report(read_sweep(folder), folder / "report.html")


def _classifier(folder: Path) -> Path:
    from contractive.report import write_classifier
    from contractive.studies.classifier_runs import open_classifier

    return write_classifier(open_classifier(folder), folder / "report.html")


def _holds_classifier(folder: Path) -> bool:
    from contractive.models import StorageError, read_config
    from contractive.studies.runs._folder import CLASSIFIER, task_of

    try:
        return task_of(read_config(folder)) == CLASSIFIER
    except StorageError:
        return False


_MAKERS: Mapping[str, Callable[[Path], Path]] = {
    "results.json": _comparison,
    "analysis.json": _analysis,
    "sweep.json": _sweep,
}
_COMMANDS = {
    "results.json": "contractive compare",
    "analysis.json": "contractive analyze",
    "sweep.json": "contractive sweep",
    "metrics.json": "contractive classify",
}


def _none(folder: Path) -> str:
    """Why there is nothing to make a page of, with what helps."""
    must = f"DIR must be a folder that `contractive compare`, `analyze` or `sweep` wrote, got {folder}"
    if (folder / "config.json").is_file():
        return f"{must} with a model. `contractive analyze {folder} DATA --out DIR` measures it and makes its page."
    pages = _illustrations(folder)
    if pages:
        return (
            f"{must} with illustrations, whose pages hold all there is."
            f" `contractive illustrate {pages[0]} --out {folder}` makes one again."
        )
    return f"{must} without their results. Give the folder that was their --out."


def _illustrations(folder: Path) -> list[str]:
    from contractive.studies.illustrations import TOPICS

    return [name for name in TOPICS if (folder / f"{name}.html").is_file()]
