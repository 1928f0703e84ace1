"""Vectors of the input as small pictures, or as heat maps where they are no images: weights, examples, Jacobians."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import plotly.graph_objects as go

from contractive.analysis.sampling import sheet
from contractive.plots._features import MOST_BARS, FeatureAxis, short
from contractive.plots._panels import Layout, Room, diverging, panels, set_axes
from contractive.plots._style import NEUTRAL, color, heading, numbers, plain, wrapped, written

if TYPE_CHECKING:
    from contractive.analysis import ExampleJacobians, Tangents, Walks


Image = tuple[int, int] | None

_MOST_FEATURES = 256  # columns of a heat map of weights
_EXAMPLES = 2  # of reconstructions that are no images
_NAMES = 90  # pixels of row headings
_SHOWN = 3  # directions of either end
_TANGENTS = {"tangent 1": "#d9480f", "tangent 2": "#1c64c8", "tangent 3": NEUTRAL}
_MISTAKES = {True: (12, 1040), False: (6, 620)}  # in a row, and its pixels: with short names, with long ones
_SHORT = 2  # characters of a short name
_WORDS = 0.7  # room below a mistake, as a share of its height
_ACROSS = 8  # tiles in a row
_LARGEST_SIDE = 32  # pixels of a tile; larger images are averaged down
_WIDE, _ALONE, _NARROW = 500, 760, 340  # pixels of a picture: beside another on a laptop, alone there, on a phone


def filters(weights: Mapping[str, np.ndarray], image: Image = None, names: Sequence[str] | None = None) -> go.Figure:
    """Draw the first layer's weights (units, features) on one scale: a picture per unit, or units by features."""
    step = max((ceil(array.shape[1] / _MOST_FEATURES) for array in weights.values()), default=1)
    return signed(list(weights.values()), [heading(name) for name in weights], image, names, "unit", step)


def jacobian_rows(
    measured: "ExampleJacobians", headings: Sequence[str], image: Image = None, names: Sequence[str] | None = None
) -> go.Figure:
    """Draw the Jacobian of each example, a panel each: a picture per code unit, or units by features."""
    return signed(numbers(measured.matrices), headings, image, names, "unit")


def tangents(
    measured: "Tangents", headings: Sequence[str], image: Image = None, names: Sequence[str] | None = None
) -> go.Figure:
    """Draw the tangent vectors at each point, a panel each, the most sensitive first: of a spectrum three as lines."""
    axis = FeatureAxis.of(names, measured.basis.shape[-1])
    if image is None and axis.line:
        result = panels(list(headings), Room(200, 180, _TANGENTS))
        for number, vectors in enumerate(numbers(measured.basis), 1):
            for (name, shade), vector in zip(_TANGENTS.items(), vectors, strict=False):
                hover = f"{name} at %{{x}}: %{{y:.3g}}<extra></extra>"
                line = {"color": shade, "width": 2}
                result.line(name, axis.places, vector, number, hovertemplate=hover, line=line)
            set_axes(result, number, axis.layout, {})
        return result
    return signed(numbers(measured.basis), headings, image, names, "tangent")


def reconstructions(
    clean: Mapping[str, np.ndarray],
    noisy: Mapping[str, np.ndarray],
    image: Image = None,
    names: Sequence[str] | None = None,
) -> go.Figure:
    """Draw clean and noisy inputs and their reconstructions: a column of pictures per example, or lines over features.

    Both are (examples, features) by row heading, the inputs first.
    """
    groups = {"Clean inputs": clean, "Noisy inputs": noisy}
    first = next(iter(clean.values()))
    if image is None:
        return _reconstructed_lines(groups, min(_EXAMPLES, len(first)), FeatureAxis.of(names, first.shape[1]))
    mosaics = [tiled(np.concatenate(list(rows.values())), image, len(first)) for rows in groups.values()]
    result = panels(list(groups), picture_room(mosaics[0], _NAMES))
    for number, (mosaic, headings) in enumerate(zip(mosaics, groups.values(), strict=True), 1):
        result.grey(mosaic, number, float(first.min()), float(first.max()))
        _name_rows(result, number, mosaic, [wrapped(name) for name in headings])
    meta = result["layout"]["meta"]
    for screen, shown in (("wide", False), ("narrow", True)):  # once where panels stand beside each other
        meta[screen]["yaxis2"]["showticklabels"] = shown
    return result.update_layout(meta=meta).update_layout(meta["wide"])


