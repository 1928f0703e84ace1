"""Distributions over examples: a histogram above box plots, boxes by level of noise, and boxes by kind of point."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from contractive.core.errors import check_choice
from contractive.plots._marks import band, bars, boxes, line, log_axis
from contractive.plots._style import (
    NEUTRAL,
    Room,
    color,
    figure,
    horizontal,
    label,
    legend_height,
    look,
    numbers,
    panels,
    set_axes,
    translucent,
    vertical,
    wrapped,
)

if TYPE_CHECKING:
    from contractive.analysis import EvaluationPoints, SensitivityProfile, TangentAgreement

_MOST_BINS = 48
_BOX = 34  # pixels per box plot
_HISTOGRAM = 240
_AXIS, _LABELS = 48, 26  # below and above
_AT_DATA = 1e-4  # distances below are rounding: the training rows themselves


def sensitivity(ratios: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw ||f(x+e) - f(x)|| / ||e|| of the test examples by model."""
    return _distribution(ratios, "change of the code / change of the input")


def operator_norm(norms: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw the largest singular value of J at the test examples by model, with a line at 1."""
    result = _distribution(norms, "largest singular value of the Jacobian")
    dashed = {"color": NEUTRAL, "width": 1.5, "dash": "dash"}
    result.add_shape(type="line", x0=1, x1=1, xref="x", y0=0, y1=1, yref="paper", line=dashed, layer="below")
    for text, anchor, shift in (("contracts", "right", -6), ("expands", "left", 6)):
        result.add_annotation(text=text, x=1, y=1, yref="paper", xanchor=anchor, yanchor="bottom", xshift=shift)
    return result


def reconstruction_error(errors: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw ||r(x) - x||^2 of the test examples by model."""
    return _distribution(errors, "squared reconstruction error")


def _distribution(values: Mapping[str, np.ndarray], title: str) -> go.Figure:
    """Return histograms of all models on common bins, in per cent, above a box plot of each."""
    finite = {name: array[np.isfinite(array)].astype(np.float32) for name, array in values.items()}
    together = np.concatenate([np.zeros(0), *finite.values()])
    least, most = (float(together.min()), float(together.max())) if len(together) else (0.0, 1.0)
    # the cube root of the number of examples, as in Scott's and Freedman and Diaconis' rules
    count = min(_MOST_BINS, max(8, round(3 * max(map(len, finite.values()), default=0) ** (1 / 3))))
    edges = np.linspace(least, most if most > least else least + 1, count + 1)
    below = _BOX * len(finite)
    share = below / (below + _HISTOGRAM)
    height, top = below + _HISTOGRAM + _AXIS, legend_height(values) + _LABELS
    result = figure(height=height + top, margin={"t": top})
    for name, array in finite.items():
        percent = 100 * np.histogram(array, edges)[0] / max(len(array), 1)
        common: dict[str, Any] = {"name": label(name), "legendgroup": name, "fillcolor": translucent(name, 0.16)}
        histogram = go.Scatter(
            x=np.concatenate([edges[:1], edges]),
            y=np.concatenate([[0], percent, [0]]),
            mode="lines",
            line={"color": color(name), "width": 2, "shape": "hv"},
            fill="tozeroy",
            hovertemplate="%{y:.1f} % from %{x:.3g}",
            **common,
        )
        box = go.Box(
            x=array,
            y0=label(name),
            yaxis="y2",
            showlegend=False,
            orientation="h",
            line={"color": color(name), "width": 1.5},
            marker={"size": 3, "opacity": 0.5},
            **common,
        )
        result.add_traces([histogram, box])
    names = {"tickvals": [label(name) for name in finite], "ticktext": [wrapped(name) for name in finite]}
    narrow = {"showlegend": False, "height": height + _LABELS, "margin": {"t": _LABELS}}  # the boxes are named
    return result.update_layout(
        xaxis={"title": {"text": title}, "anchor": "y2"},
        yaxis={"domain": [share + 0.05, 1], "ticksuffix": " %", "title": {"text": "examples"}, "rangemode": "tozero"},
        yaxis2={"domain": [0, share], "autorange": "reversed", "showgrid": False, **names},
        meta={"wide": {}, "narrow": {"dragmode": False, "yaxis2": {"tickfont": {"size": 11}}, **narrow}},
    )


def sensitivity_profiles(profiles: "Mapping[str, SensitivityProfile]") -> go.Figure:
    """Draw sensitivity to each noise by level: raw ratios as boxes, beside them the scale-free sensitivity.

    Args:
        profiles: By model, all with the same noises and levels. Boxes are quartiles, whiskers 5 to 95 %.
    """
    levels = next(iter(profiles.values())).levels
    titles = [f"{kind.capitalize()} noise, {scale}" for kind in levels for scale in ("raw", "scale-free")]
    result = panels(titles, Room(300, 260, profiles)).update_layout(boxmode="group")
    for number, kind in zip(range(1, len(titles), 2), levels, strict=True):
        for name, profile in profiles.items():
            found, at = profile.sensitivities[kind], profile.levels[kind]
            ratios = {f"{level:g}": entry.ratios for level, entry in zip(at, found, strict=True)}
            result.add_trace(boxes(name, ratios, number, shown=number == 1))
            more = {"mode": "lines+markers", "hovertemplate": "%{y:.3g} at level %{x:g}"}
            result.add_trace(line(name, at, [entry.scale_free for entry in found], number + 1, **more))
        title = {"title": {"text": "level" if kind == "gaussian" else "probability per entry"}}
        y = {"title": {"text": "‖Δz‖ / ‖Δx‖"}, "rangemode": "tozero"}
        set_axes(result, number, title | {"type": "category"}, y)
        set_axes(result, number + 1, title, {"rangemode": "tozero"})
        horizontal(result, number + 1, 1)
    return result


def sensitivity_at(profiles: "Mapping[str, SensitivityProfile]", noise: str, level: float) -> go.Figure:
    """Draw histograms and boxes of ||f(x+e) - f(x)|| / ||e|| by model at one level of one noise, which was measured."""
    found = {}
    for name, profile in profiles.items():
        check_choice("noise", noise, profile.levels, "Measure it first.")
        check_choice("level", level, profile.levels[noise], "Measure it first.")
        found[name] = numbers(profile.sensitivities[noise][profile.levels[noise].index(level)].ratios)
    return sensitivity(found)


def evaluation_points(measured: "Mapping[str, EvaluationPoints]") -> go.Figure:
    """Draw norms on and off the data, the share of contracting points, and the norm against the distance.

    Args:
        measured: By model, all with the same kinds of points. Boxes are quartiles, whiskers 5 to 95 %.
    """
    titles = ["‖J‖ (Frobenius)", "Largest singular value of J", "Share of points that contract"]
    titles += ["Largest singular value by distance"]
    height = len(next(iter(measured.values())).norms) * (8 + 9 * len(measured))
    result = panels(titles, Room(height, height, measured)).update_layout(boxmode="group", barmode="group")
    for name, found in measured.items():
        frobenius = {kind: norms.frobenius for kind, norms in found.norms.items()}
        operator = {kind: norms.operator for kind, norms in found.norms.items()}
        result.add_trace(boxes(name, frobenius, 1, shown=True, lying=True))
        result.add_trace(boxes(name, operator, 2, shown=False, lying=True))
        shares = [100 * norms.contractive_share for norms in found.norms.values()]
        more = {"showlegend": False, "hovertemplate": "%{x:.1f} % at %{y}"}
        result.add_trace(bars(name, shares, list(found.norms), 3, **more))
        marker = {"symbol": look(name).symbol, "size": 4, "color": color(name), "opacity": 0.35}
        for kind, values in operator.items():
            if kind != "training":  # at distance 0
                more = {"hovertemplate": f"{kind}: %{{y:.3g}} at distance %{{x:.3g}}", "marker": marker}
                result.add_trace(line(name, found.distances[kind], values, 4, mode="markers", **more))
    rows = {"type": "category", "autorange": "reversed", "tickfont": {"size": 11}, "showgrid": False}
    set_axes(result, 1, {"title": {"text": "‖J‖"}, "rangemode": "tozero"}, rows)
    set_axes(result, 2, {"title": {"text": "σ max"}, "rangemode": "tozero"}, rows)
    set_axes(result, 3, {"title": {"text": "points with σ max ≤ 1"}, "ticksuffix": " %", "range": [0, 104]}, rows)
    vertical(result, 2, 1)
    horizontal(result, 4, 1)
    away = log_axis(*(d[d > _AT_DATA] for found in measured.values() for d in map(numbers, found.distances.values())))
    set_axes(result, 4, {"title": {"text": "distance to nearest training row"}, **away}, {"rangemode": "tozero"})
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
