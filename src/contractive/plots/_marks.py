"""Marks that several pictures share: boxes of quantiles, a line in its band, ticks of a logarithmic axis."""

from collections.abc import Mapping
from math import ceil, floor, log10
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._style import axes, color, numbers, symbol, translucent, written

_WHISKERS = (0.05, 0.95)


def boxes(name: str, groups: Mapping[str, Any], number: int, *, shown: bool, lying: bool = False) -> go.Box:
    """A box per group: median, quartiles, whiskers from 5 to 95 %; beside those of other variants."""
    finite = [array[np.isfinite(array)] for array in map(numbers, groups.values())]
    levels = (_WHISKERS[0], 0.25, 0.5, 0.75, _WHISKERS[1])
    marks = [np.quantile(array, levels) if len(array) else np.full(5, np.nan) for array in finite]
    low, first, median, third, high = np.array(marks).T
    return go.Box(
        {"y" if lying else "x": list(groups)},
        orientation="h" if lying else "v",
        lowerfence=low,
        q1=first,
        median=median,
        q3=third,
        upperfence=high,
        name=name,
        offsetgroup=name,
        legendgroup=name,
        showlegend=shown,
        line={"color": color(name), "width": 1.5},
        fillcolor=translucent(name, 0.16),
        whiskerwidth=0.5,
        **axes(number),
    )


def line(name: str, x: Any, y: Any, number: int, **more: Any) -> go.Scatter:
    """A line with the variant's colour; in the legend if it stands in the first panel."""
    common: dict[str, Any] = {
        "mode": "lines",
        "line": {"color": color(name), "width": 2.5},
        "marker": {"symbol": symbol(name), "size": 8, "color": color(name)},
        "name": name,
        "legendgroup": name,
        "showlegend": number == 1,
        **axes(number),
    }
    return go.Scatter(x=numbers(x), y=numbers(y), **(common | more))


def band(name: str, x: Any, low: Any, high: Any, number: int) -> go.Scatter:
    """The area between two lines."""
    x, low, high = numbers(x), numbers(low), numbers(high)
    return go.Scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        fillcolor=translucent(name, 0.14),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
        **axes(number),
    )


def log_axis(*values: Any, decades: float | None = None) -> dict[str, Any]:
    """A logarithmic axis with round ticks over the positive values; `decades` at most, down from the largest."""
    every = np.concatenate([np.zeros(0), *(numbers(array).ravel() for array in values)])
    seen = every[np.isfinite(every) & (every > 0)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (1.0, 10.0)
    low = max(low, high / 10**decades) if decades else low
    exponents = range(floor(log10(low)), ceil(log10(high)) + 1)
    digits = (1, 2, 5) if len(exponents) <= 3 else (1,)
    ticks = [digit * 10.0**exponent for exponent in exponents[:: ceil(len(exponents) / 8)] for digit in digits]
    room = 0.04 * max(log10(high / low), 0.5)
    return {
        "type": "log",
        "range": [log10(low) - room, log10(high) + room],
        "tickvals": ticks,
        "ticktext": [written(tick) for tick in ticks],
    }
