"""The one error of this package and the way it lists names."""

from collections.abc import Iterable


class DataError(ValueError):
    """Data that cannot be used, and what to do about it."""


def listed(names: Iterable[object], most: int = 12) -> str:
    """Names with commas, the first few of them where there are many."""
    given = [str(name) for name in names]
    more = f" and {len(given) - most} more" if len(given) > most else ""
    return ", ".join(given[:most]) + more


def first_line(error: BaseException) -> str:
    """What an error of another library says, in one line of bounded length."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".")
