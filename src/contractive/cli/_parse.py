"""What the text of an option means."""

from collections.abc import Callable
from typing import TypeVar

from contractive.core.errors import InvalidValue

T = TypeVar("T")


def words(text: str | None) -> tuple[str, ...]:
    """`a,b` as (a, b); nothing as ()."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def number(text: str, field: str) -> float:
    """`0.1` as 0.1."""
    try:
        return float(text)
    except ValueError:
        raise InvalidValue(field, "be a number or auto", repr(text), "For instance 0.1.") from None


def numbers(text: str | None, field: str) -> tuple[int, ...] | None:
    """`256,128` as (256, 128)."""
    return _each(int, text, field, "be whole numbers with commas", "For instance 256,128.")


def amounts(text: str | None, field: str) -> tuple[float, ...] | None:
    """`0.01,0.1` as (0.01, 0.1)."""
    return _each(float, text, field, "be numbers with commas", "For instance 0.01,0.1,1.")


def _each(kind: Callable[[str], T], text: str | None, field: str, rule: str, remedy: str) -> tuple[T, ...] | None:
    if text is None:
        return None
    try:
        return tuple(map(kind, words(text)))
    except ValueError:
        raise InvalidValue(field, rule, repr(text), remedy) from None
