"""The command `version`."""

from contractive.cli._app import command


@command()
def version() -> None:
    """It is that of the installed package."""
    from contractive import __version__

    print(__version__)
