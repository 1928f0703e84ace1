"""A sweep over the weight: its Pareto front, and every metric against the weight."""

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

_SHORT = 6.0  # largest over smallest value of an axis that needs ticks in even steps
_FRONT, _BEATEN, _WITHOUT = "on the front", "beaten by another", "without penalty"


def pareto(
    weights: Sequence[float],
    errors: Sequence[float],
    sensitivities: Sequence[float],
    front: Sequence[int],
    knee: int,
    *,
    objective: str = "contractive",
) -> go.Figure:
    """Draw scale-free sensitivity against reconstruction error, one point per weight, on logarithmic axes.

    Args:
        weights: Of each point; 0 is the model without a penalty.
        errors: Reconstruction error, likewise.
        sensitivities: Scale-free sensitivity, likewise.
        front: Indices of the points that no other beats, by error.
        knee: Index of the one that is marked.
        objective: Whose colour they get.
    """
    points = np.column_stack([weights, errors, sensitivities]).astype(float)
    penalised = points[:, 0] > 0
    on_front = np.isin(np.arange(len(points)), list(front))
    groups = {_FRONT: on_front & penalised, _BEATEN: ~on_front & penalised, _WITHOUT: ~penalised}
    names = [name for name, chosen in groups.items() if chosen.any()]
    top = legend_height(names) + 8
    result = figure(height=400 + top, margin={"t": top})
    result.add_trace(_line(points[list(front)], {"color": translucent(objective, 0.6), "width": 2}))
    if len(front) > 2:  # the knee is farthest below this chord, which is straight on these axes
        result.add_trace(_line(points[[front[0], front[-1]]], {"color": NEUTRAL, "width": 1, "dash": "dot"}))
    for name in names:
        look = "standard" if name == _WITHOUT else objective
        result.add_trace(_points(points[groups[name]], name, look, opacity=0.4 if name == _BEATEN else 1))
    result.add_trace(_ring(points[knee], objective))
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
        xaxis={"title": {"text": "reconstruction error per example"}, **_fine_axis(errors)},
        yaxis={"title": {"text": "scale-free sensitivity"}, **_fine_axis(sensitivities)},
        meta={"wide": {}, "narrow": narrow},
    )


def weight_curves(
    weights: Sequence[float],
    metrics: Mapping[str, Sequence[float]],
    *,
    spreads: Mapping[str, Sequence[float]] | None = None,
    without: Mapping[str, float] | None = None,
    knee: float | None = None,
    objective: str = "contractive",
    axis: str = "weight",
) -> go.Figure:
    """Draw every metric against the weight, a panel each, with the model without a penalty as a dashed line.

    Args:
        weights: Above 0, ascending.
        metrics: Values at each weight by the panel's title.
        spreads: Their standard deviations over seeds.
        without: Each metric without a penalty.
        knee: Weight to mark.
        objective: Whose colour the lines get.
        axis: Title of the horizontal axes.
    """
    result = panels(list(metrics), Room(300, 240))
    for number, (title, values) in enumerate(metrics.items(), 1):
        spread = (spreads or {}).get(title)
        more: dict[str, Any] = {"mode": "lines+markers", "showlegend": False}
        more["hovertemplate"] = f"%{{y:.4g}} at {axis} %{{x:.3g}}<extra></extra>"
        if spread:
            more["error_y"] = {"array": list(spread), "color": translucent(objective, 0.6), "thickness": 1.5}
        result.add_trace(line(objective, weights, values, number, **more))
        set_axes(result, number, {"title": {"text": axis}, **log_axis(weights)}, {})
        if without and title in without:
            horizontal(result, number, without[title], _WITHOUT)
        if knee:
            vertical(result, number, knee, "knee", side="left")
            result.layout.annotations[-1].update(x=float(np.log10(knee)))  # pyright: ignore[reportAttributeAccessIssue]
    return result


def _points(points: np.ndarray, name: str, objective: str, **more: Any) -> go.Scatter:
    return go.Scatter(
        x=points[:, 1],
        y=points[:, 2],
        customdata=[_said(weight) for weight in points[:, 0]],
        name=name,
        mode="markers",
        marker={"symbol": symbol(objective), "size": 11, "color": color(objective)},
        hovertemplate="%{customdata}<br>error %{x:.4g}, sensitivity %{y:.3g}<extra></extra>",
        **{**more, **axes(1)},
    )


def _line(points: np.ndarray, line: dict[str, Any]) -> go.Scatter:
    return go.Scatter(x=points[:, 1], y=points[:, 2], mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _ring(point: np.ndarray, objective: str) -> go.Scatter:
    return go.Scatter(
        x=[point[1]],
        y=[point[2]],
        mode="markers",
        marker={"symbol": "circle-open", "size": 24, "color": color(objective), "line": {"width": 3}},
        hoverinfo="skip",
        showlegend=False,
    )


def _said(weight: float) -> str:
    return f"weight {weight:.3g}" if weight else _WITHOUT


def _fine_axis(values: Sequence[float]) -> dict[str, Any]:
    """A logarithmic axis with room beside the outermost points, and at least a few ticks where it is short."""
    axis = log_axis(values)
    low, high = axis["range"]
    beyond = 0.06 * (high - low)
    axis["range"] = [low - beyond, high + beyond]
    least, most = 10.0 ** np.array(axis["range"])
    if most / least < _SHORT:
        step = 10.0 ** np.floor(np.log10((most - least) / 3))
        step *= max(by for by in (1, 2, 5) if by * step <= (most - least) / 3)
        ticks = step * np.arange(np.ceil(least / step), np.floor(most / step) + 1)
        axis |= {"tickvals": ticks.tolist(), "ticktext": [f"{tick:.4g}" for tick in ticks]}
    return axis
