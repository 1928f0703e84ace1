"""Marks that several pictures share: lines, bands, boxes, bars, heat maps, small pictures, a logarithmic axis."""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.analysis.sampling import sheet
from contractive.plots._style import Room, axes, color, label, look, numbers, panels, set_axes, translucent, written

Image = tuple[int, int] | None

DIVERGING = [  # blue below zero, orange above, nothing at zero: works on white and on black
    [0.0, "rgba(20, 90, 200, 1)"],
    [0.25, "rgba(60, 130, 225, 0.6)"],
    [0.5, "rgba(139, 135, 148, 0.06)"],
    [0.75, "rgba(225, 110, 40, 0.6)"],
    [1.0, "rgba(200, 60, 0, 1)"],
]
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_ACROSS = 8  # tiles in a row
_LARGEST_SIDE = 32  # pixels of a tile; larger images are averaged down
_WIDE, _ALONE, _NARROW = 500, 760, 340  # pixels of a picture: beside another on a laptop, alone there, on a phone
_MOST_NAMES = 30  # of features below a panel
_LONGEST_NAME = 17  # characters
_SLANTED = 38  # pixels of names below a heat map, beyond one line


def line(name: str, x: Any, y: Any, number: int, /, **more: Any) -> go.Scatter:
    """Return a line with the look of a model; in the legend if it stands in the first panel."""
    own = look(name)
    common: dict[str, Any] = {
        "mode": "lines",
        "line": {"color": own.color, "width": 2.5},
        "marker": {"symbol": own.symbol, "size": 8, "color": own.color},
        "name": label(name),
        "legendgroup": name,
        "showlegend": number == 1,
        **axes(number),
    }
    return go.Scatter(x=numbers(x), y=numbers(y), **(common | more))


