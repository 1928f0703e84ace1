"""Errors as data: which field, which rule, which value, and what helps.

A message of the library names fields as Python does, in backquotes where it is not the first word. A front end with
other names for them, such as the command line, words the error anew from its parts instead of reading the message.
"""

import re
from collections.abc import Callable, Collection
from typing import Any

LARGEST_NUMBER = 1e30  # of data: its square is still a float64, and float32 holds it
_FIELD = re.compile(r"`([a-z_]+)`")


class ContractiveError(ValueError):
    """A mistake in what the caller gave, as one line that says what helps.

    Either a plain sentence, in which fields stand in backquotes, or the parts of a rule that was broken:
    `<field> must <rule>, got <got>. <remedy>`.
    """

    def __init__(
        self, message: str = "", *, field: str = "", rule: str = "", got: object = "", remedy: str = ""
    ) -> None:
        self.field, self.rule, self.got, self.remedy = field, rule, str(got), remedy
        self._message = message
        super().__init__(self.worded(lambda name: name, lambda name: f"`{name}`"))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by parts: an error of a worker process arrives as what it was."""
        return _rebuilt, (type(self), str(self), self.__dict__)

    def worded(self, subject: Callable[[str], str], mention: Callable[[str], str]) -> str:
        """Return the message in one line, its field named by `subject` and those in backquotes by `mention`."""
        text = self._message
        if self.field:
            text = f"{subject(self.field)} must {self.rule}, got {self.got}. {self.remedy}".rstrip()
        return " ".join(_FIELD.sub(lambda found: mention(found[1]), text).splitlines())


def _rebuilt(kind: type[ContractiveError], text: str, parts: dict[str, str]) -> ContractiveError:
    error = kind.__new__(kind, text)
    error.__dict__.update(parts)
    return error


class InvalidValue(ContractiveError):
    """A value that breaks a rule: `<field> must <rule>, got <got>. <remedy>`."""

    def __init__(self, field: str, rule: str, got: object, remedy: str) -> None:
        super().__init__(field=field, rule=rule, got=got, remedy=remedy)


class InvalidType(InvalidValue, TypeError):
    """A value of the wrong type; a `TypeError`, too."""


def check_choice(field: str, got: Any, allowed: Collection[object], remedy: str = "Check the spelling.") -> None:
    """Raise `InvalidValue` unless the value is among those allowed."""
    if got not in allowed:
        raise InvalidValue(field, f"be one of {', '.join(map(str, allowed))}", repr(got), remedy)


def check_at_least(field: str, got: float, least: float, remedy: str = "Leave it out for the default.") -> None:
    """Raise `InvalidValue` unless the number is at least `least`; NaN is not."""
    if not got >= least:
        raise InvalidValue(field, f"be at least {least}", got, remedy)


def check_positive(field: str, got: float, remedy: str = "Leave it out for the default.") -> None:
    """Raise `InvalidValue` unless the number is above 0 and finite."""
    if not 0 < got < float("inf"):
        raise InvalidValue(field, "be above 0 and finite", got, remedy)


def check_not_negative(field: str, got: float, remedy: str = "0 turns it off.") -> None:
    """Raise `InvalidValue` unless the number is at least 0 and finite."""
    if not 0 <= got < float("inf"):
        raise InvalidValue(field, "be a finite number of at least 0", got, remedy)


def first_line(error: BaseException) -> str:
    """Return the message of another library's error, in one line of bounded length."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".")
