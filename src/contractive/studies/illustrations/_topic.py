"""The common scheme of the illustrations: a finding, a few large numbers, a table and pictures."""

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import plotly.graph_objects as go

from contractive.studies.pages import Picture, Tile

Values = dict[str, object]  # what the words of an illustration name

# titles, explanations, references and captions by topic
_WORDS = tomllib.loads(Path(__file__).with_name("topics.toml").read_text("utf-8"))


@dataclass(frozen=True)
class Table:
    """All numbers as text: a heading per column, the first column names the row."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class Illustration(ABC):
    """Numbers, with the words and pictures that are made from them."""

    settings: Any  # A frozen dataclass: how it was made
    topic: ClassVar[str]  # name of its topic

    @property
    @abstractmethod
    def numbers(self) -> Values:
        """The numbers that its words name."""

    @property
    def finding(self) -> str:
        """The result in a few sentences, made from the numbers."""
        return _WORDS[self.topic]["finding"].format(**self.numbers)

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """The few numbers that matter most."""
        return tuple(Tile(*(part.format(**self.numbers) for part in tile)) for tile in _WORDS[self.topic]["tiles"])

    @property
    @abstractmethod
    def table(self) -> Table:
        """All numbers."""

    @abstractmethod
    def figures(self) -> dict[str, go.Figure]:
        """Draw the figures from the numbers, each with its name."""

    def pictures(self) -> tuple[Picture, ...]:
        """Return the figures with their titles and captions."""
        words = _WORDS[self.topic]["pictures"]
        return tuple(Picture(name, figure=figure, **words[name]) for name, figure in self.figures().items())


@dataclass(frozen=True)
class Topic:
    """One phenomenon that can be illustrated."""

    name: str  # on the command line
    title: str  # of the page
    line: str  # the phenomenon in one line
    why: tuple[str, ...]  # the explanation, a paragraph each
    sources: tuple[str, ...]  # references
    run: Callable[..., Illustration]  # called as `run(quick=..., seed=...)`; the same seed gives the same numbers


def topics(**runs: Callable[..., Illustration]) -> dict[str, Topic]:
    """Return the topics by name, with their words, in the order of `runs`: their functions, by the same names."""
    found = {}
    for function, run in runs.items():
        name = function.replace("_", "-")
        words = _WORDS[name]
        why, sources = tuple(words["why"]), tuple(words["sources"])
        found[name] = Topic(name, words["title"], words["line"], why, sources, run)
    return found
