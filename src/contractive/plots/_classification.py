"""A classifier: how it learned, what it takes for what, and where it is wrong."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._pictures import DIVERGING, heatmap, picture_axes, shrunk
from contractive.plots._style import NEUTRAL, Room, axes, color, panels, set_axes, vertical

_HELD_OUT = "contractive"  # its colour is the page's own
_WRITTEN = 16  # classes, up to which counts stand in the cells
_MOST_NAMES = 40
_LONGEST = 12  # characters of a class at an axis
_ACROSS = 6  # mistakes in a row
_WORDS = 0.7  # room below a picture, as a share of its height


def learning(rows: Sequence[Mapping[str, float]], best_epoch: int) -> go.Figure:
    """Draw errors (per cent) and losses (nats) of fine-tuning by epoch, training dotted, validation solid.

    Args:
        rows: As `fine_tune` gives them, with validation.
        best_epoch: Marked.
    """
    result = panels(["Errors", "Loss, what is added included in training"], Room(300, 260, ("training", "validation")))
    epochs = [row["epoch"] for row in rows]
    for number, (column, factor, unit) in enumerate((("error", 100.0, " %"), ("loss", 1.0, " nats")), 1):
        for part, dash, width in (("train", "dot", 1.5), ("val", "solid", 2.5)):
            name = {"train": "training", "val": "validation"}[part]
            result.add_scatter(
                x=epochs,
                y=[factor * row[f"{part}_{column}"] for row in rows],
                name=name,
                legendgroup=name,
                showlegend=number == 1,
                mode="lines" if len(rows) > 1 else "markers",
                line={"color": NEUTRAL if part == "train" else color(_HELD_OUT), "dash": dash, "width": width},
                hovertemplate=f"{name}: %{{y:.3g}}{unit} after %{{x}} epochs<extra></extra>",
                **axes(number),
            )
        side = "left" if best_epoch > len(rows) / 2 else "right"
        vertical(result, number, best_epoch, f"epoch {best_epoch}" if number == 1 else "", side=side)
        y = {"rangemode": "tozero"} | ({"ticksuffix": " %"} if number == 1 else {})
        set_axes(result, number, {"title": {"text": "epoch"}}, y)
    return result


def confusion(counts: np.ndarray, names: Sequence[str]) -> go.Figure:
    """Draw which class is taken for which: true classes down, given ones across; right blue, wrong orange.

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
    scale = {"zmin": -1, "zmax": 1, "colorscale": DIVERGING, "showscale": False, "xgap": 1, "ygap": 1}
    result.add_trace(heatmap(shown, 1, customdata=cells.tolist(), hovertemplate=hover, **scale))
    for true, given in np.argwhere(counts > 0).tolist() if len(names) <= _WRITTEN else []:
        result.add_annotation(text=f"{counts[true, given]}", x=given, y=true, xref="x", yref="y", showarrow=False)
    few = {"tickvals": list(range(len(names))), "ticktext": [_short(name) for name in names]}
    ticks: dict[str, Any] = few if len(names) <= _MOST_NAMES else {}
    common = {"showgrid": False, "constrain": "domain", "fixedrange": True, **ticks}
    x = common | {"title": {"text": "given"}, "constraintoward": "left"}
    y = common | {"title": {"text": "true"}, "autorange": "reversed", "scaleanchor": "x", "constraintoward": "top"}
    set_axes(result, 1, x, y)
    return result


def mistakes(rows: np.ndarray, image: tuple[int, int], true: Sequence[str], given: Sequence[str]) -> go.Figure:
    """Draw pictures with what they are and what they were taken for below each.

    Args:
        rows: (pictures, height * width).
        image: Height and width.
        true: Class of each.
        given: Class that each was given.
    """
    pictures = shrunk(rows.reshape(len(rows), *image).astype(np.float32))
    height, width = pictures.shape[1:]
    gap, space = ceil(_WORDS * height), max(1, width // 8)
    across = min(_ACROSS, len(rows))
    down = ceil(len(rows) / across)
    mosaic = np.full((down * (height + gap), _ACROSS * (width + space)), np.nan, np.float32)
    places = []
    for at, drawn in enumerate(pictures):
        row, column = divmod(at, across)
        top, left = row * (height + gap), column * (width + space)
        mosaic[top : top + height, left : left + width] = drawn
        places.append((left + (width - 1) / 2, top + height - 0.5))
    ratio = mosaic.shape[0] / mosaic.shape[1]
    result = panels([""], Room(round(620 * ratio), round(330 * ratio), axis=False))
    low, high = float(rows.min()), float(rows.max())
    grey = {"zmin": low, "zmax": high, "colorscale": "Greys", "reversescale": True, "showscale": False}
    result.add_trace(heatmap(mosaic, 1, hoverinfo="skip", **grey))
    picture_axes(result, 1, True)
    for (x, y), was, taken in zip(places, true, given, strict=True):
        text = f"<b>{_short(was, 8)}</b><br>as {_short(taken, 8)}"
        result.add_annotation(
            text=text, x=x, y=y, xref="x", yref="y", yanchor="top", font={"size": 11}, showarrow=False
        )
    return result


def _short(name: str, longest: int = _LONGEST) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"
