"""What commands print. Text from data is shown as it is: neither as markup nor as a command to the terminal."""

import json
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.box import HEAVY_HEAD
from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

_BORDER, _GAP = 3, 2  # columns of the terminal between those of a table, with lines and without


def visible(text: object) -> str:
    """Return text in one line, with control characters written as escapes."""
    return "".join(
        repr(c)[1:-1] if unicodedata.category(c) in _INVISIBLE else c for c in " ".join(str(text).split("\n"))
    )


_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def bold(text: object) -> Text:
    """Return a part of a line in bold."""
    return Text(visible(text), "bold")


class Console:
    """Where one command prints: results on standard output, notes and progress on standard error.

    Args:
        quiet: Print nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._results = RichConsole(highlight=False, quiet=quiet)
        self._notes = RichConsole(stderr=True, highlight=False, quiet=quiet)

    def line(self, *parts: object, style: str = "") -> None:
        """Print a line of results; parts are joined as they are."""
        self._results.print(_joined(parts, style), soft_wrap=True)

    def note(self, *parts: object, style: str = "") -> None:
        """Print a line on standard error."""
        self._notes.print(_joined(parts, style), soft_wrap=True)

    def notes(self, notes: Iterable[str]) -> None:
        """Print what was detected or decided about the data."""
        for text in notes:
            self.note("Note: ", text, style="dim")

    def warnings(self, warnings: Iterable[str], of: str = "") -> None:
        """Print warnings about a model."""
        for text in warnings:
            self.line(Text("Warning", "bold yellow"), f" ({of}): " if of else ": ", text)

    def table(
        self,
        rows: Iterable[Sequence[object]],
        headings: Sequence[str],
        *,
        title: str = "",
        caption: str = "",
        left: Collection[int] = (0,),
        bold_row: int | None = None,
    ) -> None:
        """Print a table.

        Args:
            rows: The cells.
            headings: Of the columns; a table whose headings are all empty has none.
            title: A line above it.
            caption: A line below it.
            left: The columns that are flush left; the others are numbers.
            bold_row: The row that stands out.
        """
        if self.quiet:
            return
        grid = [[visible(cell) for cell in row] for row in (headings, *rows)]
        bordered, parts = True, [list(range(len(headings)))]
        if len(headings) > 2 and sum(_widths(grid)) + _BORDER * len(headings) + 1 > self._results.width:
            bordered, grid = False, [[cell.replace(" ± ", "±") for cell in row] for row in grid]
            parts = _side_by_side(_widths(grid), self._results.width)
        for part in parts:
            table = Table(
                title=Text(visible(title)) if title and part is parts[0] else None,
                title_justify="left",
                show_header=any(headings),
                box=HEAVY_HEAD if bordered else None,
                padding=(0, 1) if bordered else (0, _GAP, 0, 0),
                pad_edge=bordered,
            )
            for at in part:
                justify = "left" if at in left else "right"
                table.add_column(Text(grid[0][at]), justify=justify, no_wrap=not bordered)
            for number, row in enumerate(grid[1:]):
                table.add_row(*(Text(row[at]) for at in part), style="bold" if number == bold_row else None)
            self._results.print(table)
        if caption:
            self._results.print(Text(visible(caption), "dim italic"))

    def document(self, document: Any) -> None:
        """Print plain values and dataclasses as JSON, in the form of the files, whatever else is kept quiet."""
        from contractive.core.artifacts import Artifact

        print(json.dumps(Artifact.of("document", document).document, indent=1), flush=True)

    @contextmanager
    def progress(self, title: str = "") -> Iterator[Callable[[str, int, int | None], None]]:
        """Show a bar and yield what moves it, called with (what is done, number done, number expected).

        Args:
            title: Of the one bar, which says beside it what is done; without a title each thing done has its own bar.
        """
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

        words = TextColumn("{task.description}", style="bold", markup=False)
        beside = TextColumn("{task.fields[now]}", style="dim", markup=False)
        columns = (words, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), beside)
        hidden = self.quiet or not self._notes.is_terminal
        bars: dict[str, TaskID] = {}
        with Progress(*columns, console=self._notes, disable=hidden) as shown:

            def move(what: str, done: int, total: int | None) -> None:
                name = title or what
                if name not in bars:
                    bars[name] = shown.add_task(visible(name), total=None, now="")
                shown.update(bars[name], completed=done, total=total, now=visible(what) if title else "")

            if title:
                move("", 0, None)
            yield move


def _widths(grid: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*grid, strict=True)]


def _side_by_side(widths: Sequence[int], width: int) -> list[list[int]]:
    """Return the columns of each of the tables, one below the other, that show all columns and the first in each."""
    parts = [[0]]
    for at in range(1, len(widths)):
        if len(parts[-1]) > 1 and sum(widths[each] + _GAP for each in (*parts[-1], at)) - _GAP > width:
            parts.append([0])
        parts[-1].append(at)
    return parts


def _joined(parts: Iterable[object], style: str) -> Text:
    return Text.assemble(*(part if isinstance(part, Text) else visible(part) for part in parts), style=style)
