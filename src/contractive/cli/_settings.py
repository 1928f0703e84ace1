"""Options that mirror settings: a command takes a settings class, the command line sees an option for each field.

Type, default, help and choices of an option are those of the field; tuples are texts with commas.
"""

import csv
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import reduce, wraps
from operator import or_
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from contractive.core.errors import InvalidValue
from contractive.core.settings import checked


@dataclass(frozen=True)
class Rules:
    """What a setting says of the value of its option, in plain values."""

    text: str = ""  # key in `_TEXTS` of one that is typed as a text
    choices: tuple[str, ...] = ()
    least: float | None = None
    positive: bool = False

    def check(self, name: str, value: Any) -> None:
        """Refuse the value of an option, as it was typed, that no setting of this name can have."""
        value = _TEXTS[self.text][1](name, value) if self.text else value
        if value is not None:
            checked(name, value, Any, choices=self.choices, least=self.least, positive=self.positive)


@dataclass(frozen=True)
class Group:
    """How the fields of a settings class become options."""

    panel: str  # their panel in the help
    # panels of some fields, by name; for a field that is itself a settings class, the panel of its fields
    panels: Mapping[str, str] = field(default_factory=dict)
    without: tuple[str, ...] = ()  # fields that have no option
    only: tuple[str, ...] = ()  # the only fields that have one, if not empty
    defaults: Mapping[str, Any] = field(default_factory=dict)  # defaults of this command


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, in place of each parameter that is annotated with a settings class and a `Group`, its options."""
    parameters, groups = [], {}
    for parameter in inspect.signature(command).parameters.values():
        group = next((each for each in getattr(parameter.annotation, "__metadata__", ()) if type(each) is Group), None)
        if group is None:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        else:
            groups[parameter.name] = (get_args(parameter.annotation)[0], group)
            parameters += _options(*groups[parameter.name])

    @wraps(command)
    def run(**given: Any) -> None:
        made = {name: _make(settings, group, given) for name, (settings, group) in groups.items()}
        command(**{name: value for name, value in given.items() if name not in taken}, **made)

    taken = {each.name for settings, group in groups.values() for each in _options(settings, group)}
    run.__dict__["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _chosen(settings: type, group: Group) -> Iterator[tuple[Any, Any]]:
    """Yield (field, type) of the fields that have options."""
    types = get_type_hints(settings)
    for each in fields(settings):
        known = "help" in each.metadata or is_dataclass(types[each.name])
        if known and each.name not in group.without and (not group.only or each.name in group.only):
            yield each, types[each.name]


def _options(settings: type, group: Group) -> Iterator[inspect.Parameter]:
    for each, type_ in _chosen(settings, group):
        panel = group.panels.get(each.name, group.panel)
        if isinstance(type_, type) and is_dataclass(type_):
            yield from _options(type_, replace(group, panel=panel))
            continue
        default, words = group.defaults.get(each.name, each.default), each.metadata.get("default")
        optional, text_key = NoneType in get_args(type_), _text_of(each.name, type_)
        bare = reduce(or_, [part for part in get_args(type_) if part is not NoneType]) if optional else type_
        option = option_of(each.name)
        if bare is bool and (optional or default):
            option += f"/--no-{option[2:]}"
        text = re.sub("`([a-z_]+)`", lambda found: option_of(found[1]), each.metadata["help"])
        choices = each.metadata.get("choices")
        choices = tuple(choices or (get_args(bare) if get_origin(bare) is Literal else ()))
        if not all(choice in text for choice in choices):
            text += f" {'Any' if get_origin(bare) is tuple else 'One'} of {', '.join(choices)}."
        info = typer.Option(
            option,
            metavar=_TEXTS[text_key][0],
            help=text,
            show_default=words if words and default is each.default else default not in (None, ()),
            rich_help_panel=panel,
        )
        if isinstance(default, tuple):
            default = ",".join(map(str, default)) or None
        plain = bare if bare in (bool, int, float) and not text_key else str
        rules = Rules(text_key, choices, each.metadata.get("least"), each.metadata.get("positive", False))
        annotation = Annotated[plain if default is not None else plain | None, info, rules]
        yield inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _make(settings: type, group: Group, given: Mapping[str, Any]) -> Any:
    """Make the settings from the options that were given; what was not given is left to the class."""
    values = {}
    for each, type_ in _chosen(settings, group):
        if isinstance(type_, type) and is_dataclass(type_):
            values[each.name] = _make(type_, group, given)
        elif (value := given[each.name]) is not None:
            values[each.name] = _TEXTS[_text_of(each.name, type_)][1](each.name, value)
    return settings(**values)


def _text_of(name: str, type_: Any) -> str:
    """Return the key in `_TEXTS` of a field; empty for one that is not typed as a text."""
    return next(key for key in (name, str(type_), *map(str, get_args(type_)), "") if key in _TEXTS)


def option_of(name: str) -> str:
    """Return the option of a field."""
    return f"--{name.replace('_', '-')}"


def split_words(text: str | None) -> tuple[str, ...]:
    """Return `a,b` as (a, b), nothing as (); a part in double quotes may hold commas."""
    parts = next(csv.reader([text or ""], skipinitialspace=True), [])
    return tuple(part.strip() for part in parts if part.strip())


def parse_numbers(name: str, text: str, type_: type = float) -> tuple[Any, ...]:
    """Return `0.01,0.1` as (0.01, 0.1)."""
    try:
        return tuple(map(type_, split_words(text)))
    except ValueError:
        words, example = {int: ("whole numbers", "256,128"), float: ("numbers", "0.01,0.1,1")}[type_]
        raise InvalidValue(name, f"be {words} with commas", repr(text), f"For instance {example}.") from None


def _height_and_width(name: str, text: str) -> tuple[int, ...]:
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise InvalidValue(name, "be HEIGHTxWIDTH", repr(text), "For instance 28x28.") from None
    return height, width


def _number_or_auto(name: str, text: str) -> float | None:
    try:
        return None if text == "auto" else float(text)
    except ValueError:
        raise InvalidValue(name, "be a number or auto", repr(text), "For instance 0.1.") from None


def _size_or_auto(name: str, text: str) -> int | str:
    try:
        return text if text == "auto" else int(text)
    except ValueError:
        raise InvalidValue(name, "be a whole number or auto", repr(text), "For instance 8.") from None


_TEXTS: dict[str, tuple[str | None, Callable[[str, Any], Any]]] = {  # form and parser, by name or type of a field
    "": (None, lambda name, value: value),
    "weight": ("X or auto", _number_or_auto),
    str(Literal["auto"]): ("N or auto", _size_or_auto),
    "separator": (None, lambda name, text: text.replace("\\t", "\t")),
    "one_hot": ("A,B,... or all", lambda name, text: True if text == "all" else split_words(text)),
    str(tuple[int, ...]): ("N,N,...", lambda name, text: parse_numbers(name, text, int)),
    str(tuple[str, ...]): ("A,B,...", lambda name, text: split_words(text)),
    str(tuple[int, int]): ("HEIGHTxWIDTH", _height_and_width),
}
