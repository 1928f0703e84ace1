"""Settings: frozen dataclasses whose fields carry their help and the rules they obey, each written once.

A front end derives its options from `fields(Settings)`: type, default and metadata.
"""

from collections.abc import Collection
from dataclasses import field, fields
from functools import cache
from math import isfinite
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from contractive.core.errors import InvalidType, InvalidValue, check_at_least, check_choice, check_positive

_DEFAULT = "Leave it out for the default."
_KINDS: dict[Any, tuple[type, str]] = {
    str: (str, "a text"),
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    bool: (bool, "True or False"),
}


def setting(
    default: Any,
    help: str,
    by_data: str = "",
    *,
    choices: Collection[str] = (),
    least: float | None = None,
    positive: bool = False,
    machine: bool = False,
) -> Any:
    """Make a field of a settings class.

    Args:
        default: Its default; None usually stands for one that depends on the data.
        help: One sentence for the command line and the docs.
        by_data: The default in words where it is None, the `default` of the metadata.
        choices: Names that are allowed, where the type is no `Literal`.
        least: The smallest number allowed.
        positive: The number must be above 0 and finite.
        machine: It is for the machine alone to decide: work may go on with another value.
    """
    rules = {"help": help, "default": by_data, "choices": choices, "least": least, "positive": positive}
    return field(default=default, metadata={**rules, "machine": machine})


def check_settings(settings: Any) -> None:
    """Check every field of a settings dataclass as `checked` does; numbers of numpy become Python's."""
    for each in fields(settings):
        type_, optional = _type_of(type(settings), each.name)
        value = getattr(settings, each.name)
        if value is not None or not optional:
            rules = {name: each.metadata[name] for name in ("choices", "least", "positive") if name in each.metadata}
            object.__setattr__(settings, each.name, checked(each.name, value, type_, **rules))


def checked(
    name: str,
    value: Any,
    type_: Any,
    *,
    choices: Collection[object] = (),
    least: float | None = None,
    positive: bool = False,
) -> Any:
    """Return the value of a field as its type, a number as Python's; rules as in `setting`.

    Another type raises `InvalidType`, a broken rule or a number that is not finite `InvalidValue`.
    """
    value = _converted(name, value, type_)
    choices = choices or (get_args(type_) if get_origin(type_) is Literal else ())
    for one in value if isinstance(value, tuple) else (value,):
        if choices:
            check_choice(name, one, choices)
        if least is not None:
            check_at_least(name, one, least)
        if positive:
            check_positive(name, one)
        if isinstance(one, float) and not isfinite(one):
            raise InvalidValue(name, "be a finite number", one, _DEFAULT)
    return value


@cache
def _type_of(owner: type, name: str) -> tuple[Any, bool]:
    """(type of a field without None, whether it may be None)."""
    type_ = get_type_hints(owner)[name]
    if get_origin(type_) not in (Union, UnionType):
        return type_, False
    first, *more = [part for part in get_args(type_) if part is not NoneType]
    return Any if more else first, NoneType in get_args(type_)


def _converted(name: str, value: Any, type_: Any) -> Any:
    if get_origin(type_) is tuple and get_args(type_)[0] is int:
        if not isinstance(value, list | tuple) or not all(_is_a(number, Integral) for number in value):
            raise InvalidType(name, "be whole numbers", f"{value!r:.60}", _DEFAULT)
        return tuple(int(number) for number in value)
    kind, words = _KINDS.get(str if get_origin(type_) is Literal else type_, (object, ""))
    if not _is_a(value, kind):
        raise InvalidType(name, f"be {words}", f"{value!r:.60}", _DEFAULT)
    return type_(value) if type_ in (int, float) else value


def _is_a(value: Any, kind: type) -> bool:
    return isinstance(value, kind) and (kind in (bool, object) or not isinstance(value, bool))
