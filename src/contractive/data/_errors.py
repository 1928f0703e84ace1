"""The one error of this package and the way it lists names."""

from collections.abc import Iterable

from contractive.core.errors import ContractiveError


class DataError(ContractiveError):
    """Data that cannot be used, and what to do about it; always one line, whatever names a file has."""


def listed(names: Iterable[object], most: int = 12) -> str:
    """Names with commas, the first few of them where there are many."""
    given = [str(name) for name in names]
    more = f" and {len(given) - most} more" if len(given) > most else ""
    return ", ".join(given[:most]) + more


def together(names: Iterable[str], most: int = 30) -> str:
    """Names as an option takes them, `NAME,...` where they are too many to repeat."""
    given = list(names)
    return ",".join(given) if len(given) <= most else "NAME,..."


def first_line(error: BaseException) -> str:
    """What an error of another library says, in one line of bounded length."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".")