def band(name: str, x: Any, low: Any, high: Any, number: int) -> go.Scatter:
    """Return the area between two lines."""
    x, low, high = numbers(x), numbers(low), numbers(high)
    return go.Scatter(
        x=np.concatenate([x, x[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        fillcolor=translucent(name, 0.14),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
        **axes(number),
    )


def boxes(name: str, groups: Mapping[str, Any], number: int, *, shown: bool, lying: bool = False) -> go.Box:
    """Return a box per group: median, quartiles, whiskers from 5 to 95 %; beside those of other models."""
    finite = [array[np.isfinite(array)] for array in map(numbers, groups.values())]
    marks = [np.quantile(array, _QUANTILES) if len(array) else np.full(5, np.nan) for array in finite]
    low, first, median, third, high = np.array(marks).T
    return go.Box(
        {"y" if lying else "x": list(groups)},
        orientation="h" if lying else "v",
        lowerfence=low,
        q1=first,
        median=median,
        q3=third,
        upperfence=high,
        name=label(name),
        offsetgroup=name,
        legendgroup=name,
        showlegend=shown,
        line={"color": color(name), "width": 1.5},
        fillcolor=translucent(name, 0.16),
        whiskerwidth=0.5,
        **axes(number),
    )


def bars(name: str, values: Any, rows: Any, number: int, **more: Any) -> go.Bar:
    """Return lying bars, beside those of other models."""
    common = {"name": label(name), "legendgroup": name, "offsetgroup": name, "marker": {"color": color(name)}}
    return go.Bar(x=values, y=rows, orientation="h", **common, **axes(number), **more)


def log_axis(*values: Any, decades: float | None = None) -> dict[str, Any]:
    """Return a logarithmic axis with round ticks over the positive values; `decades` at most, from the largest down.

    On its own a logarithmic axis writes 5 for 0.5.
    """
    every = np.concatenate([np.zeros(0), *(numbers(array).ravel() for array in values)])
    seen = every[np.isfinite(every) & (every > 0)]
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (1.0, 10.0)
    low = max(low, high / 10**decades) if decades else low
    exponents = range(floor(log10(low)), ceil(log10(high)) + 1)
    digits = (1, 2, 5) if len(exponents) <= 4 else (1,)
    ticks = [digit * 10.0**exponent for exponent in exponents[:: ceil(len(exponents) / 8)] for digit in digits]
    room = 0.04 * max(log10(high / low), 0.5)
    ends = [log10(low) - room, log10(high) + room]
    return {"type": "log", "range": ends, "tickvals": ticks, "ticktext": [written(tick) for tick in ticks]}


def heatmap(values: Any, number: int, **more: Any) -> go.Heatmap:
    """Return a heat map without a scale."""
    return go.Heatmap(z=numbers(values), hoverongaps=False, showscale=False, **axes(number), **more)


def signed(
    groups: Sequence[np.ndarray] | np.ndarray,
    headings: Sequence[str],
    image: Image,
    names: Sequence[str] | None,
    row: str,
    step: int = 1,
) -> go.Figure:
    """Draw a panel of signed vectors (rows, features) for each heading, as pictures or as a heat map, on one scale.

    `image` is the height and width where a vector is an image. Else `names` are those of the features, of which every
    `step`-th is shown, and `row` says what a vector is.
    """
    tiles = [tiled(rows, image, min(_ACROSS, len(rows))) if image else rows[:, ::step] for rows in groups]
    # a few extreme values must not make all others pale
    limit = max((float(np.quantile(np.abs(tile[np.isfinite(tile)]), 0.995)) for tile in tiles), default=0) or 1.0
    alone = len(tiles) == 1
    room = picture_room(tiles[0], 0, alone=alone) if image else feature_room(names, tiles[0].shape[1])
    result = panels(list(headings), room)
    hover = "%{z:.3g}<extra></extra>" if image else f"{row} %{{y}}, feature %{{x}}: %{{z:.3g}}<extra></extra>"
    scale = {**diverging(limit), "x0": 1, "dx": 1 if image else step, "y0": 1, "hovertemplate": hover}
    for number, tile in enumerate(tiles, 1):
        result.add_trace(heatmap(tile, number, **scale))
        picture_axes(result, number, bool(image))
        if not image:
            set_axes(result, number, feature_axis(names, tile.shape[1]), {"title": {"text": row}})
    return result


def diverging(limit: float) -> dict[str, Any]:
    """Return the colour scale of signed numbers."""
    return {"zmin": -limit, "zmax": limit, "colorscale": DIVERGING}


def grey(result: go.Figure, mosaic: np.ndarray, number: int, low: float, high: float) -> None:
    """Draw pictures in a panel, dark at `low`."""
    scale = {"zmin": low, "zmax": high, "colorscale": "Greys", "reversescale": True}
    result.add_trace(heatmap(mosaic, number, hoverinfo="skip", **scale))
    picture_axes(result, number, True)


def picture_axes(result: go.Figure, number: int, square: bool) -> None:
    """Set axes without numbers for pictures, whose pixels are square; numbered features for other heat maps."""
    plain = {"showgrid": False, "ticks": "", "showticklabels": not square, "fixedrange": True, "constrain": "domain"}
    x, y = plain | {"title": {"text": "feature"}}, plain | {"autorange": "reversed", "constraintoward": "top"}
    if square:
        x = plain | {"showline": False, "constraintoward": "left"}
        y |= {"showline": False, "scaleanchor": axes(number)["xaxis"]}
    set_axes(result, number, x, y)


def picture_room(mosaic: np.ndarray, taken: int, *, alone: bool = False) -> Room:
    """Return the room for a picture across a panel, of whose width some is taken; a panel alone is wider."""
    height, width = mosaic.shape
    wide, narrow = (round((across - taken) * height / width) for across in (_ALONE if alone else _WIDE, _NARROW))
    return Room(wide, narrow, axis=False)


def tiled(rows: np.ndarray, image: tuple[int, int], across: int) -> np.ndarray:
    """Return rows as pictures beside and below each other, one empty pixel between them."""
    pictures = shrunk(rows, image)
    return sheet(pictures, pictures.shape[1:], columns=across, background=np.nan)


def shrunk(rows: np.ndarray, image: tuple[int, int]) -> np.ndarray:
    """Return rows as pictures, averaged over blocks of pixels where they are larger than a tile need be."""
    pictures = rows.reshape(len(rows), *image).astype(np.float32)
    count, height, width = pictures.shape
    block = ceil(max(height, width) / _LARGEST_SIDE)
    tall, wide = min(block, height), min(block, width)
    down, across = height // tall, width // wide
    blocks = pictures[:, : down * tall, : across * wide].reshape(count, down, tall, across, wide)
    return blocks.mean((2, 4))


def middles(pixels: int, count: int) -> list[float]:
    """Return the middle of each of `count` tiles along a side of a mosaic."""
    return [(pixels + 1) / count * (at + 0.5) - 1 for at in range(count)]


def feature_room(names: Sequence[str] | None, count: int) -> Room:
    """Return the room for a heat map over features, whose names stand slanted below it."""
    return Room(220, 180, ticks=_SLANTED if names is not None and count <= _MOST_NAMES else 0)


def feature_axis(names: Sequence[str] | None, count: int) -> dict[str, Any]:
    """Return features along the bottom, by name where there are names for a few."""
    if names is None or count > _MOST_NAMES:
        return {"title": {"text": "feature"}}
    ticks = {"tickvals": list(range(1, count + 1)), "ticktext": [short(name) for name in names], "tickangle": -40}
    return {"title": {"text": ""}, "tickfont": {"size": 10}, **ticks}


def short(name: str) -> str:
    """Return both ends of a long name, as categories differ at the end; the hover has all of it."""
    head, tail = _LONGEST_NAME - 12, 11
    return name if len(name) <= _LONGEST_NAME else f"{name[:head]}…{name[-tail:]}"
