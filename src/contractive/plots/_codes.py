"""What codes look like: activations unit by unit, how alike two models' codes are, and maps of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._marks import line
from contractive.plots._pictures import heading
from contractive.plots._style import NEUTRAL, Room, axes, numbers, panels, set_axes

if TYPE_CHECKING:
    from contractive.analysis import Codes, SimilarityTable

_FADING = [  # most bins hold little: the scale is steep at first
    [0.0, "rgba(139, 135, 148, 0.06)"],
    [0.1, "rgba(43, 124, 240, 0.45)"],
    [0.3, "rgba(43, 124, 240, 0.75)"],
    [1.0, "rgba(20, 80, 190, 1)"],
]
# Okabe and Ito (2008), who chose them for colour-blind readers, without black; with a darker yellow and three more
_CLASSES = (
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#BCBD22",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
    "#7F7F7F",
    "#9467BD",
    "#8C564B",
)
_SHADES = ".:=*#@"  # plain characters: others take six bytes each in a page
_ACROSS = 28  # characters of a thumbnail


def code_histograms(codes: "Mapping[str, Codes]") -> go.Figure:
    """Draw the histogram of every unit as a row of a heat map, a panel per variant, liveliest units at the top."""
    result = panels([heading(name) for name in codes], Room(260, 240))
    for number, found in enumerate(codes.values(), 1):
        order = np.argsort(-numbers(found.deviation), kind="stable")
        edges = numbers(found.edges)
        trace = go.Heatmap(
            x=(edges[:-1] + edges[1:]) / 2,
            y=np.arange(1, len(order) + 1),
            z=100 * numbers(found.histograms)[order],
            customdata=np.repeat(order[:, None] + 1, len(edges) - 1, 1),
            colorscale=_FADING,
            zmin=0,
            zmax=100,
            showscale=False,
            hovertemplate="unit %{customdata}: %{z:.1f} % about %{x:.2f}<extra></extra>",
            **axes(number),
        )
        result.add_trace(trace)
        y = {"title": {"text": "units by liveliness"}, "autorange": "reversed", "showgrid": False}
        set_axes(result, number, {"title": {"text": "activation"}, "showgrid": False}, y)
    return result


def unit_activity(codes: "Mapping[str, Codes]") -> go.Figure:
    """Draw standard deviation, saturation and bit entropy of the units, each sorted from the largest.

    Codes outside [0, 1] have no saturation and no entropy, and no line there.
    """
    titles = ["Standard deviation", "Saturated activations", "Entropy of the unit's bit"]
    result = panels(titles, Room(240, 220, codes))
    for name, found in codes.items():
        columns = (found.deviation, 100 * found.unit_saturation, found.unit_entropy)
        for number, values in enumerate(columns, 1):
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
    result = panels(titles, Room(max(200, 44 * len(table.names)), max(180, 36 * len(table.names))))
    names = list(table.names)
    for number, matrix in enumerate((table.cka, table.procrustes, table.neighbors), 1):
        values = numbers(matrix)
        trace = go.Heatmap(
            x=names,
            y=names,
            z=values,
            text=[[f"{value:.2f}" for value in row] for row in values],
            texttemplate="%{text}",
            textfont={"color": "#15141a"},
            zmin=0,
            zmax=1,
            colorscale=_SOFT,
            showscale=False,
            hovertemplate="%{y} and %{x}: %{z:.3f}<extra></extra>",
            **axes(number),
        )
        result.add_trace(trace)
        set_axes(result, number, {"showgrid": False}, {"autorange": "reversed", "showgrid": False})
    return result


_SOFT = [[0.0, "#f0f4fb"], [1.0, "#6aa5f5"]]  # dark text is read on all of it, on white pages and on black ones


def code_map(
    maps: Mapping[str, np.ndarray],
    labels: Sequence[Any] | np.ndarray | None = None,
    *,
    hover: Sequence[str] | None = None,
    axis_titles: tuple[str, str] = ("", ""),
) -> go.Figure:
    """Draw codes in the plane, a panel per variant, coloured by class.

    Args:
        maps: (rows, 2) by variant, for instance the coordinates of `analysis.principal_components`.
        labels: One per row; the same for all variants.
        hover: A text per row, for instance its `thumbnails`.
        axis_titles: Of both axes.
    """
    classes = [] if labels is None else sorted(set(np.asarray(labels).tolist()))
    result = panels([heading(name) for name in maps], Room(380, 330, [str(label) for label in classes]))
    texts = None if hover is None else np.array(hover, dtype=object)
    for number, points in enumerate(map(numbers, maps.values()), 1):
        for at, (label, chosen) in enumerate(_by_class(labels, classes, len(points))):
            trace = go.Scattergl if len(points) > _MANY else go.Scatter
            result.add_trace(
                trace(
                    x=points[chosen, 0],
                    y=points[chosen, 1],
                    mode="markers",
                    marker={"size": 5, "color": _CLASSES[at % len(_CLASSES)] if classes else NEUTRAL, "opacity": 0.75},
                    name=label,
                    legendgroup=label,
                    showlegend=number == 1 and bool(classes),
                    text=None if texts is None else texts[chosen].tolist(),
                    hoverlabel={"font": {"family": "monospace", "size": 9}} if texts is not None else None,
                    hovertemplate=(label if texts is None else f"{label}<br>%{{text}}") + "<extra></extra>",
                    **axes(number),
                )
            )
        x, y = ({"title": {"text": title}, "showticklabels": False} for title in axis_titles)
        set_axes(result, number, x, y)
    return result.update_layout(legend_itemsizing="constant")


_MANY = 3000  # points that a browser draws as shapes without a pause


def thumbnails(rows: np.ndarray, image: tuple[int, int]) -> list[str]:
    """Rows (rows, height * width) as small pictures made of characters, one text each, for `code_map`.

    A text takes about 0.4 kB in every panel that shows it: a few hundred rows are enough for a page.
    """
    height, width = image
    across = min(width, _ACROSS)
    down = max(1, round(height * across / width / 2))  # a character is about twice as high as wide
    pictures = _averaged(_averaged(numbers(rows).reshape(len(rows), *image), down, 1), across, 2)
    low, high = float(pictures.min()), float(pictures.max())
    levels = ((pictures - low) / max(high - low, 1e-30) * (len(_SHADES) - 1)).round().astype(int)
    shades = np.array(list(_SHADES))
    return ["<br>".join("".join(shades[row]) for row in picture) for picture in levels]


def _averaged(pictures: np.ndarray, count: int, axis: int) -> np.ndarray:
    """Means of `count` neighbouring blocks along an axis."""
    size = pictures.shape[axis]
    starts = np.linspace(0, size, count, endpoint=False).astype(int)
    widths = np.diff([*starts, size]).reshape([-1 if at == axis else 1 for at in range(3)])
    return np.add.reduceat(pictures, starts, axis=axis) / widths


def _by_class(labels: Any, classes: Sequence[Any], count: int) -> list[tuple[str, np.ndarray]]:
    if not classes:
        return [("", np.ones(count, bool))]
    known = np.asarray(labels)
    return [(str(label), known == label) for label in classes]