def _reconstructed_lines(groups: Mapping[str, Mapping[str, np.ndarray]], count: int, axis: FeatureAxis) -> go.Figure:
    shown = [(title, at) for title in groups for at in range(count)]
    titles = [f"{title}, example {at + 1}" for title, at in shown]
    result = panels(titles, Room(200, 180, next(iter(groups.values()))))
    for number, (title, at) in enumerate(shown, 1):
        for order, (name, rows) in enumerate(groups[title].items()):
            more: Layout = {"line": {"color": color(name), "width": 1.8}}
            if order == 0:
                more = {"name": "input", "line": {"color": NEUTRAL, "width": 5}, "opacity": 0.5}
            result.line(name, axis.places, rows[at], number, hovertemplate="%{y:.3g}", **more)
        set_axes(result, number, axis.layout, {})
    return result


def _name_rows(result: go.Figure, number: int, mosaic: np.ndarray, names: Sequence[str]) -> None:
    ticks = {"tickvals": middles(len(mosaic), len(names)), "ticktext": list(map(plain, names)), "showticklabels": True}
    set_axes(result, number, {}, ticks)


def jacobian_pictures(
    inputs: np.ndarray, measured: "ExampleJacobians", headings: Sequence[str], image: tuple[int, int]
) -> go.Figure:
    """Draw for each example, a row each: input, how much each pixel changes the code, and the input directions.

    Directions are unit vectors, orange where they add and blue where they take away, each on its own scale: first the
    three that change the code most, then the three of the smallest singular values. `inputs` are (examples, pixels).
    """
    rows = np.stack([numbers(inputs), numbers(measured.feature_norms)], 1)  # (examples, pictures, features)
    low, high = rows.min(2, keepdims=True), rows.max(2, keepdims=True)
    seen = (rows - low) / np.maximum(high - low, 1e-30)
    ends = [numbers(measured.least_contracted(_SHOWN)), numbers(measured.most_contracted(_SHOWN))]
    directions = np.concatenate(ends, 1)
    directions = directions / np.maximum(np.abs(directions).max(2, keepdims=True), 1e-30)
    left, right = (tiled(part.reshape(-1, part.shape[2]), image, part.shape[1]) for part in (seen, directions))
    titles = ["Input, and where the code is sensitive", "Changes the code most (3), least (3)"]
    result = panels(titles, picture_room(right, 40))
    result.grey(left, 1, 0, 1)
    result.heatmap(right, 2, hoverinfo="skip", **diverging(1))
    result.picture_axes(2, True)
    for number, mosaic in enumerate((left, right), 1):
        _name_rows(result, number, mosaic, headings)
    return result


class FeatureNorms(Protocol):
    """Anything with feature_norms (panels, features), such as `ExampleJacobians`."""

    @property
    def feature_norms(self) -> Any: ...


def jacobian_features(
    measured: Mapping[str, FeatureNorms], headings: Sequence[str], names: Sequence[str] | None = None
) -> go.Figure:
    """Draw how much each input feature changes the code, ||dz/dx_j||, as bars: a panel per example, bars by model.

    At most twenty features are shown, those largest for any model in that example.
    """
    norms = {name: numbers(found.feature_norms) for name, found in measured.items()}
    features = next(iter(norms.values())).shape[1]
    known = list(names) if names is not None else [f"feature {at}" for at in range(1, features + 1)]
    room = Room(24 * min(features, MOST_BARS) + 20, 22 * min(features, MOST_BARS) + 20, measured)
    result = panels(list(headings), room).update_layout(barmode="group")
    for number in range(1, len(headings) + 1):
        values_of = {name: array[number - 1] for name, array in norms.items()}
        order = np.argsort(-np.max(list(values_of.values()), axis=0), kind="stable")[:MOST_BARS]
        labels, positions = [known[at] for at in order], np.arange(len(order))
        for name, values in values_of.items():
            more = {"customdata": list(map(plain, labels)), "showlegend": number == 1}
            more["hovertemplate"] = "%{customdata}: %{x:.3g}"
            result.bars(name, values[order], positions, number, **more)
        ticks = {"tickvals": positions.tolist(), "ticktext": [short(text) for text in labels], "tickfont": {"size": 11}}
        set_axes(result, number, {"title": {"text": "‖∂z/∂x‖"}}, ticks | {"showgrid": False, "autorange": "reversed"})
    return result


