"""The command `report`."""

from pathlib import Path
from typing import Annotated

import typer

from contractive.cli._app import app, says_what_is_wrong


@app.command(epilog="Example:  contractive report demo")
@says_what_is_wrong
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder that `contractive compare` wrote.")],
) -> None:
    """Write report.html again from the results in a folder."""
    from contractive.experiments import read
    from contractive.report import write_report

    results = read(folder)
    try:
        page = write_report(results, folder / "report.html")
    except (AttributeError, LookupError, TypeError) as error:
        raise ValueError(
            f"{folder} must hold results as `contractive compare` wrote them, got a results.json that was changed"
            f" ({type(error).__name__}: {str(error)[:80]}). Run the comparison again."
        ) from error
    typer.echo(f"Report: {page}")
