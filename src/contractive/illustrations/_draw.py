"""Lines, points and bands in the common style."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._style import NEUTRAL, Room, axes, panels, set_axes

__all__ = ["NEUTRAL", "Room", "band", "heading", "level", "line", "panels", "points", "set_axes", "square"]

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


def band(number: int, x: Numbers, rows: np.ndarray, name: str, color: str) -> list[go.Scatter]:
    """Mean over seeds with its symbols, and every seed as a thin line; `rows` is (positions, seeds)."""
    thin = [
        line(number, x, seed, name, color, width=0.8, legend=False, hover="one seed: %{y:.3g}").update(opacity=0.5)
        for seed in (rows.T if rows.shape[1] > 1 else [])
    ]
    return [*thin, line(number, x, rows.mean(1), name, color, mode="lines+markers", legend=False, hover="%{y:.4g}")]


def level(target: go.Figure, number: int, at: float, text: str, color: str, *, dash: str = "dash", up: bool = True) -> None:
    """A horizontal line across a panel with its name at the right."""
    x, y = axes(number).values()
    target.add_shape(
        type="line", x0=0, x1=1, xref=f"{x} domain", y0=at, y1=at, yref=y, line={"color": color, "width": 1.8, "dash": dash}
    )
    target.add_annotation(
        text=text,
        font={"color": color, "size": 12},
        **{"x": 1, "xref": f"{x} domain", "y": at, "yref": y},
        xanchor="right",
        yanchor="bottom" if up else "top",
    )


def square(target: go.Figure, number: int, reach: float, vertical: float | None = None) -> None:
    """Axes of one unit, from -reach to reach, without lines: a plane and not a diagram."""
    upper = reach if vertical is None else vertical
    plain = {"showgrid": False, "showticklabels": False, "ticks": "", "constrain": "domain", "fixedrange": True}
    set_axes(
        target,
        number,
        {**plain, "range": [-reach, reach]},
        {**plain, "range": [-upper, upper], "scaleanchor": axes(number)["xaxis"]},
    )


def heading(name: str, color: str) -> str:
    """A panel's title with its colour."""
    return f'<span style="color:{color}">■</span> {name}'
