"""Arrows in the plane: where reconstruction sends points, or what the score is there."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from contractive.plots._pictures import heading
from contractive.plots._style import NEUTRAL, Room, axes, color, numbers, panels, set_axes

if TYPE_CHECKING:
    from contractive.analysis import VectorField


def vector_fields(fields: "Mapping[str, VectorField]", data: np.ndarray | None = None) -> go.Figure:
    """Draw r(x) - x in the plane as arrows, a panel per variant.

    Each panel's arrows share a factor that makes the longest as long as the points are apart: directions and relative
    lengths show, absolute ones are in the hover.

    Args:
        fields: By variant, points and steps of two numbers each, for instance at `analysis.grid`.
        data: Rows (rows, 2) to draw below.

    Raises:
        ValueError: A field that is not in the plane.
    """
    result = panels([heading(name) for name in fields], Room(400, 330))
    for number, (name, field) in enumerate(fields.items(), 1):
        points, steps = numbers(field.points), numbers(field.steps)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(
                f"fields must have points (rows, 2), got {points.shape} for {name}. Take a plane's points."
            )
        if data is not None:
            result.add_trace(_data(numbers(data), number))
        result.add_trace(_arrows(name, points, steps * _factor(points, steps), steps, number))
        square = {"scaleanchor": axes(number)["xaxis"], "constrain": "domain"}
        set_axes(result, number, {"constrain": "domain"}, square)
    return result


def _factor(points: np.ndarray, steps: np.ndarray) -> float:
    """What the longest step is multiplied by to reach the next point of an even grid."""
    apart = float(np.sqrt(np.ptp(points, axis=0).prod() / max(len(points) - 1, 1)))
    longest = float(np.hypot(*steps.T).max())
    return apart / longest if longest > 0 else 1.0


def _arrows(name: str, points: np.ndarray, drawn: np.ndarray, steps: np.ndarray, number: int) -> go.Scatter:
    gaps = np.full(len(points), np.nan, np.float32)
    ends = points + drawn
    x, y = (np.stack([points[:, at], ends[:, at], gaps], 1).ravel() for at in (0, 1))
    sizes = np.tile(np.array([0, 7, 0], np.float32), len(points))
    return go.Scatter(
        x=x,
        y=y,
        customdata=np.repeat(steps, 3, axis=0),
        mode="lines+markers",
        line={"color": color(name), "width": 1.2},
        marker={"symbol": "arrow", "angleref": "previous", "size": sizes, "color": color(name), "line": {"width": 0}},
        name=name,
        showlegend=False,
        hovertemplate="(%{customdata[0]:.3g}, %{customdata[1]:.3g})<extra></extra>",
        **axes(number),
    )


def _data(rows: np.ndarray, number: int) -> go.Scatter:
    marker = {"size": 3, "color": NEUTRAL, "opacity": 0.45}
    return go.Scatter(
        x=rows[:, 0],
        y=rows[:, 1],
        mode="markers",
        marker=marker,
        name="data",
        showlegend=False,
        hoverinfo="skip",
        **axes(number),
    )
