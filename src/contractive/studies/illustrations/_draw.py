"""Lines, points and planes in the common style."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive import plots
from contractive.plots import NEUTRAL, Room, axes, set_axes

__all__ = ["NEUTRAL", "axes", "line", "panels", "points", "set_axes", "square"]

Numbers = Sequence[float] | np.ndarray


def _scatter(number: int, x: Numbers, y: Numbers, name: str, legend: bool, **style: Any) -> go.Scatter:
    return go.Scatter(x=list(x), y=list(y), name=name, legendgroup=name, showlegend=legend, **style, **axes(number))


def panels(
    titles: Sequence[str], height: int, narrow: int, legend: Iterable[str] = (), *, axis: bool = True
) -> go.Figure:
    """Return `plots.panels` with room of these heights, with a legend only where its entries are given."""
    names = tuple(legend)
    return plots.panels(titles, Room(height, narrow, names, axis)).update_layout(showlegend=None if names else False)


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
    """Return a line for the panel with this number."""
    drawn = {"line": {"color": color, "width": width, "dash": dash}}
    drawn["marker"] = {"symbol": symbol, "size": 9, "color": color}
    return _scatter(number, x, y, name, legend, mode=mode, hovertemplate=hover, **drawn)


def points(
    number: int, x: Numbers, y: Numbers, name: str, color: str, *, size: float = 4, legend: bool = False, **marker: Any
) -> go.Scatter:
    """Return marks without a line."""
    hover = "skip" if size < 7 else None
    return _scatter(
        number, x, y, name, legend, mode="markers", marker={"color": color, "size": size, **marker}, hoverinfo=hover
    )


def square(target: go.Figure, number: int, reach: float, vertical: float | None = None) -> None:
    """Give a panel axes of one unit, from -reach to reach, without lines: a plane and not a diagram."""
    upper = reach if vertical is None else vertical
    plain = {"showgrid": False, "showticklabels": False, "ticks": "", "showline": False}
    plain |= {"constrain": "domain", "fixedrange": True}
    scaled = {**plain, "range": [-upper, upper], "scaleanchor": axes(number)["xaxis"]}
    set_axes(target, number, {**plain, "range": [-reach, reach]}, scaled)
