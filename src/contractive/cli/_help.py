"""Help in two columns that stand at the same place in all of its groups."""

import re
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from typer.core import TyperCommand, TyperGroup

_WIDEST = 30  # a longer name is broken


class Command(TyperCommand):
    """A command with such a help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        show_help(self, ctx)


class Group(TyperGroup):
    """The command whose commands they are."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        show_help(self, ctx)


def show_help(command: Any, context: Any) -> None:
    """Print the help of a command or of a group of them."""
    console, groups = Console(highlight=False), dict[str, list[tuple[str, Text]]]()
    for group, name, text in (*_parameters(command, context), *_commands(command)):
        groups.setdefault(group, []).append((name, text))
    names = [name for rows in groups.values() for name, _ in rows]
    width = max(len(name) for name in names if len(name) <= _WIDEST)
    console.print(Text(re.sub("[{}]", "", f"{command.get_usage(context)}\n"), "bold"))
    for paragraph in command.help.split("\n\n"):
        console.print(Text(f"{paragraph}\n"))
    for group, rows in groups.items():
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=width, overflow="fold")
        for name, text in rows:
            table.add_row(Text(name, "cyan"), text)
        console.print(Text(group, "bold"))
        console.print(Padding(table, (0, 0, 1, 2)))
    console.print(Text(command.epilog or ""))


def _parameters(command: Any, context: Any) -> Iterator[tuple[str, str, Text]]:
    """Yield (group, name, text) of what the help shows; arguments and options without a group come first."""
    shown = [each for each in command.get_params(context) if not getattr(each, "hidden", False)]
    is_option = {each.name: each.param_type_name == "option" for each in shown}
    shown.sort(key=lambda each: (is_option[each.name], bool(each.rich_help_panel)))
    for each in shown:
        text = Text.from_markup(each.help or "")
        default = each.show_default if isinstance(each.show_default, str) else each.default
        if each.required:
            text.append(" [required]", "dim")
        elif each.show_default and default is not None and default is not False:
            text.append(f" [default: {'yes' if default is True else default}]", "dim")
        if not is_option[each.name]:
            yield "Arguments", each.metavar.strip("[]"), text
            continue
        short = "".join(f"{name}, " for name in each.opts if not name.startswith("--"))
        long = next(name for name in each.opts if name.startswith("--"))
        long = f"--[no-]{long[2:]}" if each.secondary_opts else long
        form = "" if each.is_flag else f" {each.metavar}"
        yield each.rich_help_panel or "Options", f"{short or '    '}{long}{form}", text


def _commands(command: Any) -> Iterator[tuple[str, str, Text]]:
    for name, each in getattr(command, "commands", {}).items():
        yield "Commands", name, Text(each.help)