def feature_lines(
    measured: Mapping[str, FeatureNorms], headings: Sequence[str], names: Sequence[str] | None = None
) -> go.Figure:
    """Draw how much each input feature changes the code over the features in their order, a panel per example.

    For features whose order means something, such as the wavelengths of a spectrum.
    """
    axis = FeatureAxis.of(names, next(iter(measured.values())).feature_norms.shape[1])
    result = panels(list(headings), Room(240, 200, measured))
    for number in range(1, len(headings) + 1):
        for name, found in measured.items():
            values = numbers(found.feature_norms)[number - 1]
            result.line(name, axis.places, values, number, hovertemplate=f"{axis.title} %{{x}}: %{{y:.3g}}")
        y = {"title": {"text": "‖∂z/∂x‖"}, "rangemode": "tozero"}
        set_axes(result, number, axis.layout, y)
    return result


def walks(
    measured: "Walks", headings: Sequence[str], image: Image = None, names: Sequence[str] | None = None
) -> go.Figure:
    """Draw walks, a panel per point: a row of inputs above a row of reconstructions.

    Rows that are no images: a heat map of the change of every feature of the reconstruction by step.
    """
    inputs, outputs = (numbers(rows) for rows in (measured.inputs, measured.reconstructions))
    inputs, outputs = (rows.reshape(*rows.shape[:2], -1) for rows in (inputs, outputs))
    steps = numbers(measured.steps)
    if image is None:
        changes = outputs - outputs[:, [int(np.abs(steps).argmin())]]
        axis = FeatureAxis.of(names, changes.shape[2])
        result = panels(list(headings), axis.room)
        scale = diverging(float(np.abs(changes).max()) or 1.0)
        hover = f"{axis.title} %{{x}}, t = %{{y:g}}: %{{z:.3g}}<extra></extra>"
        for number, rows in enumerate(changes, 1):
            result.heatmap(rows, number, x=axis.places, y=steps, hovertemplate=hover, **scale)
            set_axes(
                result, number, axis.layout | {"showgrid": False}, {"title": {"text": "step t"}, "showgrid": False}
            )
        return result
    mosaics = [tiled(np.concatenate(rows), image, len(steps)) for rows in zip(inputs, outputs, strict=True)]
    result = panels(list(headings), replace(picture_room(mosaics[0], 60), axis=True))
    for number, mosaic in enumerate(mosaics, 1):
        result.grey(mosaic, number, float(outputs.min()), float(outputs.max()))
        _name_rows(result, number, mosaic, ["input", "output"])
        x = {"tickvals": middles(mosaic.shape[1], len(steps)), "ticktext": [written(t) for t in steps]}
        set_axes(result, number, x | {"showticklabels": True}, {})
    return result


def mistakes(rows: np.ndarray, image: tuple[int, int], true: Sequence[str], given: Sequence[str]) -> go.Figure:
    """Draw misclassified pictures (pictures, pixels), below each its true class and the class it was given."""
    pictures = shrunk(rows, image)
    height, width = pictures.shape[1:]
    brief = max(map(len, (*true, *given))) <= _SHORT
    columns, across = _MISTAKES[brief]
    gap, below = max(1, width // 8), ceil(_WORDS * height)
    padded = np.pad(pictures, ((0, 0), (0, max(0, below - gap)), (0, 0)), constant_values=np.nan)
    mosaic = sheet(padded, padded.shape[1:], columns=columns, gap=gap, background=np.nan)
    ratio = mosaic.shape[0] / mosaic.shape[1]
    result = panels([""], Room(round(across * ratio), round(330 * ratio), axis=False))
    result.grey(mosaic, 1, float(rows.min()), float(rows.max()))
    for at, words in enumerate(zip(true, given, strict=True)):
        row, column = divmod(at, columns)
        x, y = column * (width + gap) + (width - 1) / 2, row * (padded.shape[1] + gap) + height - 0.5
        was, taken = (plain(word if len(word) <= 8 else f"{word[:7]}…") for word in words)
        text = f"<b>{was}</b> → {taken}" if brief else f"<b>{was}</b><br>as {taken}"
        result.add_annotation(text=text, x=x, y=y, yanchor="top", font={"size": 11}, xref="x", yref="y")
    return result


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
    axis = None if image else FeatureAxis.of(names, groups[0].shape[1])
    room = picture_room(tiles[0], 0, alone=len(tiles) == 1) if axis is None else axis.room
    result = panels(list(headings), room)
    scale: Layout = {**diverging(limit), "y0": 1, "hovertemplate": "%{z:.3g}<extra></extra>"}
    if axis is not None:
        scale["hovertemplate"] = f"{row} %{{y}}, {axis.title} %{{x}}: %{{z:.3g}}<extra></extra>"
        scale["x"] = axis.places[::step]
    for number, tile in enumerate(tiles, 1):
        result.heatmap(tile, number, **scale)
        result.picture_axes(number, axis is None)
        if axis is not None:
            set_axes(result, number, axis.layout, {"title": {"text": row}})
    return result


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
