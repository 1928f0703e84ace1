"""The command line: arguments in, tables and files out."""

import sys

from contractive.cli._streams import forgive, warn_in_a_line
from contractive.core.signals import Stopped, exit_code, stop_on_signals


def main() -> None:
    """Run the command line; exit code 2 for anything the user can fix, with one line that says how.

    A signal that ends a command gives the exit code 128 + its number.
    """
    forgive()
    warn_in_a_line()
    stop_on_signals()
    try:
        _run()
    except Stopped as error:
        sys.exit(exit_code(error))
    except SystemExit as error:
        stopped = error.__context__
        while stopped is not None and not isinstance(stopped, Stopped):
            stopped = stopped.__context__
        if error.code and isinstance(stopped, Stopped):  # before or after the command itself
            sys.exit(exit_code(stopped))
        raise


def _run() -> None:
    try:
        from contractive.cli._commands import app
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("contractive"):
            raise
        print(f"Error: the command line needs {error.name}. Run: pip install 'contractive[all]'", file=sys.stderr)
        sys.exit(2)
    app()
