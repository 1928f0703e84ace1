"""Vectors of the input as small pictures, or as heat maps where they are no images: weights, examples, Jacobians."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import plotly.graph_objects as go

from contractive.analysis.sampling import sheet
from contractive.plots._marks import (
    Image,
    bars,
    diverging,
    feature_axis,
    feature_room,
    grey,
    heatmap,
    line,
    middles,
    picture_axes,
    picture_room,
    short,
    shrunk,
    signed,
    tiled,
)
from contractive.plots._style import NEUTRAL, Room, color, heading, numbers, panels, set_axes, wrapped, written

if TYPE_CHECKING:
    from contractive.analysis import ExampleJacobians, Tangents, Walks

_MOST_FEATURES = 256  # columns of a heat map of weights
_EXAMPLES = 2  # of reconstructions that are no images
_NAMES = 90  # pixels of row headings
_MOST_BARS = 20
_SHOWN = 3  # directions of either end
_ACROSS = 6  # mistakes in a row
_WORDS = 0.7  # room below a mistake, as a share of its height


def filters(weights: Mapping[str, np.ndarray], image: Image = None) -> go.Figure:
    """Draw the first layer's weights: a small picture per unit for images, else a heat map of units by features.

    Args:
        weights: (units, features) by model; all on one colour scale.
        image: Height and width, where a row is an image.
    """
    step = max((ceil(array.shape[1] / _MOST_FEATURES) for array in weights.values()), default=1)
    return signed(list(weights.values()), [heading(name) for name in weights], image, None, "unit", step)


def jacobian_rows(
    measured: "ExampleJacobians", headings: Sequence[str], image: Image = None, names: Sequence[str] | None = None
) -> go.Figure:
    """Draw the Jacobian of each example, a panel each: a picture per code unit, or units by features.

    Args:
        measured: Jacobians of a few examples of one model.
        headings: One per example.
        image: Height and width, where a row is an image.
        names: The features' names; their numbers from 1 if omitted.
    """
    return signed(numbers(measured.matrices), headings, image, names, "unit")


def tangents(
    measured: "Tangents", headings: Sequence[str], image: Image = None, names: Sequence[str] | None = None
) -> go.Figure:
    """Draw the tangent vectors at each point, a panel each, the most sensitive first. Arguments as `jacobian_rows`."""
    return signed(numbers(measured.basis), headings, image, names, "tangent")


def reconstructions(clean: Mapping[str, np.ndarray], noisy: Mapping[str, np.ndarray], image: Image = None) -> go.Figure:
    """Draw examples and their reconstructions by each model, from clean and from noisy inputs.

    Args:
        clean: (examples, features) by row heading, the inputs first.
        noisy: The same for the noisy inputs.
        image: Height and width, where a row is an image: a column of pictures per example; else lines over features.
    """
    groups = {"Clean inputs": clean, "Noisy inputs": noisy}
    first = next(iter(clean.values()))
    if image is None:
        return _reconstructed_lines(groups, min(_EXAMPLES, len(first)))
    mosaics = [tiled(np.concatenate(list(rows.values())), image, len(first)) for rows in groups.values()]
    result = panels(list(groups), picture_room(mosaics[0], _NAMES))
    for number, (mosaic, names) in enumerate(zip(mosaics, groups.values(), strict=True), 1):
        grey(result, mosaic, number, float(first.min()), float(first.max()))
        _name_rows(result, number, mosaic, [wrapped(name) for name in names])
    meta = result["layout"]["meta"]
    for screen, shown in (("wide", False), ("narrow", True)):  # once where panels stand beside each other
        meta[screen]["yaxis2"]["showticklabels"] = shown
    return result.update_layout(meta=meta).update_layout(meta["wide"])


def _reconstructed_lines(groups: Mapping[str, Mapping[str, np.ndarray]], count: int) -> go.Figure:
    shown = [(title, at) for title in groups for at in range(count)]
    titles = [f"{title}, example {at + 1}" for title, at in shown]
    result = panels(titles, Room(200, 180, next(iter(groups.values()))))
    for number, (title, at) in enumerate(shown, 1):
        for order, (name, rows) in enumerate(groups[title].items()):
            more: dict[str, Any] = {"line": {"color": color(name), "width": 1.8}}
            if order == 0:
                more = {"name": "input", "line": {"color": NEUTRAL, "width": 5}, "opacity": 0.5}
            features = np.arange(1, rows.shape[1] + 1)
            result.add_trace(line(name, features, rows[at], number, hovertemplate="%{y:.3g}", **more))
        set_axes(result, number, {"title": {"text": "feature"}}, {})
    return result


def _name_rows(result: go.Figure, number: int, mosaic: np.ndarray, names: Sequence[str]) -> None:
    ticks = {"tickvals": middles(len(mosaic), len(names)), "ticktext": list(names), "showticklabels": True}
    set_axes(result, number, {}, ticks)


def jacobian_pictures(
    inputs: np.ndarray, measured: "ExampleJacobians", headings: Sequence[str], image: tuple[int, int]
) -> go.Figure:
    """Draw for each example, a row each: input, how much each pixel changes the code, and the input directions.

    Directions are unit vectors, orange where they add and blue where they take away, each on its own scale: first the
    three that change the code most, then the three of the smallest singular values.

    Args:
        inputs: The examples, (examples, height * width).
        measured: Their Jacobians.
        headings: One per example.
        image: Height and width.
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
    grey(result, left, 1, 0, 1)
    result.add_trace(heatmap(right, 2, hoverinfo="skip", **diverging(1)))
    picture_axes(result, 2, True)
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

    Args:
        measured: By model, the same examples in the same order; or means over many rows.
        headings: One per example.
        names: The features' names; their numbers from 1 if omitted.
    """
    norms = {name: numbers(found.feature_norms) for name, found in measured.items()}
    features = next(iter(norms.values())).shape[1]
    known = list(names) if names is not None else [f"feature {at}" for at in range(1, features + 1)]
    room = Room(24 * min(features, _MOST_BARS) + 20, 22 * min(features, _MOST_BARS) + 20, measured)
    result = panels(list(headings), room).update_layout(barmode="group")
    for number in range(1, len(headings) + 1):
        values_of = {name: array[number - 1] for name, array in norms.items()}
        order = np.argsort(-np.max(list(values_of.values()), axis=0), kind="stable")[:_MOST_BARS]
        labels, positions = [known[at] for at in order], np.arange(len(order))
        for name, values in values_of.items():
            more = {"customdata": labels, "showlegend": number == 1, "hovertemplate": "%{customdata}: %{x:.3g}"}
            result.add_trace(bars(name, values[order], positions, number, **more))
        ticks = {"tickvals": positions.tolist(), "ticktext": [short(text) for text in labels], "tickfont": {"size": 11}}
        set_axes(result, number, {"title": {"text": "‖∂z/∂x‖"}}, ticks | {"showgrid": False, "autorange": "reversed"})
    return result


def feature_lines(measured: Mapping[str, FeatureNorms], headings: Sequence[str]) -> go.Figure:
    """Draw how much each input feature changes the code over the features in their order, a panel per example.

    For features without names whose order means something, such as the wavelengths of a spectrum. Arguments as
    `jacobian_features`.
    """
    result = panels(list(headings), Room(240, 200, measured))
    for number in range(1, len(headings) + 1):
        for name, found in measured.items():
            values = numbers(found.feature_norms)[number - 1]
            hover = "feature %{x}: %{y:.3g}"
            result.add_trace(line(name, np.arange(1, len(values) + 1), values, number, hovertemplate=hover))
        y = {"title": {"text": "‖∂z/∂x‖"}, "rangemode": "tozero"}
        set_axes(result, number, {"title": {"text": "feature"}}, y)
    return result


def walks(
    measured: "Walks", headings: Sequence[str], image: Image = None, names: Sequence[str] | None = None
) -> go.Figure:
    """Draw the inputs of walks and what is reconstructed along them, a panel per point.

    Args:
        measured: Walks of a few points of one model.
        headings: One per point.
        image: Height and width: a row of inputs above a row of reconstructions. Without it, a heat map of the change of
            every feature of the reconstruction by step.
        names: The features' names; their numbers from 1 if omitted.
    """
    inputs, outputs = (numbers(rows) for rows in (measured.inputs, measured.reconstructions))
    inputs, outputs = (rows.reshape(*rows.shape[:2], -1) for rows in (inputs, outputs))
    steps = numbers(measured.steps)
    if image is None:
        changes = outputs - outputs[:, [int(np.abs(steps).argmin())]]
        result = panels(list(headings), feature_room(names, changes.shape[2]))
        scale = diverging(float(np.abs(changes).max()) or 1.0)
        x = feature_axis(names, changes.shape[2]) | {"showgrid": False}
        hover = "feature %{x}, t = %{y:g}: %{z:.3g}<extra></extra>"
        for number, rows in enumerate(changes, 1):
            result.add_trace(heatmap(rows, number, x0=1, y=steps, hovertemplate=hover, **scale))
            set_axes(result, number, x, {"title": {"text": "step t"}, "showgrid": False})
        return result
    mosaics = [tiled(np.concatenate(rows), image, len(steps)) for rows in zip(inputs, outputs, strict=True)]
    result = panels(list(headings), replace(picture_room(mosaics[0], 60), axis=True))
    for number, mosaic in enumerate(mosaics, 1):
        grey(result, mosaic, number, float(outputs.min()), float(outputs.max()))
        _name_rows(result, number, mosaic, ["input", "output"])
        x = {"tickvals": middles(mosaic.shape[1], len(steps)), "ticktext": [written(t) for t in steps]}
        set_axes(result, number, x | {"showticklabels": True}, {})
    return result


def mistakes(rows: np.ndarray, image: tuple[int, int], true: Sequence[str], given: Sequence[str]) -> go.Figure:
    """Draw misclassified pictures with their class and the class given below each.

    Args:
        rows: (pictures, height * width).
        image: Height and width.
        true: Class of each.
        given: Class that each was given.
    """
    pictures = shrunk(rows, image)
    height, width = pictures.shape[1:]
    gap, below = max(1, width // 8), ceil(_WORDS * height)
    padded = np.pad(pictures, ((0, 0), (0, max(0, below - gap)), (0, 0)), constant_values=np.nan)
    mosaic = sheet(padded, padded.shape[1:], columns=_ACROSS, gap=gap, background=np.nan)
    ratio = mosaic.shape[0] / mosaic.shape[1]
    result = panels([""], Room(round(620 * ratio), round(330 * ratio), axis=False))
    grey(result, mosaic, 1, float(rows.min()), float(rows.max()))
    for at, words in enumerate(zip(true, given, strict=True)):
        row, column = divmod(at, _ACROSS)
        x, y = column * (width + gap) + (width - 1) / 2, row * (padded.shape[1] + gap) + height - 0.5
        was, taken = (word if len(word) <= 8 else f"{word[:7]}…" for word in words)
        text = f"<b>{was}</b><br>as {taken}"
        result.add_annotation(text=text, x=x, y=y, yanchor="top", font={"size": 11}, xref="x", yref="y")
    return result
