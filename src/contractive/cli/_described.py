"""Commands as options.json describes them: their help, and what can be wrong in a value, without the command or torch.

The file is written by scripts/options.py from the commands and the settings themselves.
"""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from contractive.cli._app import report_user_errors
from contractive.cli._settings import Rules
from contractive.core.errors import InvalidValue

OPTIONS = Path(__file__).with_name("options.json")
_FORMS = {str: "TEXT", int: "N", float: "X", bool: None, Path: "PATH"}  # what stands beside an option in the help
TYPES = {each.__name__: each for each in (str, int, float, bool, Path, typer.Context)}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """An option, an argument, or the context of a command."""

    name: str
    type: str  # one of `TYPES`
    names: tuple[str, ...] | None = None  # of an option, as typed; None for an argument
    required: bool = False
    default: str | float | bool | None = None
    help: str = ""
    metavar: str | None = None
    show_default: str | bool = True
    panel: str | None = None
    rules: Rules | None = None

    def of_function(self) -> inspect.Parameter:
        """Return it as the parameter of a function that Typer makes a command of."""
        kind: Any = TYPES[self.type]
        keyword = inspect.Parameter.KEYWORD_ONLY
        if kind is typer.Context:
            return inspect.Parameter(self.name, keyword, annotation=kind)
        form = self.metavar or ("NAME" if self.rules and self.rules.choices else _FORMS[kind])
        shown: Any = {"help": self.help, "metavar": form, "show_default": self.show_default}
        shown["rich_help_panel"] = self.panel
        info = typer.Argument(**shown) if self.names is None else typer.Option(*self.names, **shown)
        default = inspect.Parameter.empty if self.required else self.default and kind(self.default)
        annotation = Annotated[kind | None if default is None else kind, info]
        return inspect.Parameter(self.name, keyword, annotation=annotation, default=default)

    def check(self, value: Any) -> None:
        """Refuse a value that breaks the rules of its setting, a run that is not there, and data that are not there."""
        if value is None:
            return
        if self.rules:
            self.rules.check(self.name, value)
        if self.name == "run" and not value.is_dir():
            rule = f"be a {self.help[0].lower()}{self.help[1:].rstrip('.')}".replace("`", "")
            raise InvalidValue(self.name, rule, value, "Check the path.")
        if self.name == "data":
            from contractive.data import check_place

            check_place(value)


@dataclass(frozen=True)
class Described:
    """A command: the text of its help, its example, and its parameters in order."""

    help: str
    example: str
    parameters: tuple[Parameter, ...]

    def function(self, name: str, module: str) -> Callable[..., None]:
        """Return what checks the values and then imports the command of this name and calls it."""

        def run(**given: Any) -> None:
            for each in sorted(self.parameters, key=lambda each: each.name == "data"):  # what takes longest last
                each.check(given[each.name])
            getattr(import_module(module), name)(**given)

        made = [each.of_function() for each in self.parameters]
        run.__dict__["__signature__"] = inspect.Signature(made)
        run.__annotations__ = {each.name: each.annotation for each in made}
        return report_user_errors(run)


@cache
def read_described(path: Path) -> dict[str, Described]:
    """Return the commands of a file by name."""

    def parameter(*, rules: Any = None, names: Any = None, **plain: Any) -> Parameter:
        return Parameter(**plain, rules=rules and Rules(**rules), names=None if names is None else tuple(names))

    return {
        name: Described(entry["help"], entry["example"], tuple(parameter(**each) for each in entry["parameters"]))
        for name, entry in json.loads(path.read_text(encoding="utf-8")).items()
    }
