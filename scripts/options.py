"""Write the description of every command, from which help is shown and values are checked before torch is imported.

python scripts/options.py
"""

import inspect
import json
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import NoneType
from typing import get_args

import typer

from contractive.cli._commands import COMMANDS
from contractive.cli._described import OPTIONS, TYPES, Parameter
from contractive.cli._settings import Rules


def described(parameter):
    """Return the parameter of a command in plain values, those left out that are as in `Parameter`."""
    if parameter.annotation is typer.Context:
        return {"name": parameter.name, "type": "Context"}
    plain, info, *rules = get_args(parameter.annotation)
    (kind,) = (each for each in get_args(plain) or (plain,) if each is not NoneType)
    required = parameter.default is parameter.empty
    default = None if required else parameter.default
    found = {
        "type": kind.__name__,
        "required": required,
        "default": str(default) if isinstance(default, Path) else default,
        "help": info.help,
        "metavar": info.metavar,
        "show_default": info.show_default,
        "panel": info.rich_help_panel,
    }
    if isinstance(info, typer.models.OptionInfo):  # of `Option("--out", "-o")` Typer takes the first for a default
        found["names"] = [*([info.default] if isinstance(info.default, str) else []), *(info.param_decls or ())]
    assert TYPES[found["type"]] is kind
    usual = {each.name: each.default for each in fields(Parameter)}
    found = {name: value for name, value in found.items() if value != usual[name]}
    kept = {each.name: getattr(rules[0], each.name) for each in fields(Rules)} if rules else {}
    kept = {name: value for name, value in kept.items() if value not in ("", (), None, False)}
    return {"name": parameter.name, **found, **({"rules": kept} if kept else {})}


def document():
    """Return the text of the file, a line for each parameter."""
    parts = []
    for name, (module, _) in COMMANDS.items():
        function = getattr(import_module(f"contractive.cli.{module}"), name)
        parameters = (json.dumps(described(each)) for each in inspect.signature(function).parameters.values())
        about = f'"help": {json.dumps(inspect.getdoc(function))}, "example": {json.dumps(function.example)}'
        parts.append(f'"{name}": {{{about}, "parameters": [\n ' + ",\n ".join(parameters) + "\n]}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    OPTIONS.write_text(document(), encoding="utf-8")
