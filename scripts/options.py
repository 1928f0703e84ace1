"""Write the names of the options of commands that load torch: a misspelt one is then refused in a moment.

python scripts/options.py
"""

import json
from pathlib import Path

from contractive.cli._commands import OPTIONS, load_command

LOADING = ("train", "classify", "compare", "sweep", "detect")  # their options are the fields of settings


def names(command):
    """Return the long and short names of a command's options, in order."""
    return sorted(
        {name for each in load_command(command).params for name in (*each.opts, *each.secondary_opts) if "-" in name}
    )


def document():
    """Return the text of the file."""
    return json.dumps({command: names(command) for command in LOADING}, indent=1) + "\n"


if __name__ == "__main__":
    Path(OPTIONS).write_text(document())
