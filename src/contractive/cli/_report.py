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

    typer.echo(f"Report: {write_report(read(folder), folder / 'report.html')}")
