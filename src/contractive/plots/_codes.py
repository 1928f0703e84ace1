"""Matrices and curves of codes and classes: histograms and activity of units, similarity of models, confusion."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._marks import diverging, heatmap, line
from contractive.plots._style import Room, heading, numbers, panels, set_axes

if TYPE_CHECKING:
    from contractive.analysis import Codes, SimilarityTable

_FADING = [  # most bins hold little: the scale is steep at first
    [0.0, "rgba(139, 135, 148, 0.06)"],
    [0.1, "rgba(43, 124, 240, 0.45)"],
    [0.3, "rgba(43, 124, 240, 0.75)"],
    [1.0, "rgba(20, 80, 190, 1)"],
]
_SOFT = [[0.0, "#f0f4fb"], [1.0, "#6aa5f5"]]  # dark text is read on all of it, on white pages and on black ones
_WRITTEN = 16  # classes, up to which counts stand in the cells
_MOST_NAMES = 40
_LONGEST = 12  # characters of a class at an axis


def code_histograms(codes: "Mapping[str, Codes]") -> go.Figure:
    """Draw the histogram of every unit as a row of a heat map, a panel per model, units of highest variance first."""
    result = panels([heading(name) for name in codes], Room(260, 240))
    for number, found in enumerate(codes.values(), 1):
        order = np.argsort(-numbers(found.deviation), kind="stable")
        edges = numbers(found.edges)
        hover = "unit %{customdata}: %{z:.1f} % about %{x:.2f}<extra></extra>"
        units = np.repeat(order[:, None] + 1, len(edges) - 1, 1)
        axis = {"x": (edges[:-1] + edges[1:]) / 2, "y": np.arange(1, len(order) + 1)}
        scale = {"colorscale": _FADING, "zmin": 0, "zmax": 100, "customdata": units, "hovertemplate": hover}
        result.add_trace(heatmap(100 * numbers(found.histograms)[order], number, **axis, **scale))
        y = {"title": {"text": "units by variance"}, "autorange": "reversed", "showgrid": False}
        set_axes(result, number, {"title": {"text": "activation"}, "showgrid": False}, y)
    return result


def unit_activity(codes: "Mapping[str, Codes]") -> go.Figure:
    """Draw standard deviation, saturation and bit entropy of the units, each sorted from the largest.

    Codes outside [0, 1] have no saturation and no entropy, and no line there.
    """
    titles = ["Standard deviation", "Saturated activations", "Entropy of the unit's bit"]
    result = panels(titles, Room(240, 220, codes))
    for name, found in codes.items():
        for number, values in enumerate((found.deviation, 100 * found.unit_saturation, found.unit_entropy), 1):
            ordered = -np.sort(-numbers(values))
            share = 100 * (np.arange(len(ordered)) + 0.5) / len(ordered)
            result.add_trace(line(name, share, ordered, number, hovertemplate="%{y:.3g} at %{x:.0f} % of the units"))
    for number, suffix in ((1, ""), (2, " %"), (3, " bit")):
        x = {"title": {"text": "units"}, "ticksuffix": " %", "range": [0, 100]}
        set_axes(result, number, x, {"rangemode": "tozero", "ticksuffix": suffix})
    return result


def similarity(table: "SimilarityTable") -> go.Figure:
    """Draw linear CKA, Procrustes similarity and shared neighbours of all pairs of models, with their values."""
    titles = ["Linear CKA", "Procrustes", f"Neighbours (chance {100 * table.neighbors_chance:.1f} %)"]
    names = list(table.names)
    result = panels(titles, Room(max(200, 44 * len(names)), max(180, 36 * len(names))))
    for number, values in enumerate(map(numbers, (table.cka, table.procrustes, table.neighbors)), 1):
        text = {"text": [[f"{value:.2f}" for value in row] for row in values], "texttemplate": "%{text}"}
        scale = {"zmin": 0, "zmax": 1, "colorscale": _SOFT, "textfont": {"color": "#15141a"}}
        hover = "%{y} and %{x}: %{z:.3f}<extra></extra>"
        result.add_trace(heatmap(values, number, x=names, y=names, hovertemplate=hover, **text, **scale))
        set_axes(result, number, {"showgrid": False}, {"autorange": "reversed", "showgrid": False})
    return result


def confusion(counts: np.ndarray, names: Sequence[str]) -> go.Figure:
    """Draw the confusion matrix: true classes down, given ones across; right blue, wrong orange.

    Args:
        counts: Rows by true (row) and given (column) class.
        names: Of the classes.
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    wrong = shares * (1 - np.eye(len(counts)))
    # half of the colour scale: on its pale part the page's own ink can be read, light or dark
    shown = 0.5 * wrong / max(float(wrong.max()), 1e-12) - 0.45 * np.diag(shares.diagonal())
    wide, narrow = min(620, max(260, 44 * len(counts) + 40)), min(330, max(240, 30 * len(counts) + 40))
    result = panels([""], Room(wide, narrow, ticks=24))
    cells = np.empty((*counts.shape, 4), object)
    cells[..., 0], cells[..., 1] = np.meshgrid(np.array(names, object), np.array(names, object), indexing="ij")
    cells[..., 2], cells[..., 3] = counts, shares
    hover = "true %{customdata[0]}, given %{customdata[1]}: %{customdata[2]} rows, %{customdata[3]:.1%}<extra></extra>"
    more = {"customdata": cells.tolist(), "hovertemplate": hover, "xgap": 1, "ygap": 1}
    result.add_trace(heatmap(shown, 1, **diverging(1), **more))
    for true, given in np.argwhere(counts > 0).tolist() if len(names) <= _WRITTEN else []:
        result.add_annotation(text=f"{counts[true, given]}", x=given, y=true, xref="x", yref="y")
    common: dict[str, Any] = {"showgrid": False, "constrain": "domain", "fixedrange": True}
    if len(names) <= _MOST_NAMES:
        short = [name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…" for name in names]
        common |= {"tickvals": list(range(len(names))), "ticktext": short}
    x = common | {"title": {"text": "given"}, "constraintoward": "left"}
    y = common | {"title": {"text": "true"}, "autorange": "reversed", "scaleanchor": "x", "constraintoward": "top"}
    set_axes(result, 1, x, y)
    return result
