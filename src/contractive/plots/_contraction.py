"""Contraction by radius and depth, singular values, and sensitivity along the directions of the data."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._marks import band, boxes, line, log_axis
from contractive.plots._pictures import heading
from contractive.plots._style import (
    NEUTRAL,
    Room,
    axes,
    color,
    horizontal,
    numbers,
    panels,
    set_axes,
    symbol,
    translucent,
    vertical,
)

if TYPE_CHECKING:
    from contractive.analysis import ContractionCurve, Directions, Spectra

_HIGH, _LOW = 320, 280
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_BAND = (0.05, 0.95)
_WORDS = 0.3  # of the axis: two words between two lines need as much on a narrow screen


def contraction_curves(curves: "Mapping[str, ContractionCurve]") -> go.Figure:
    """Draw the mean contraction ratio against the radius, with its 5 to 95 % band and the distances between data.

    Figure 1 of Rifai et al. (2011).
    """
    result = panels(["Contraction ratio by radius"], Room(_HIGH + 40, _LOW, curves))
    for name, curve in curves.items():
        result.add_trace(band(name, curve.radii, curve.low, curve.high, 1))
        result.add_trace(line(name, curve.radii, curve.mean, 1, hovertemplate="%{y:.3g} at radius %{x:.3g}"))
    _finish_radii(result, 1, curves.values())
    return result


def contraction_by_depth(curves: "Mapping[str, Sequence[ContractionCurve]]") -> go.Figure:
    """Draw the mean contraction ratio from the input to each layer, a panel per variant, the first layer faintest.

    Figure 3 of Rifai et al. (2011).
    """
    result = panels([heading(name) for name in curves], Room(_HIGH - 40, _LOW))
    for number, (name, depths) in enumerate(curves.items(), 1):
        for at, curve in enumerate(depths):
            style = {
                "color": translucent(name, round((at + 1) / len(depths), 2)),
                "width": 2.5,
                "dash": _DASHES[(len(depths) - 1 - at) % len(_DASHES)],
            }
            hover = f"layer {at + 1}: %{{y:.3g}} at radius %{{x:.3g}}"
            more = {"line": style, "showlegend": False, "hovertemplate": hover}
            result.add_trace(line(name, curve.radii, curve.mean, number, **more))
            result.add_annotation(
                text=f"layer {at + 1}",
                x=float(curve.radii[-1]),
                y=float(curve.mean[-1]),
                xanchor="right",
                yanchor="bottom",
                yshift=5,
                font={"size": 11, "color": color(name)},
                xref=axes(number)["xaxis"],
                yref=axes(number)["yaxis"],
            )
        _finish_radii(result, number, depths)
    return result


def spectra(measured: "Mapping[str, Spectra]") -> go.Figure:
    """Draw mean singular values of J with their 5 to 95 % band, and four counts of the directions that matter.

    Figure 2 of Rifai et al. (2011), on a logarithmic axis of at most six decades.
    """
    titles = ["Singular values of J", "Effective rank and dimension"]
    result = panels(titles, Room(_HIGH, _LOW, measured)).update_layout(boxmode="group")
    for name, found in measured.items():
        index = np.arange(1, len(found.mean) + 1)
        low, high = (numbers(found.quantile(q)) for q in _BAND)
        floor = max(float(high.max()) * 1e-9, 1e-30)  # a logarithmic axis has no zero
        result.add_trace(band(name, index, np.maximum(low, floor), np.maximum(high, floor), 1))
        result.add_trace(line(name, index, found.mean, 1, hovertemplate="value %{x}: %{y:.3g}"))
        ranks = {
            "entropy": found.entropy_rank,
            "participation": found.participation_ratio,
            "95 % of ‖J‖²": found.dimension_by_share(),
            "largest gap": found.dimension_by_gap,
        }
        result.add_trace(boxes(name, ranks, 2, shown=False))
    logarithmic = log_axis(*(found.mean for found in measured.values()), decades=6)
    set_axes(result, 1, {"title": {"text": "index"}}, logarithmic)
    set_axes(result, 2, {"type": "category"}, {"title": {"text": "directions"}, "rangemode": "tozero"})
    return result


def directions(measured: "Mapping[str, Directions]") -> go.Figure:
    """Draw how far the code moves along the data's principal directions, against how much the data vary along them.

    Left a point per direction, right the same by index with the data's variance (divided by its mean) in grey;
    sensitivities are divided by that of a random direction, so that models of any scale compare.
    """
    result = panels(["By variance of the data", "By principal direction"], Room(_HIGH, _LOW, measured))
    first = next(iter(measured.values()))
    variances = numbers(first.variances)
    neutral = {"line": {"color": NEUTRAL, "width": 1.5, "dash": "dot"}, "showlegend": False}
    hover = "variance / mean: %{y:.3g}"
    result.add_trace(
        line("data", numbers(first.index) + 1, variances / variances.mean(), 2, hovertemplate=hover, **neutral)
    )
    relatives = []
    for name, found in measured.items():
        relative = numbers(found.squared_sensitivities) / found.isotropic if found.isotropic else variances * 0
        relatives.append(relative)
        points = {"mode": "markers", "customdata": numbers(found.index) + 1}
        points["hovertemplate"] = f"{name}, direction %{{customdata}}: %{{y:.3g}} at variance %{{x:.3g}}"
        result.add_trace(line(name, found.variances, relative, 1, **points))
        result.add_trace(line(name, numbers(found.index) + 1, relative, 2, hovertemplate="direction %{x}: %{y:.3g}"))
    sensitivities = log_axis(*relatives, decades=6)
    title = {"title": {"text": "E‖J u‖² / random direction's"}}
    set_axes(result, 1, {"title": {"text": "variance"}, **log_axis(variances)}, sensitivities | title)
    both = log_axis(*relatives, variances / variances.mean(), decades=8)
    set_axes(result, 2, {"title": {"text": "principal direction"}}, both)
    _list_correlations(result, {name: found.rank_correlation for name, found in measured.items()})
    return result


def class_directions(measured: "Mapping[str, Mapping[Any, Directions]]") -> go.Figure:
    """Draw the rank correlation of variance and sensitivity for each class, by variant.

    Args:
        measured: By variant, then by label or name of the class.
    """
    result = panels(["Rank correlation of variance and sensitivity by class"], Room(_HIGH - 60, _LOW, measured))
    for name, classes in measured.items():
        result.add_trace(
            go.Scatter(
                x=[str(label) for label in classes],
                y=[found.rank_correlation for found in classes.values()],
                mode="markers",
                marker={"symbol": symbol(name), "size": 11, "color": color(name)},
                name=name,
                legendgroup=name,
                hovertemplate="%{y:.2f} in class %{x}",
                **axes(1),
            )
        )
    set_axes(result, 1, {"type": "category", "title": {"text": "class"}}, {"title": {"text": "Spearman's ρ"}})
    horizontal(result, 1, 0)
    return result


def _finish_radii(result: go.Figure, number: int, curves: "Iterable[ContractionCurve]") -> None:
    """Axes, and lines at the distances between data."""
    curves = list(curves)
    smallest, median, largest = curves[0].distances
    end = max(float(curve.radii[-1]) for curve in curves)
    crowded = median - smallest < _WORDS * end
    words = {"nearest": "" if crowded else "nearest", "median": "median", "farthest": "farthest"}
    sides = ("right", "right" if crowded else "left", "right")
    for at, text, side in zip((smallest, median, largest), words.values(), sides, strict=True):
        vertical(result, number, at, text, side=side)
    y = {"title": {"text": "‖Δz‖ / r"}, "rangemode": "tozero"}
    set_axes(result, number, {"title": {"text": "radius r"}, "range": [0, end]}, y)


def _list_correlations(result: go.Figure, correlations: Mapping[str, float]) -> None:
    for at, (name, value) in enumerate(correlations.items()):
        result.add_annotation(
            text=f"ρ = {value:.2f}",
            x=1,
            y=0,
            yshift=4 + 16 * (len(correlations) - 1 - at),
            xref="x domain",
            yref="y domain",
            xanchor="right",
            yanchor="bottom",
            font={"size": 12, "color": color(name)},
        )
