"""Jacobians of single examples, as pictures or as bars with names."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import plotly.graph_objects as go

from contractive.plots._marks import line
from contractive.plots._pictures import DIVERGING, Image, heatmap, picture_axes, picture_room, tiled
from contractive.plots._style import Room, axes, color, numbers, panels, set_axes

if TYPE_CHECKING:
    from contractive.analysis import ExampleJacobians

_ACROSS = 8
_MOST_BARS = 20
_LONGEST_NAME = 14  # characters
_MOST_NAMES = 30  # below a panel
_SHOWN = 3  # directions of either end


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


def jacobian_pictures(
    inputs: np.ndarray, measured: "ExampleJacobians", headings: Sequence[str], image: tuple[int, int]
) -> go.Figure:
    """Draw for each example, a row each: input, how much each pixel moves the code, and the input directions.

    Directions are unit vectors, orange where they add and blue where they take away, each on its own scale: first the
    three that move the code most, then the three of the smallest singular values.

    Args:
        inputs: The examples, (examples, height * width).
        measured: Their Jacobians.
        headings: One per example.
        image: Height and width.
    """
    seen = [_scaled_up(numbers(inputs)), _scaled_up(numbers(measured.feature_norms))]
    ends = (measured.least_contracted(_SHOWN), measured.most_contracted(_SHOWN))
    moving = [column for end in ends for column in _columns(end)]
    groups = {"Input, and where the code is sensitive": seen, "Moves the code most (3), least (3)": moving}
    mosaics = [_mosaic(columns, image) for columns in groups.values()]
    result = panels(list(groups), picture_room(mosaics[1], 40))
    for number, mosaic in enumerate(mosaics, 1):
        grey = {"zmin": 0, "zmax": 1, "colorscale": "Greys", "reversescale": True}
        scale = grey if number == 1 else {"zmin": -1, "zmax": 1, "colorscale": DIVERGING}
        result.add_trace(heatmap(mosaic, number, showscale=False, hoverinfo="skip", **scale))
        picture_axes(result, number, True)
        step = (len(mosaic) + 1) / len(headings)
        ticks = [step * (at + 0.5) - 1 for at in range(len(headings))]
        set_axes(result, number, {}, {"tickvals": ticks, "ticktext": list(headings), "showticklabels": True})
    return result


class FeatureNorms(Protocol):
    """What has feature_norms (panels, features), such as `ExampleJacobians`."""

    @property
    def feature_norms(self) -> Any: ...


def jacobian_features(
    measured: Mapping[str, FeatureNorms], headings: Sequence[str], names: Sequence[str] | None = None
) -> go.Figure:
    """Draw how much each input feature moves the code, ||dz/dx_j||, as bars: a panel per example, bars by variant.

    At most twenty features are shown, those largest for any variant in that example.

    Args:
        measured: By variant, the same examples in the same order; or means over many rows.
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
        for name, values in values_of.items():
            result.add_trace(_bars(name, [known[at] for at in order], values[order], number))
        short = [_short(known[at]) for at in order]
        rows = {"tickvals": list(range(len(order))), "ticktext": short, "tickfont": {"size": 11}, "showgrid": False}
        set_axes(result, number, {"title": {"text": "‖∂z/∂x‖"}}, rows | {"autorange": "reversed"})
    return result


def feature_lines(measured: Mapping[str, FeatureNorms], headings: Sequence[str]) -> go.Figure:
    """Draw how much each input feature moves the code over the features in their order, a panel per example.

    For features without names whose order means something, such as the wavelengths of a spectrum.

    Args:
        measured: By variant, the same examples in the same order; or means over many rows.
        headings: One per example.
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


def signed(
    groups: np.ndarray, headings: Sequence[str], image: Image, names: Sequence[str] | None, row: str
) -> go.Figure:
    """A panel of signed vectors for each example, all on one scale."""
    tiles = [tiled(rows, image, min(_ACROSS, len(rows))) if image else rows for rows in groups]
    limit = max(float(np.quantile(np.abs(tile[np.isfinite(tile)]), 0.995)) for tile in tiles) or 1.0
    result = panels(list(headings), picture_room(tiles[0], 0) if image else Room(220, 180))
    scale = {"zmin": -limit, "zmax": limit, "colorscale": DIVERGING, "showscale": False, "x0": 1, "y0": 1}
    hover = "%{z:.3g}" if image else f"{row} %{{y}}, feature %{{x}}: %{{z:.3g}}"
    for number, tile in enumerate(tiles, 1):
        result.add_trace(heatmap(tile, number, hovertemplate=f"{hover}<extra></extra>", **scale))
        picture_axes(result, number, bool(image))
        if not image:
            set_axes(result, number, feature_axis(names, tile.shape[1]), {"title": {"text": row}})
    return result


def feature_axis(names: Sequence[str] | None, count: int) -> dict[str, Any]:
    """Features along the bottom, by name where there are names for a few."""
    if names is None or count > _MOST_NAMES:
        return {"title": {"text": "feature"}}
    ticks = {"tickvals": list(range(1, count + 1)), "ticktext": [_short(name) for name in names], "tickangle": -40}
    return {"title": {"text": ""}, "tickfont": {"size": 10}, **ticks}


def _scaled_up(rows: np.ndarray) -> np.ndarray:
    """Each row between 0 and 1."""
    low, high = rows.min(1, keepdims=True), rows.max(1, keepdims=True)
    return (rows - low) / np.maximum(high - low, 1e-30)


def _columns(directions: Any) -> list[np.ndarray]:
    """(examples, n, features) as n arrays (examples, features), each row's largest entry of size 1."""
    rows = numbers(directions)
    rows = rows / np.maximum(np.abs(rows).max(2, keepdims=True), 1e-30)
    return [rows[:, at] for at in range(rows.shape[1])]


def _mosaic(columns: Sequence[np.ndarray], image: tuple[int, int]) -> np.ndarray:
    return tiled(np.stack(columns, 1).reshape(-1, columns[0].shape[1]), image, len(columns))


def _bars(name: str, labels: list[str], values: np.ndarray, number: int) -> go.Bar:
    return go.Bar(
        x=values,
        y=np.arange(len(labels)),
        customdata=labels,
        orientation="h",
        name=name,
        legendgroup=name,
        offsetgroup=name,
        showlegend=number == 1,
        marker={"color": color(name)},
        hovertemplate="%{customdata}: %{x:.3g}",
        **axes(number),
    )


def _short(name: str) -> str:
    """A name that leaves room for the panel beside it; the hover has the whole."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
