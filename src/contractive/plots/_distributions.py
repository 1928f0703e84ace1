"""How a measure is spread over test examples: a histogram above box plots."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._style import NEUTRAL, color, figure, legend_height, translucent, wrapped

_MOST_BINS = 48
_BOX = 34  # pixels per box plot
_HISTOGRAM = 240
_AXIS, _LABELS = 48, 26  # below and above


def sensitivity(ratios: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw ||f(x+e) - f(x)|| / ||e|| of the test examples by variant."""
    return _distribution(ratios, "movement of code / movement of input")


def operator_norm(norms: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw the largest singular value of J at the test examples by variant, with a line at 1."""
    result = _distribution(norms, "largest singular value of the Jacobian")
    line = {"color": NEUTRAL, "width": 1.5, "dash": "dash"}
    result.add_shape(type="line", x0=1, x1=1, xref="x", y0=0, y1=1, yref="paper", line=line, layer="below")
    for text, anchor, shift in (("contracts", "right", -6), ("expands", "left", 6)):
        result.add_annotation(text=text, x=1, y=1, yref="paper", xanchor=anchor, yanchor="bottom", xshift=shift)
    return result


def reconstruction_error(errors: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw ||r(x) - x||^2 of the test examples by variant."""
    return _distribution(errors, "squared reconstruction error")


def _distribution(values: Mapping[str, np.ndarray], title: str) -> go.Figure:
    finite = {name: array[np.isfinite(array)].astype(np.float32) for name, array in values.items()}
    edges = _edges(finite)
    boxes = _BOX * len(finite)
    share = boxes / (boxes + _HISTOGRAM)
    height, top = boxes + _HISTOGRAM + _AXIS, legend_height(values) + _LABELS
    result = figure(height=height + top, margin={"t": top})
    for name, array in finite.items():
        result.add_traces([_histogram(name, array, edges), _box(name, array)])
    return result.update_layout(
        xaxis={"title": {"text": title}, "anchor": "y2"},
        yaxis={"domain": [share + 0.05, 1], "ticksuffix": " %", "title": {"text": "examples"}, "rangemode": "tozero"},
        yaxis2={
            "domain": [0, share],
            "autorange": "reversed",
            "showgrid": False,
            "tickvals": list(finite),
            "ticktext": [wrapped(name) for name in finite],
        },
        meta={"wide": {}, "narrow": _narrow(height + _LABELS)},
    )


def _narrow(height: int) -> dict[str, Any]:
    """Without a legend, as the boxes are named."""
    return {
        "dragmode": False,
        "showlegend": False,
        "height": height,
        "margin": {"t": _LABELS},
        "yaxis2": {"tickfont": {"size": 11}},
    }


def _edges(values: Mapping[str, np.ndarray]) -> np.ndarray:
    together = np.concatenate([np.zeros(0), *values.values()])
    low, high = (float(together.min()), float(together.max())) if len(together) else (0.0, 1.0)
    bins = min(_MOST_BINS, max(8, round(3 * max(map(len, values.values()), default=0) ** (1 / 3))))
    return np.linspace(low, high if high > low else low + 1, bins + 1)


def _histogram(name: str, values: np.ndarray, edges: np.ndarray) -> go.Scatter:
    percent = 100 * np.histogram(values, edges)[0] / max(len(values), 1)
    return go.Scatter(
        x=np.concatenate([edges[:1], edges]),
        y=np.concatenate([[0], percent, [0]]),
        mode="lines",
        line={"color": color(name), "width": 2, "shape": "hv"},
        fill="tozeroy",
        fillcolor=translucent(name, 0.16),
        name=name,
        legendgroup=name,
        hovertemplate="%{y:.1f} % from %{x:.3g}",
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
