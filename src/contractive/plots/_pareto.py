"""A sweep over the weight: its Pareto front, and every objective against the weight."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._marks import line, log_axis
from contractive.plots._style import (
    NEUTRAL,
    Room,
    axes,
    color,
    figure,
    horizontal,
    legend_height,
    panels,
    set_axes,
    symbol,
    translucent,
    vertical,
)

_FRONT, _BEATEN, _WITHOUT = "on the front", "beaten by another", "without penalty"


def pareto(
    weights: Sequence[float],
    errors: Sequence[float],
    sensitivities: Sequence[float],
    front: Sequence[int],
    knee: int,
    *,
    kind: str = "contractive",
) -> go.Figure:
    """Draw scale-free sensitivity against reconstruction error, one point per weight, on logarithmic axes.

    Args:
        weights: Of each point; 0 is the model without a penalty.
        errors: Reconstruction error, likewise.
        sensitivities: Scale-free sensitivity, likewise.
        front: Places of the points that no other beats, by error.
        knee: Place of the one that is marked.
        kind: Whose colour they get.
    """
    names = [_FRONT, _BEATEN, _WITHOUT]
    top = legend_height(names) + 8
    result = figure(height=400 + top, margin={"t": top})
    points = np.column_stack([weights, errors, sensitivities]).astype(float)
    beaten = [at for at in range(len(points)) if at not in front and points[at, 0] > 0]
    if len(front) > 2:
        result.add_trace(_chord(points[[front[0], front[-1]]]))
    result.add_trace(_points(points[list(front)], _FRONT, kind, mode="lines+markers"))
    result.add_trace(_points(points[beaten], _BEATEN, kind, mode="markers", opacity=0.4))
    result.add_trace(_points(points[points[:, 0] == 0], _WITHOUT, "standard", mode="markers"))
    result.add_trace(_ring(points[knee], kind))
    result.add_annotation(
        text="knee: " + _said(points[knee, 0]),
        x=np.log10(points[knee, 1]),
        y=np.log10(points[knee, 2]),
        xanchor="left",
        yanchor="bottom",
        xshift=12,
        yshift=8,
        font={"size": 14},
    )
    narrow_top = legend_height(names, narrow=True) + 8
    narrow = {"dragmode": False, "height": 340 + narrow_top, "margin": {"t": narrow_top}}
    return result.update_layout(
        xaxis={"title": {"text": "reconstruction error per example"}, **_roomy(log_axis(errors))},
        yaxis={"title": {"text": "scale-free sensitivity"}, **_roomy(log_axis(sensitivities))},
        meta={"wide": {}, "narrow": narrow},
    )


def weight_curves(
    weights: Sequence[float],
    objectives: Mapping[str, Sequence[float]],
    *,
    spreads: Mapping[str, Sequence[float]] | None = None,
    without: Mapping[str, float] | None = None,
    knee: float | None = None,
    kind: str = "contractive",
    axis: str = "weight",
) -> go.Figure:
    """Draw every objective against the weight, a panel each, with the model without a penalty as a dashed line.

    Args:
        weights: Above 0, ascending.
        objectives: Values at each weight by the panel's title.
        spreads: Their standard deviations over seeds.
        without: Each objective without a penalty.
        knee: Weight to mark.
        kind: Whose colour the lines get.
        axis: Title of the horizontal axes.
    """
    result = panels(list(objectives), Room(300, 240))
    for number, (title, values) in enumerate(objectives.items(), 1):
        spread = (spreads or {}).get(title)
        more: dict[str, Any] = {"mode": "lines+markers", "showlegend": False}
        more["hovertemplate"] = f"%{{y:.4g}} at {axis} %{{x:.3g}}<extra></extra>"
        if spread:
            more["error_y"] = {"array": list(spread), "color": translucent(kind, 0.6), "thickness": 1.5}
        result.add_trace(line(kind, weights, values, number, **more))
        set_axes(result, number, {"title": {"text": axis}, **log_axis(weights)}, {})
        if without and title in without:
            horizontal(result, number, without[title], _WITHOUT)
        if knee:
            vertical(result, number, knee, "knee")
            result.layout.annotations[-1].update(x=float(np.log10(knee)))  # pyright: ignore[reportAttributeAccessIssue]
    return result


def _points(points: np.ndarray, name: str, kind: str, **more: Any) -> go.Scatter:
    return go.Scatter(
        x=points[:, 1],
        y=points[:, 2],
        customdata=[_said(weight) for weight in points[:, 0]],
        name=name,
        line={"color": translucent(kind, 0.6), "width": 2},
        marker={"symbol": symbol(kind), "size": 10, "color": color(kind)},
        hovertemplate="%{customdata}<br>error %{x:.4g}, sensitivity %{y:.3g}<extra></extra>",
        **{**more, **axes(1)},
    )


def _chord(ends: np.ndarray) -> go.Scatter:
    """What the knee is farthest below; straight on these axes."""
    return go.Scatter(
        x=ends[:, 1],
        y=ends[:, 2],
        mode="lines",
        line={"color": NEUTRAL, "width": 1, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
    )


def _ring(point: np.ndarray, kind: str) -> go.Scatter:
    return go.Scatter(
        x=[point[1]],
        y=[point[2]],
        mode="markers",
        marker={"symbol": "circle-open", "size": 24, "color": color(kind), "line": {"width": 3}},
        hoverinfo="skip",
        showlegend=False,
    )


def _said(weight: float) -> str:
    return f"weight {weight:.3g}" if weight else _WITHOUT


def _roomy(axis: dict[str, Any]) -> dict[str, Any]:
    """With room for the label beside the outermost point."""
    low, high = axis["range"]
    beyond = 0.06 * (high - low)
    return {**axis, "range": [low - beyond, high + beyond]}
