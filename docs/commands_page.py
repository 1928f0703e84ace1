"""Writes the page of the command line from the commands themselves; a hook of mkdocs."""

import re
from typing import Any

import typer
from typer.cli import get_docs_for_click
from typer.main import get_command

from contractive.cli._commands import COMMANDS, app, load_command


def page() -> str:
    """Return every command with its arguments and options, as `--help` shows them, in Markdown."""
    command: Any = get_command(app)
    command.commands = {name: load_command(name) for name in COMMANDS}
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="contractive")
    text = re.sub(r"\[bold\](.*?)\[/\]", r"**\1**", text)
    text = re.sub(r"^(\* `[^`\n]*) <\w+>`", r"\1`", text, flags=re.M)  # types beside arguments and flags
    text = re.sub(r"\[default: \((.*)\)\]$", r"[default: \1]", text, flags=re.M)
    for name, (_, line) in COMMANDS.items():  # in whole, and as links
        text = re.sub(rf"^\* `{name}`: .*$", f"* [`{name}`](#contractive-{name}): {line}", text, count=1, flags=re.M)
    title = "# The command line\n\nEvery command with all of its options. `--epochs` is read as `--max-epochs`."
    return text.replace("# `contractive`", title, 1)


def on_files(files: Any, config: Any) -> Any:
    """Add the page."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "commands.md", content=page()))
    return files
