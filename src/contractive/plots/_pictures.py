"""What the network sees: first-layer filters, and what comes out again."""

from collections.abc import Mapping
from math import ceil
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._style import NEUTRAL, Room, axes, color, panels, set_axes, wrapped

Image = tuple[int, int] | None

DIVERGING = [  # blue below zero, orange above, nothing at zero: works on white and on black
    [0.0, "rgba(20, 90, 200, 1)"],
    [0.25, "rgba(60, 130, 225, 0.6)"],
    [0.5, "rgba(139, 135, 148, 0.06)"],
    [0.75, "rgba(225, 110, 40, 0.6)"],
    [1.0, "rgba(200, 60, 0, 1)"],
]
_ACROSS = 8  # filters in a row
_LARGEST_SIDE = 32  # pixels of a tile; larger images are averaged down
_MOST_FEATURES = 256  # columns of a heat map of weights
_EXAMPLES = 2  # of reconstructions that are not images
_WIDE, _ALONE, _NARROW, _NAMES = 500, 760, 340, 90  # pixels: panels on a laptop and a phone, row headings


def filters(weights: Mapping[str, np.ndarray], image: Image = None) -> go.Figure:
    """Draw the first layer's weights: a small picture per unit for images, else a heat map of units by features.

    Args:
        weights: (units, features) by variant; all on one colour scale.
        image: Height and width, where a row is an image.
    """
    step = 1 if image else max((ceil(array.shape[1] / _MOST_FEATURES) for array in weights.values()), default=1)
    tiles = {name: tiled(array, image, _ACROSS) if image else array[:, ::step] for name, array in weights.items()}
    limit = max((float(np.quantile(np.abs(tile[np.isfinite(tile)]), 0.995)) for tile in tiles.values()), default=1.0)
    room = picture_room(next(iter(tiles.values())), 0, alone=len(tiles) == 1) if image else Room(220, 180)
    result = panels([heading(name) for name in tiles], room)
    scale = {"zmin": -limit, "zmax": limit, "colorscale": DIVERGING, "showscale": False, "x0": 1, "dx": step, "y0": 1}
    for number, tile in enumerate(tiles.values(), 1):
        hover = "weight %{z:.3f}" if image else "unit %{y}, feature %{x}: %{z:.3f}"
        result.add_trace(heatmap(tile, number, hovertemplate=f"{hover}<extra></extra>", **scale))
        picture_axes(result, number, bool(image))
    return result


def reconstructions(clean: Mapping[str, np.ndarray], noisy: Mapping[str, np.ndarray], image: Image = None) -> go.Figure:
    """Draw examples and what each variant makes of them, from clean and from noisy inputs.

    Args:
        clean: (examples, features) by row heading, the inputs first.
        noisy: The same for the noisy inputs.
        image: Height and width, where a row is an image: a column of pictures per example; else lines over features.
    """
    parts = {"Clean inputs": clean, "Noisy inputs": noisy}
    return _picture_rows(parts, image) if image else _lines(parts)


def _picture_rows(parts: Mapping[str, Mapping[str, np.ndarray]], image: tuple[int, int]) -> go.Figure:
    first = next(iter(next(iter(parts.values())).values()))
    limits = {"zmin": float(first.min()), "zmax": float(first.max()), "colorscale": "Greys", "reversescale": True}
    mosaics = [tiled(np.concatenate(list(pictures.values())), image, len(first)) for pictures in parts.values()]
    result = panels(list(parts), picture_room(mosaics[0], _NAMES))
    for number, (mosaic, names) in enumerate(zip(mosaics, parts.values(), strict=True), 1):
        result.add_trace(heatmap(mosaic, number, hoverinfo="skip", showscale=False, **limits))
        picture_axes(result, number, True)
        height = (len(mosaic) + 1) / len(names)
        middles = [height * (at + 0.5) - 1 for at in range(len(names))]
        rows = {"tickvals": middles, "ticktext": [wrapped(name) for name in names], "showticklabels": True}
        set_axes(result, number, {}, rows)
    return _named_once(result)


