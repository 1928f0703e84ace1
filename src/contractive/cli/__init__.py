"""The command line: arguments in, tables and files out."""

import sys


def main() -> None:
    """Run the command line; exit code 2 for anything the user can fix, with one line that says how."""
    try:
        from contractive.cli._commands import app
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("contractive"):
            raise
        print(f"Error: the command line needs {error.name}. Run: pip install 'contractive[all]'", file=sys.stderr)
        sys.exit(2)
    app()
