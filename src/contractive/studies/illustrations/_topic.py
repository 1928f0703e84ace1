"""The common scheme of the illustrations: a finding, a few large numbers, a table and pictures."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contractive.studies.pages import Picture

CAE = (
    "Rifai, Vincent, Muller, Glorot, Bengio (2011): Contractive auto-encoders: explicit invariance during feature"
    " extraction. ICML"
)
REGULARISED = (
    "Alain, Bengio (2014): What regularized auto-encoders learn from the data-generating distribution. JMLR 15."
)


@dataclass(frozen=True)
class Tile:
    """One number in large type.

    Attributes:
        number: As text, with its unit.
        label: Its name.
        detail: The value to compare it with.
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


@dataclass(frozen=True)
class Illustration(ABC):
    """Numbers, with the words and pictures that are made from them.

    Attributes:
        settings: A frozen dataclass: how it was made.
    """

    settings: Any

    @property
    @abstractmethod
    def finding(self) -> str:
        """The result in a few sentences, made from the numbers."""

    @property
    @abstractmethod
    def tiles(self) -> tuple[Tile, ...]:
        """The few numbers that matter most."""

    @property
    @abstractmethod
    def table(self) -> Table:
        """All numbers."""

    @abstractmethod
    def pictures(self) -> tuple[Picture, ...]:
        """Draw the figures from the numbers."""


@dataclass(frozen=True)
class Topic:
    """One phenomenon that can be illustrated.

    Attributes:
        name: On the command line.
        title: Of the page.
        line: The phenomenon in one line.
        why: The explanation, a paragraph each.
        sources: References.
        run: Called as `run(quick=..., seed=...)`; the same seed gives the same numbers.
    """

    name: str
    title: str
    line: str
    why: tuple[str, ...]
    sources: tuple[str, ...]
    run: Callable[..., Illustration]
