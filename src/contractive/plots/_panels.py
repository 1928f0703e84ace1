"""Panels of a figure, which stack on a narrow screen, and the marks in them: lines, bands, boxes, bars, heat maps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any, Literal

import numpy as np
import plotly.graph_objects as go

from contractive.plots._style import FAINT, NEUTRAL, color, label, look, numbers, plain, translucent, written

_LEGEND_ROW = 30  # pixels, as all here
_WIDE, _NARROW = 1000, 330  # for the legend
_TITLE_HEIGHT = 26
_AXIS_HEIGHT = 48  # tick labels and title below a panel
_SIDES = {"l": 8, "r": 12}
_GAP = 0.09  # between columns, as a share of the width
_DASHED = {"color": NEUTRAL, "width": 1.5, "dash": "dash"}
_AXIS = {
    "gridcolor": FAINT,
    "zeroline": False,
    "linecolor": FAINT,
    "automargin": True,
    "exponentformat": "power",
    "title": {"standoff": 8, "font": {"size": 13}},
}
_TEMPLATE = {
    "layout": {
        "font": {"family": "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", "size": 13, "color": NEUTRAL},
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hoverlabel": {"font": {"size": 13}},
        "annotationdefaults": {"showarrow": False},
    }
}
_LEGEND = {"orientation": "h", "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top"}
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
DIVERGING = [  # blue below zero, orange above, nothing at zero: works on white and on black
    [0.0, "rgba(20, 90, 200, 1)"],
    [0.25, "rgba(60, 130, 225, 0.6)"],
    [0.5, "rgba(139, 135, 148, 0.06)"],
    [0.75, "rgba(225, 110, 40, 0.6)"],
    [1.0, "rgba(200, 60, 0, 1)"],
]


Layout = dict[str, Any]  # attributes as plotly has them


@dataclass(frozen=True)
class Room:
    """Room for a panel, in pixels."""

    height: int  # of the panel itself, on a wide screen
    narrow_height: int  # on a narrow one
    legend: Iterable[str] = ()  # entries of the legend above all panels
    axis: bool = True  # whether panels have an axis below them
    ticks: int = 0  # height of its tick labels beyond one line
    square: bool = False  # as high in a narrow column of the page as in a wide one

    @property
    def below(self) -> int:
        """Pixels below each panel."""
        return (_AXIS_HEIGHT if self.axis else 8) + self.ticks


class Panels(go.Figure):
    """A figure of panels numbered from 1; mappings and names are of models."""

    def update_layout(self, dict1: Any = None, overwrite: bool = False, **kwargs: Any) -> "Panels":
        super().update_layout(dict1, overwrite, **kwargs)
        return self

    def line(self, name: str, x: Any, y: Any, number: int, /, **more: Any) -> None:
        """Draw a line with the look of a model; in the legend if it stands in the first panel."""
        own = look(name)
        common: Layout = {
            "x": numbers(x),
            "y": numbers(y),
            "mode": "lines",
            "line": {"color": own.color, "width": 2.5},
            "marker": {"symbol": own.symbol, "size": 8, "color": own.color},
            "name": label(name),
            "legendgroup": name,
            "showlegend": number == 1,
            **axes(number),
        }
        self.add_trace(go.Scatter(**(common | more)))

    def band(self, name: str, x: Any, low: Any, high: Any, number: int) -> None:
        """Draw the area between two lines."""
        x, low, high = numbers(x), numbers(low), numbers(high)
        look = {"fill": "toself", "fillcolor": translucent(name, 0.14), "line": {"width": 0}, "marker": None}
        x, y = np.concatenate([x, x[::-1]]), np.concatenate([high, low[::-1]])
        self.line(name, x, y, number, name=None, hoverinfo="skip", showlegend=False, **look)

    def boxes(self, name: str, groups: Mapping[str, Any], number: int, *, shown: bool, lying: bool = False) -> None:
        """Draw a box per group: median, quartiles, whiskers from 5 to 95 %; beside those of other models."""
        finite = [array[np.isfinite(array)] for array in map(numbers, groups.values())]
        found = [np.quantile(array, _QUANTILES) if len(array) else np.full(5, np.nan) for array in finite]
        low, first, median, third, high = np.array(found).T
        marks = {"lowerfence": low, "q1": first, "median": median, "q3": third, "upperfence": high, "whiskerwidth": 0.5}
        look = {"line": {"color": color(name), "width": 1.5}, "fillcolor": translucent(name, 0.16)}
        where = {"y" if lying else "x": list(groups), "orientation": "h" if lying else "v", **axes(number)}
        common = {"name": label(name), "offsetgroup": name, "legendgroup": name, "showlegend": shown}
        self.add_box(**marks, **look, **where, **common)

    def bars(self, name: str, values: Any, rows: Any, number: int, **more: Any) -> None:
        """Draw lying bars, beside those of other models."""
        common = {"name": label(name), "legendgroup": name, "offsetgroup": name, "marker": {"color": color(name)}}
        self.add_trace(go.Bar(x=values, y=rows, orientation="h", **common, **axes(number), **more))

    def heatmap(self, values: Any, number: int, **more: Any) -> None:
        """Draw a heat map without a scale."""
        self.add_trace(go.Heatmap(z=numbers(values), hoverongaps=False, showscale=False, **axes(number), **more))

    def vertical(self, number: int, at: float, text: str = "", *, side: Literal["left", "right"] = "right") -> None:
        """Draw a dashed line across one panel at x = `at`, with a word at its upper end."""
        x, y = axes(number).values()
        where = {"xref": x, "yref": f"{y} domain"}
        self.add_shape(type="line", x0=at, x1=at, y0=0, y1=1, line=_DASHED, layer="below", **where)
        if text:
            beside = {"xanchor": "left", "xshift": 4} if side == "right" else {"xanchor": "right", "xshift": -4}
            self.add_annotation(text=text, x=at, y=1, yanchor="top", font={"size": 11}, **beside, **where)

    def horizontal(self, number: int, at: float, text: str = "", *, side: Literal["left", "right"] = "right") -> None:
        """Draw a dashed line across one panel at y = `at`, with a word at one of its ends."""
        x, y = axes(number).values()
        where = {"xref": f"{x} domain", "yref": y}
        self.add_shape(type="line", x0=0, x1=1, y0=at, y1=at, line=_DASHED, layer="below", **where)
        if text:
            beside = {"x": float(side == "right"), "xanchor": side}
            self.add_annotation(text=text, y=at, yanchor="bottom", font={"size": 11}, **beside, **where)

    def grey(self, mosaic: np.ndarray, number: int, low: float, high: float) -> None:
        """Draw pictures in a panel, dark at `low`."""
        scale = {"zmin": low, "zmax": high, "colorscale": "Greys", "reversescale": True}
        self.heatmap(mosaic, number, hoverinfo="skip", **scale)
        self.picture_axes(number, True)

    def picture_axes(self, number: int, square: bool) -> None:
        """Set axes without numbers for pictures, whose pixels are square; numbered features for other heat maps."""
        plain = {"showgrid": False, "ticks": "", "showticklabels": not square}
        plain |= {"fixedrange": True, "constrain": "domain"}
        x, y = plain | {"title": {"text": "feature"}}, plain | {"autorange": "reversed", "constraintoward": "top"}
        if square:
            x = plain | {"showline": False, "constraintoward": "left"}
            y |= {"showline": False, "scaleanchor": axes(number)["xaxis"]}
        set_axes(self, number, x, y)


def panels(titles: Sequence[str], room: Room) -> Panels:
    """Return a figure with a pair of axes for each title, two or three in a row, or all stacked on a narrow screen.

    `layout.meta` holds the layout for wide screens, which is set, and another for narrow ones. A title is shown as it
    stands, unless it comes from `colored` or `heading`.
    """
    names = tuple(room.legend)
    columns = 3 if len(titles) == 3 and room.axis else 2
    wide = _grid(len(titles), columns, room.height, legend_height(names), room.below)
    narrow = _grid(len(titles), 1, room.narrow_height, legend_height(names, narrow=True), room.below)
    narrow["dragmode"] = False  # a finger scrolls the page
    layout: Layout = {**wide, "annotations": [], "meta": {"wide": wide, "narrow": narrow, "square": room.square}}
    for number, title in enumerate(titles, 1):  # all at once: plotly takes milliseconds for every change
        x, y = axes(number).values()
        layout[_key(x)] = {**wide[_key(x)], "anchor": y}
        layout[_key(y)] = {**wide[_key(y)], "anchor": x}
        where = {"xref": f"{x} domain", "yref": f"{y} domain", "x": 0, "y": 1, "yshift": 4}
        if title:
            layout["annotations"].append({"text": plain(title), "xanchor": "left", "yanchor": "bottom", **where})
    return figure(**layout)


def figure(**layout: Any) -> Panels:
    """Return an empty figure in the common style."""
    margin = {"t": 12, "b": _AXIS_HEIGHT, **_SIDES} | layout.get("margin", {})
    return Panels(layout={"template": _TEMPLATE, "legend": _LEGEND, "height": 400, **layout, "margin": margin})


def axes(number: int) -> dict[str, str]:
    """Return the axes of the panel with this number, from 1, as a trace wants them."""
    end = "" if number == 1 else str(number)
    return {"xaxis": f"x{end}", "yaxis": f"y{end}"}


def set_axes(target: go.Figure, number: int, x: Layout, y: Layout) -> None:
    """Change the axes of one panel."""
    names = axes(number)
    target.update_layout({_key(names["xaxis"]): dict(x), _key(names["yaxis"]): dict(y)})


def legend_height(names: Iterable[str], *, narrow: bool = False) -> int:
    """Return the pixels that a legend takes: entries flow into rows."""
    width = _NARROW if narrow else _WIDE
    rows, used = 0, width
    for name in names:
        entry = 50 + 8 * len(label(name))
        rows, used = (rows + 1, entry) if used + entry > width else (rows, used + entry)
    return rows * _LEGEND_ROW


def _grid(count: int, columns: int, height: int, legend: int, below: int) -> Layout:
    """Return the domains of `count` panels in rows, and the height of it all."""
    columns = min(columns, count)
    rows = ceil(count / columns)
    top = legend + _TITLE_HEIGHT
    between = below + _TITLE_HEIGHT
    inside = rows * height + (rows - 1) * between
    width = (1 - (columns - 1) * _GAP) / columns
    layout: Layout = {"height": inside + top + below, "margin": {"t": top, "b": below, **_SIDES}}
    for number in range(count):
        row, column = divmod(number, columns)
        left, upper = column * (width + _GAP), 1 - row * (height + between) / inside
        x, y = axes(number + 1).values()
        layout[_key(x)] = {"domain": [left, min(left + width, 1)]}
        layout[_key(y)] = {"domain": [max(upper - height / inside, 0), upper]}
    return layout


def _key(axis: str) -> str:
    return f"{axis[0]}axis{axis[1:]}"


def log_axis(*values: Any, decades: float | None = None) -> Layout:
    """Return a logarithmic axis with round ticks over the positive values; `decades` at most, from the largest down.

    On its own a logarithmic axis writes 5 for 0.5.
    """
    every = np.concatenate([np.zeros(0), *(numbers(array).ravel() for array in values)])
    seen = every[np.isfinite(every) & (every > 0)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (1.0, 10.0)
    low = max(low, high / 10**decades) if decades else low
    exponents = range(floor(log10(low)), ceil(log10(high)) + 1)
    digits = (1, 2, 5) if len(exponents) <= 4 else (1,)
    ticks = [digit * 10.0**exponent for exponent in exponents[:: ceil(len(exponents) / 8)] for digit in digits]
    room = 0.04 * max(log10(high / low), 0.5)
    ends = [log10(low) - room, log10(high) + room]
    return {"type": "log", "range": ends, "tickvals": ticks, "ticktext": [written(tick) for tick in ticks]}


def diverging(limit: float) -> Layout:
    """Return the colour scale of signed numbers."""
    return {"zmin": -limit, "zmax": limit, "colorscale": DIVERGING}
