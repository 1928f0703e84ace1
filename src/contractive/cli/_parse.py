"""What the text of an option means."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def words(text: str | None) -> tuple[str, ...]:
    """`a,b` as (a, b); nothing as ()."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def number(text: str, option: str) -> float:
    """`0.1` as 0.1."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{option} must be a number or auto, got {text!r}. For instance 0.1.") from None


def numbers(text: str | None, option: str) -> tuple[int, ...] | None:
    """`256,128` as (256, 128)."""
    return _each(int, text, f"{option} must be whole numbers with commas, got {text!r}. For instance 256,128.")


def amounts(text: str | None, option: str) -> tuple[float, ...] | None:
    """`0.01,0.1` as (0.01, 0.1)."""
    return _each(float, text, f"{option} must be numbers with commas, got {text!r}. For instance 0.01,0.1,1.")


def _each(kind: Callable[[str], T], text: str | None, wrong: str) -> tuple[T, ...] | None:
    if text is None:
        return None
    try:
        return tuple(map(kind, words(text)))
    except ValueError:
        raise ValueError(wrong) from None


def height_and_width(text: str | None) -> tuple[int, int] | None:
    """`28x28` as (28, 28)."""
    if text is None:
        return None
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise ValueError(f"--size must be HEIGHTxWIDTH, got {text!r}. For instance 28x28.") from None
    return height, width
