"""The command `version`."""

import typer

from contractive.cli._app import app


@app.command()
def version() -> None:
    """Print the version."""
    from contractive import __version__

    typer.echo(__version__)
