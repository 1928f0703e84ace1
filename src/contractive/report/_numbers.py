"""Means with their spread over seeds: how they are compared and how they are written."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from contractive.studies.metrics import METRICS

NBSP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
PERCENT = frozenset(key for key, metric in METRICS.items() if metric.unit == "%")

Verdict = Literal["better", "even", "worse"]


class Comparison(Protocol):
    """What a report is made from; `experiments.Results` is one."""

    @property
    def document(self) -> dict[str, Any]:
        """The content of results.json."""
        ...

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Pictures and distributions by `variant/name`."""
        ...


@dataclass(frozen=True)
class Value:
    """A mean over seeds.

    Attributes:
        mean: Finite.
        sd: Standard deviation over seeds; None with a single seed.
        percent: Whether it is a share, written in per cent.
    """

    mean: float
    sd: float | None
    percent: bool = False

    def __str__(self) -> str:
        """For sentences: `0.339 ± 0.003`, `95.9 ± 0.7 %`."""
        places = decimals([self])
        spread = f"{NBSP}±{NBSP}{self.spread(places)}" if self.sd is not None else ""
        return self.bare(places) + spread + (f"{NBSP}%" if self.percent else "")

    def bare(self, places: int = 1) -> str:
        """The mean alone; in powers of ten where so few places would show nothing."""
        number = self.mean * self._factor
        text = f"{number:.{places}f}"
        lost = number != 0 and float(text) == 0 and not self.percent
        return (f"{number:.1e}" if lost else text).replace("-", MINUS)

    def spread(self, places: int) -> str:
        """The standard deviation alone, empty with a single seed."""
        if self.sd is None:
            return ""
        text = f"{self.sd * self._factor:.{places}f}"
        return f"<{NBSP}{10.0**-places:.{places}f}" if self.sd > 0 and float(text) == 0 else text

    @property
    def _factor(self) -> float:
        return 100.0 if self.percent else 1.0


def value(variant: Mapping[str, Any], measure: str) -> Value | None:
    """A variant's figure; None where it was not measured or is not finite."""
    entry = variant["summary"].get(measure)
    if entry is None or entry["mean"] is None or not math.isfinite(entry["mean"]):
        return None
    sd = entry["sd"] if len(variant["seeds"]) > 1 else None
    return Value(entry["mean"], sd, measure in PERCENT)


def clear(a: Value, b: Value) -> bool:
    """Whether two means differ by more than the larger standard deviation over seeds (with one seed: at all)."""
    return abs(a.mean - b.mean) > max(a.sd or 0.0, b.sd or 0.0)


def verdict(a: Value, b: Value, better: str) -> Verdict:
    """How `a` stands to `b`, where `better` is `lower` or `higher`."""
    if not clear(a, b):
        return "even"
    return "better" if (a.mean < b.mean) == (better == "lower") else "worse"


def decimals(values: Iterable[Value | None]) -> int:
    """Places after the point that suit all values: three digits of the largest mean, four where others need them.

    Others are the smallest mean, of which two digits are wanted, and the smallest spread, of which one. Per cent have
    one place.
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
    """The relative change from `b` to `a`, as `+7 %`; empty where it has none."""
    if not b.mean > 0:
        return ""
    return f"{100 * (a.mean / b.mean - 1):+.0f}{NBSP}%".replace("-", MINUS)


def times(a: Value, b: Value) -> str:
    """How many times `a` goes into `b`, at least 1, as `1.6 times`."""
    small, large = sorted((a.mean, b.mean))
    if not small > 0:
        return "many times"
    ratio = large / small
    return "slightly" if ratio < 1.05 else f"{ratio:.1f} times" if ratio < 9.95 else f"{ratio:.0f} times"
