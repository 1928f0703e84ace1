"""Tangents as pictures, walks along them, and how well they follow the data."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from contractive.plots._jacobians import feature_axis, feature_room, signed
from contractive.plots._marks import band, boxes, line
from contractive.plots._pictures import DIVERGING, Image, heatmap, picture_axes, picture_room, tiled
from contractive.plots._style import NEUTRAL, Room, horizontal, numbers, panels, set_axes, written

if TYPE_CHECKING:
    from contractive.analysis import TangentAgreement, Tangents, Walks


def tangents(
    measured: "Tangents", headings: Sequence[str], image: Image = None, names: Sequence[str] | None = None
) -> go.Figure:
    """Draw the tangent vectors at each point, a panel each, the most sensitive first. Arguments as `jacobian_rows`."""
    return signed(numbers(measured.basis), headings, image, names, "tangent")


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
        return _changes(outputs - outputs[:, [int(np.abs(steps).argmin())]], steps, headings, names)
    limits = {"zmin": float(outputs.min()), "zmax": float(outputs.max()), "colorscale": "Greys", "reversescale": True}
    mosaics = [tiled(np.concatenate(rows), image, len(steps)) for rows in zip(inputs, outputs, strict=True)]
    result = panels(list(headings), replace(picture_room(mosaics[0], 60), axis=True))
    for number, mosaic in enumerate(mosaics, 1):
        result.add_trace(heatmap(mosaic, number, showscale=False, hoverinfo="skip", **limits))
        picture_axes(result, number, True)
        across, down = (mosaic.shape[1] + 1) / len(steps), (len(mosaic) + 1) / 2
        x = {"tickvals": [across * (at + 0.5) - 1 for at in range(len(steps))], "ticktext": [written(t) for t in steps]}
        y = {"tickvals": [down / 2 - 1, 1.5 * down - 1], "ticktext": ["input", "output"], "showticklabels": True}
        set_axes(result, number, x | {"showticklabels": True}, y)
    return result


def tangent_agreement(measured: "Mapping[str, TangentAgreement]") -> go.Figure:
    """Draw how much of the step to a neighbour lies in the tangent space, and how far tangent spaces turn.

    The baseline of the shares is a random subspace (dashed: its mean, tangents / features) and the leading principal
    directions of all data; that of the angles two random subspaces (dotted).
    """
    titles = ["Share of the step to a neighbour", "Angle to the neighbour's tangents"]
    result = panels(titles, Room(300, 260, measured)).update_layout(boxmode="group")
    for name, found in measured.items():
        shares = {"tangents": found.shares, "principal": found.principal_shares, "random": found.random_shares}
        result.add_trace(boxes(name, {key: 100 * share for key, share in shares.items()}, 1, shown=True))
        angles = np.degrees(numbers(found.angles)).reshape(-1, found.angles.shape[-1])
        index = np.arange(1, angles.shape[1] + 1)
        low, middle, high = np.quantile(angles, [0.25, 0.5, 0.75], axis=0)
        hover = "principal angle %{x}: %{y:.1f}°"
        result.add_trace(band(name, index, low, high, 2))
        result.add_trace(line(name, index, middle, 2, mode="lines+markers", hovertemplate=hover))
    first = next(iter(measured.values()))
    random = np.degrees(numbers(first.random_angles))
    dotted = {"color": NEUTRAL, "width": 1.5, "dash": "dot"}
    index, hover = np.arange(1, random.shape[1] + 1), "random subspaces: %{y:.1f}°"
    result.add_trace(line("random", index, np.median(random, axis=0), 2, line=dotted, hovertemplate=hover))
    horizontal(result, 1, 100 * first.expected_random, "chance")
    set_axes(result, 1, {"type": "category"}, {"ticksuffix": " %", "rangemode": "tozero"})
    set_axes(result, 2, {"title": {"text": "principal angle"}, "dtick": 1}, {"ticksuffix": "°", "range": [0, 93]})
    return result


def _changes(changes: np.ndarray, steps: np.ndarray, headings: Sequence[str], names: Sequence[str] | None) -> go.Figure:
    limit = float(np.abs(changes).max()) or 1.0
    result = panels(list(headings), feature_room(names, changes.shape[2]))
    for number, rows in enumerate(changes, 1):
        scale = {"zmin": -limit, "zmax": limit, "colorscale": DIVERGING, "showscale": False, "x0": 1}
        hover = "feature %{x}, t = %{y:g}: %{z:.3g}<extra></extra>"
        result.add_trace(heatmap(rows, number, y=steps, hovertemplate=hover, **scale))
        features = feature_axis(names, changes.shape[2])
        set_axes(result, number, features | {"showgrid": False}, {"title": {"text": "step t"}, "showgrid": False})
    return result
