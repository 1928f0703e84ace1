"""Lines, points and bands in the common style."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots import NEUTRAL, Room, axes, panels, set_axes

__all__ = ["NEUTRAL", "Room", "heading", "line", "panels", "points", "set_axes", "square"]

Numbers = Sequence[float] | np.ndarray


def line(
    number: int,
    x: Numbers,
    y: Numbers,
    name: str,
    color: str,
    *,
    dash: str = "solid",
    width: float = 2.5,
    mode: str = "lines",
    symbol: str = "circle",
    legend: bool = True,
    hover: str = "%{y:.3g} at %{x:.3g}",
) -> go.Scatter:
    """A line in the panel with this number."""
    return go.Scatter(
        x=list(x),
        y=list(y),
        name=name,
        legendgroup=name,
        showlegend=legend,
        mode=mode,
        line={"color": color, "width": width, "dash": dash},
        marker={"symbol": symbol, "size": 9, "color": color},
        hovertemplate=hover,
        **axes(number),
    )


def points(
    number: int, x: Numbers, y: Numbers, name: str, color: str, *, size: float = 4, legend: bool = False, **marker: Any
) -> go.Scatter:
    """Marks without a line."""
    return go.Scatter(
        x=list(x),
        y=list(y),
        name=name,
        legendgroup=name,
        showlegend=legend,
        mode="markers",
        marker={"color": color, "size": size, **marker},
        hoverinfo="skip" if size < 7 else None,
        **axes(number),
    )


def square(target: go.Figure, number: int, reach: float, vertical: float | None = None) -> None:
    """Axes of one unit, from -reach to reach, without lines: a plane and not a diagram."""
    upper = reach if vertical is None else vertical
    plain = {
        "showgrid": False,
        "showticklabels": False,
        "ticks": "",
        "showline": False,
        "constrain": "domain",
        "fixedrange": True,
    }
    set_axes(
        target,
        number,
        {**plain, "range": [-reach, reach]},
        {**plain, "range": [-upper, upper], "scaleanchor": axes(number)["xaxis"]},
    )


def heading(name: str, color: str) -> str:
    """A panel's title with its colour."""
    return f'<span style="color:{color}">■</span> {name}'
