"""How a measure is spread over test examples: a histogram above box plots."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._style import NEUTRAL, color, figure, translucent

_BINS = 48
_BOX = 34  # pixels per box plot
_HISTOGRAM = 240


def sensitivity(ratios: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw ||f(x+e) - f(x)|| / ||e|| of the test examples by variant."""
    return _distribution(ratios, "movement of the code per movement of the input, ‖dz‖ / ‖dx‖")


def operator_norm(norms: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw the largest singular value of J at the test examples by variant, with a line at 1."""
    result = _distribution(norms, "largest singular value of the Jacobian")
    line = {"color": NEUTRAL, "width": 1.5, "dash": "dash"}
    result.add_shape(type="line", x0=1, x1=1, xref="x", y0=0, y1=1, yref="paper", line=line, layer="below")
    for text, anchor, shift in (("contracts", "right", -6), ("may expand", "left", 6)):
        result.add_annotation(text=text, x=1, y=1, yref="paper", xanchor=anchor, yanchor="bottom", xshift=shift)
    return result


def _distribution(values: Mapping[str, np.ndarray], title: str) -> go.Figure:
    finite = {name: array[np.isfinite(array)].astype(np.float32) for name, array in values.items()}
    edges = _edges(finite)
    boxes = _BOX * len(finite)
    share = boxes / (boxes + _HISTOGRAM)
    result = figure(height=boxes + _HISTOGRAM + 110, margin={"t": 62, "b": 46, "l": 8, "r": 8})
    for name, array in finite.items():
        result.add_traces([_histogram(name, array, edges), _box(name, array)])
    return result.update_layout(
        xaxis={"title": {"text": title}, "anchor": "y2"},
        yaxis={"domain": [share + 0.05, 1], "ticksuffix": " %", "title": {"text": "examples"}, "rangemode": "tozero"},
        yaxis2={"domain": [0, share], "autorange": "reversed", "showgrid": False},
        meta={"wide": {}, "narrow": {"dragmode": False}},
    )


def _edges(values: Mapping[str, np.ndarray]) -> np.ndarray:
    together = np.concatenate([np.zeros(0), *values.values()])
    low, high = (float(together.min()), float(together.max())) if len(together) else (0.0, 1.0)
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)


def _histogram(name: str, values: np.ndarray, edges: np.ndarray) -> go.Scatter:
    counts = np.histogram(values, edges)[0]
    percent = 100 * counts / max(len(values), 1)
    middles = (edges[1:] + edges[:-1]) / 2
    common: dict[str, Any] = {"name": name, "legendgroup": name, "mode": "lines"}
    return go.Scatter(
        x=middles,
        y=percent,
        line={"color": color(name), "width": 2, "shape": "hvh"},
        fill="tozeroy",
        fillcolor=translucent(name, 0.16),
        hovertemplate="%{y:.1f} % near %{x:.3g}",
        **common,
    )


def _box(name: str, values: np.ndarray) -> go.Box:
    return go.Box(
        x=values,
        y0=name,
        yaxis="y2",
        name=name,
        legendgroup=name,
        showlegend=False,
        orientation="h",
        line={"color": color(name), "width": 1.5},
        fillcolor=translucent(name, 0.16),
        marker={"size": 3, "opacity": 0.5},
    )
