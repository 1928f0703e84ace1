"""Means with their spread over seeds: how they are compared, how they are written, and the tiles made of them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from contractive.studies.metrics import METRICS, Metric
from contractive.studies.pages import MINUS, NBSP, Tile
from contractive.studies.paired import paired_difference

Verdict = Literal["better", "even", "worse"]


@dataclass(frozen=True)
class Value:
    """A mean over seeds."""

    mean: float  # finite
    sd: float | None  # standard deviation over seeds; None with a single seed
    percent: bool = False  # whether it is a share, written in per cent
    by_seed: tuple[float, ...] = ()  # what it is the mean of, in the order of the seeds; empty where it is not known

    @classmethod
    def of(cls, key: str, mean: float | None, sd: float | None, by_seed: tuple[float, ...] = ()) -> "Value | None":
        """Return the value of a metric; None where it is missing or not finite."""
        if mean is None or not math.isfinite(mean):
            return None
        return cls(mean, sd, METRICS[key].unit == "%", by_seed)

    def __str__(self) -> str:
        """For sentences: `0.339 ± 0.003`, `95.9 ± 0.7 %`."""
        places = decimals([self])
        spread = f"{NBSP}±{NBSP}{self.spread(places)}" if self.sd is not None else ""
        return self.bare(places) + spread + (f"{NBSP}%" if self.percent else "")

    def bare(self, places: int = 1) -> str:
        """Return the mean alone; in powers of ten where so few places would show nothing."""
        number = self.mean * self._factor
        text = f"{number:.{places}f}"
        lost = number != 0 and float(text) == 0 and not self.percent
        return (f"{number:.1e}" if lost else text).replace("-", MINUS)

    def spread(self, places: int) -> str:
        """Return the standard deviation alone, empty with a single seed."""
        if self.sd is None:
            return ""
        text = f"{self.sd * self._factor:.{places}f}"
        return f"<{NBSP}{10.0**-places:.{places}f}" if self.sd > 0 and float(text) == 0 else text

    @property
    def _factor(self) -> float:
        return 100.0 if self.percent else 1.0


def clear(a: Value, b: Value) -> bool:
    """Return whether the 95 % interval of the paired difference over the seeds excludes zero (one seed: any does)."""
    if a.sd is None or b.sd is None:
        return a.mean != b.mean
    return paired_difference(a.by_seed, b.by_seed).is_clear


def verdict(a: Value, b: Value, better: str) -> Verdict:
    """Compare `a` with `b`, where `better` is `lower` or `higher`."""
    if not clear(a, b):
        return "even"
    return "better" if (a.mean < b.mean) == (better == "lower") else "worse"


def decimals(values: Iterable[Value | None]) -> int:
    """Return places after the point that suit all values.

    They give three digits of the largest mean; four where two digits of the smallest mean or one of the smallest
    spread need them. Shares in per cent have one place.
    """
    known = [value for value in values if value]
    if any(value.percent for value in known):
        return 1
    means = [_exponent(value.mean) for value in known if value.mean]
    spreads = [_exponent(value.sd) for value in known if value.sd]
    if not means:
        return 0
    wanted = max(1 - min(means), -min(spreads, default=0))
    return min(max(2 - max(means), min(wanted, 3 - max(means)), 0), 4)


def _exponent(number: float) -> int:
    return math.floor(math.log10(abs(number)))


def change(a: Value, b: Value) -> str:
    """Return the relative change from `b` to `a`, as `+7 %`; empty where there is none."""
    return signed(100 * (a.mean / b.mean - 1), "%", 0) if b.mean > 0 else ""


def signed(number: float, unit: str, places: int) -> str:
    """Return a number with its sign and unit, as `+7 %` or `-1.5 points` with a true minus."""
    return f"{number:+.{places}f}{NBSP}{unit}".replace("-", MINUS)


def times(a: Value, b: Value) -> str:
    """Return the ratio of the larger to the smaller as `1.6 times`."""
    small, large = sorted((a.mean, b.mean))
    if not small > 0:
        return "many times"
    ratio = large / small
    return "slightly" if ratio < 1.05 else f"{ratio:.1f} times" if ratio < 9.95 else f"{ratio:.0f} times"


def listing(names: Sequence[str], last: str = "and") -> str:
    """Join names as in a sentence."""
    return f" {last} ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def tile(metric: Metric, mine: Value | None, other: Value | None, label: str = "") -> Tile | None:
    """Return the change of a metric from `other` to `mine`: in points of a share, in per cent of any other number."""
    if mine is None or other is None or not (metric.unit == "%" or change(mine, other)):
        return None
    points = metric.unit == "%"
    number = signed(100 * (mine.mean - other.mean), "points", 1) if points else change(mine, other)
    standing: Verdict = verdict(mine, other, metric.better) if mine.sd is not None else "even"
    words = "one seed" if mine.sd is None else "no clear difference" if standing == "even" else standing
    return Tile(number, label or metric.label, f"{mine} against {other}", verdict=standing, words=words)


@dataclass(frozen=True)
class Cell:
    """One number of a table, written with the places that suit its column."""

    text: str
    spread: str = ""
    best: bool = False
    name: str = ""
    value: Value | None = None


def cells(values: Sequence[Value | None], names: Sequence[str], best: int | None = None) -> list[Cell]:
    """Return one column of a table: cells of equal places, a dash for a missing number.

    Args:
        values: The numbers.
        names: Names of the cells in the page.
        best: The row that is marked.
    """
    places = decimals(values)
    return [
        Cell(value.bare(places), value.spread(places), at == best, name, value) if value else Cell("–", name=name)
        for at, (value, name) in enumerate(zip(values, names, strict=True))
    ]


@dataclass(frozen=True)
class Row:
    """One row of a table: its name with a colour (empty for none), a note below it, and its cells."""

    name: str
    cells: Sequence[Cell]
    color: str = ""
    note: str = ""
    warned: bool = False
    style: str = ""


@dataclass(frozen=True)
class MetricTable:
    """A table of metrics: groups of columns by their title, and rows."""

    groups: dict[str, list[Metric]]
    rows: list[Row]