def _named_once(result: go.Figure) -> go.Figure:
    """Row headings at the left panel only while panels stand beside each other."""
    meta = result["layout"]["meta"]
    for name, shown in (("wide", False), ("narrow", True)):
        meta[name]["yaxis2"]["showticklabels"] = shown
    return result.update_layout(meta=meta).update_layout(meta["wide"])


def picture_room(mosaic: np.ndarray, taken: int, *, alone: bool = False) -> Room:
    """Room for a picture across a panel, of whose width some is taken; a panel alone is wider."""
    height, width = mosaic.shape
    wide, narrow = (round((across - taken) * height / width) for across in (_ALONE if alone else _WIDE, _NARROW))
    return Room(wide, narrow, axis=False)


def _lines(parts: Mapping[str, Mapping[str, np.ndarray]]) -> go.Figure:
    first = next(iter(next(iter(parts.values())).values()))
    shown = [(kind, at) for kind in parts for at in range(min(_EXAMPLES, len(first)))]
    result = panels([f"{kind}, example {at + 1}" for kind, at in shown], Room(200, 180, parts[shown[0][0]]))
    for number, (kind, at) in enumerate(shown, 1):
        for order, (name, rows) in enumerate(parts[kind].items()):
            result.add_trace(_line(name, rows[at], number, is_input=order == 0))
        set_axes(result, number, {"title": {"text": "feature"}}, {})
    return result


def _line(name: str, values: np.ndarray, number: int, *, is_input: bool) -> go.Scatter:
    style: dict[str, Any] = {"color": NEUTRAL, "width": 5} if is_input else {"color": color(name), "width": 1.8}
    return go.Scatter(
        x=np.arange(1, len(values) + 1),
        y=values.astype(np.float32),
        name="input" if is_input else name,
        legendgroup=name,
        showlegend=number == 1,
        mode="lines",
        line=style,
        opacity=0.5 if is_input else 1,
        hovertemplate="%{y:.3g}",
        **axes(number),
    )


def heatmap(values: np.ndarray, number: int, **more: Any) -> go.Heatmap:
    """A heat map in a panel."""
    return go.Heatmap(z=values.astype(np.float32), hoverongaps=False, **axes(number), **more)


def picture_axes(result: go.Figure, number: int, square: bool) -> None:
    """Axes without numbers for pictures, whose pixels are square; numbered features for other heat maps."""
    plain = {"showgrid": False, "ticks": "", "showticklabels": not square, "fixedrange": True, "constrain": "domain"}
    plain |= {"showline": False} if square else {}
    x = plain | ({} if square else {"title": {"text": "feature"}})
    y = plain | {"autorange": "reversed", "constraintoward": "top"}
    if square:
        y["scaleanchor"] = axes(number)["xaxis"]
        x["constraintoward"] = "left"
    set_axes(result, number, x, y)


def heading(name: str) -> str:
    """A name with its colour."""
    return f'<span style="color:{color(name)}">■</span> {name}'


def tiled(rows: np.ndarray, image: tuple[int, int], across: int) -> np.ndarray:
    """Rows as pictures beside and below each other, one empty pixel between them."""
    pictures = shrunk(rows.reshape(len(rows), *image).astype(np.float32))
    height, width = pictures.shape[1:]
    down = ceil(len(pictures) / across)
    mosaic = np.full((down * (height + 1), across * (width + 1)), np.nan, np.float32)
    for at, picture in enumerate(pictures):
        row, column = divmod(at, across)
        top, left = row * (height + 1), column * (width + 1)
        mosaic[top : top + height, left : left + width] = picture
    return mosaic[:-1, :-1]


def shrunk(pictures: np.ndarray) -> np.ndarray:
    """Averages over blocks of pixels where a picture is larger than a tile need be."""
    count, height, width = pictures.shape
    block = ceil(max(height, width) / _LARGEST_SIDE)
    tall, wide = min(block, height), min(block, width)
    down, across = height // tall, width // wide
    blocks = pictures[:, : down * tall, : across * wide].reshape(count, down, tall, across, wide)
    return blocks.mean((2, 4))
