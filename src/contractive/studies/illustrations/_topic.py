"""What every illustration gives: a finding, a few large numbers, a table and pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from contractive.studies.pages import Picture


@dataclass(frozen=True)
class Tile:
    """One number in large type.

    Attributes:
        number: As text, with its unit.
        label: What it is.
        detail: What it is to be compared with.
    """

    number: str
    label: str
    detail: str


@dataclass(frozen=True)
class Table:
    """All numbers as text: a heading per column, the first column names the row."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


class Illustration(Protocol):
    """A frozen dataclass of numbers that can say and draw what they show."""

    @property
    def settings(self) -> Any:
        """A frozen dataclass: how it was made."""
        ...

    @property
    def finding(self) -> str:
        """What came out, made from the numbers."""
        ...

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The few numbers that matter most."""
        ...

    @property
    def table(self) -> Table:
        """All numbers."""
        ...

    def pictures(self) -> tuple[Picture, ...]:
        """Figures, made from the numbers."""
        ...


@dataclass(frozen=True)
class Topic:
    """One phenomenon that can be illustrated.

    Attributes:
        name: On the command line.
        title: Of the page.
        line: What it shows, in one line.
        why: The explanation, a paragraph each.
        sources: Where it comes from.
        run: `(quick, seed) -> numbers`; the same seed gives the same numbers.
    """

    name: str
    title: str
    line: str
    why: tuple[str, ...]
    sources: tuple[str, ...]
    run: Callable[[bool, int], Illustration]


def percent(share: float) -> str:
    """A share as words have it, for instance `95 %`."""
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"
