"""Groups of options: a command takes many as one dataclass, Typer sees each."""

import inspect
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Any


def in_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take dataclasses of options: the fields of each become options of its own.

    Args:
        command: Its parameters that are annotated with a dataclass get one, made from what was given.
    """
    groups, parameters = {}, []
    for parameter in inspect.signature(command).parameters.values():
        if is_dataclass(parameter.annotation):
            groups[parameter.name] = parameter.annotation
            parameters += [_parameter(field.name, field.type, field.default) for field in fields(parameter.annotation)]
        else:
            parameters.append(_parameter(parameter.name, parameter.annotation, parameter.default))

    @wraps(command)
    def run(**given: Any) -> None:
        made = {
            name: group(**{field.name: given.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        command(**given, **made)

    run.__dict__["__signature__"] = inspect.Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)
