"""Contraction by radius and depth, singular values, and sensitivity along the directions of the data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._marks import band, boxes, line, log_axis
from contractive.plots._style import (
    NEUTRAL,
    Room,
    axes,
    color,
    heading,
    horizontal,
    numbers,
    panels,
    set_axes,
    translucent,
    vertical,
)

if TYPE_CHECKING:
    from contractive.analysis import ContractionCurve, Directions, Spectra

_HIGH, _LOW = 320, 280
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_BAND = (0.05, 0.95)
_LINE = 0.07  # of the axis: the height of a word
_WORDS = 0.3  # of the axis: two words between two lines need as much on a narrow screen


def contraction_curves(curves: "Mapping[str, ContractionCurve]") -> go.Figure:
    """Draw the mean contraction ratio against the radius, with its 5 to 95 % band and the distances between data.

    Figure 1 of Rifai et al. (2011).
    """
    result = panels(["Contraction ratio by radius"], Room(_HIGH + 40, _LOW, curves))
    for name, curve in curves.items():
        result.add_trace(band(name, curve.radii, curve.low, curve.high, 1))
        result.add_trace(line(name, curve.radii, curve.mean, 1, hovertemplate="%{y:.3g} at radius %{x:.3g}"))
    _finish_radii(result, 1, list(curves.values()))
    return result


def contraction_by_depth(curves: "Mapping[str, Sequence[ContractionCurve]]") -> go.Figure:
    """Draw the mean contraction ratio from the input to each layer, a panel per model, the first layer faintest.

    Figure 3 of Rifai et al. (2011).
    """
    result = panels([heading(name) for name in curves], Room(_HIGH - 40, _LOW))
    for number, (name, depths) in enumerate(curves.items(), 1):
        for at, curve in enumerate(depths, 1):
            dash = _DASHES[(len(depths) - at) % len(_DASHES)]
            style = {"color": translucent(name, round(at / len(depths), 2)), "width": 2.5, "dash": dash}
            hover = f"layer {at}: %{{y:.3g}} at radius %{{x:.3g}}"
            more = {"line": style, "showlegend": False, "hovertemplate": hover}
            result.add_trace(line(name, curve.radii, curve.mean, number, **more))
        _name_layers(result, number, name, depths)
        _finish_radii(result, number, depths)
    return result


def _name_layers(result: go.Figure, number: int, name: str, depths: "Sequence[ContractionCurve]") -> None:
    """Put a word at the start of each line, moved up where it would stand on another."""
    x, y = axes(number).values()
    top = max(float(curve.mean.max()) for curve in depths) or 1.0
    height = -1.0
    for at in sorted(range(len(depths)), key=lambda layer: float(depths[layer].mean[0])):
        height = max(float(depths[at].mean[0]), height + _LINE * top)
        where = {"x": float(depths[at].radii[0]), "y": height, "xanchor": "left", "yanchor": "bottom", "xshift": 6}
        font = {"size": 11, "color": color(name)}
        result.add_annotation(text=f"layer {at + 1}", font=font, xref=x, yref=y, **where)


def _finish_radii(result: go.Figure, number: int, curves: "Sequence[ContractionCurve]") -> None:
    """Set the axes, and draw lines at the distances between data."""
    smallest, median, largest = curves[0].distances
    end = max(float(curve.radii[-1]) for curve in curves)
    crowded = median - smallest < _WORDS * end
    vertical(result, number, smallest, "" if crowded else "nearest")
    vertical(result, number, median, "median", side="right" if crowded else "left")
    vertical(result, number, largest, "farthest")
    y = {"title": {"text": "‖Δz‖ / r"}, "rangemode": "tozero"}
    set_axes(result, number, {"title": {"text": "radius r"}, "range": [0, end]}, y)


def spectra(measured: "Mapping[str, Spectra]") -> go.Figure:
    """Draw mean singular values of J with their 5 to 95 % band, and four counts of the directions that matter.

    Figure 2 of Rifai et al. (2011), on a logarithmic axis of at most six decades.
    """
    titles = ["Singular values of J", "Effective rank and dimension"]
    result = panels(titles, Room(_HIGH, _LOW, measured)).update_layout(boxmode="group")
    drawn = []
    for name, found in measured.items():
        index = np.arange(1, len(found.mean) + 1)
        low, high = (numbers(found.quantile(q)) for q in _BAND)
        floor = max(float(high.max()) * 1e-9, 1e-30)  # a logarithmic axis has no zero
        result.add_trace(band(name, index, np.maximum(low, floor), np.maximum(high, floor), 1))
        result.add_trace(line(name, index, found.mean, 1, hovertemplate="value %{x}: %{y:.3g}"))
        drawn += [found.mean, high]
        ranks = {
            "entropy": found.entropy_rank,
            "participation": found.participation_ratio,
            "95 % of ‖J‖²": found.dimension_by_share(),
            "largest gap": found.dimension_by_gap,
        }
        result.add_trace(boxes(name, ranks, 2, shown=False))
    set_axes(result, 1, {"title": {"text": "index"}}, log_axis(*drawn, decades=6))
    set_axes(result, 2, {"type": "category"}, {"title": {"text": "directions"}, "rangemode": "tozero"})
    return result


def directions(measured: "Mapping[str, Directions]") -> go.Figure:
    """Draw how much the code changes along the data's principal directions, against how much the data vary along them.

    Left a point per direction, right the same by index with the data's variance (divided by its mean) in grey;
    sensitivities are divided by that of a random direction, so that models of any scale compare.
    """
    result = panels(["By variance of the data", "By principal direction"], Room(_HIGH, _LOW, measured))
    first = next(iter(measured.values()))
    variances = numbers(first.variances)
    relative_variances = variances / variances.mean()
    dotted = {"line": {"color": NEUTRAL, "width": 1.5, "dash": "dot"}, "showlegend": False}
    hover = "variance / mean: %{y:.3g}"
    result.add_trace(line("data", numbers(first.index) + 1, relative_variances, 2, hovertemplate=hover, **dotted))
    relatives = []
    for at, (name, found) in enumerate(measured.items()):
        index = numbers(found.index) + 1
        relative = numbers(found.squared_sensitivities) / found.isotropic if found.isotropic else variances * 0
        relatives.append(relative)
        hover = f"{name}, direction %{{customdata}}: %{{y:.3g}} at variance %{{x:.3g}}"
        more = {"mode": "markers", "customdata": index, "hovertemplate": hover}
        result.add_trace(line(name, found.variances, relative, 1, **more))
        result.add_trace(line(name, index, relative, 2, hovertemplate="direction %{x}: %{y:.3g}"))
        where = {"x": 1, "y": 0, "xref": "x domain", "yref": "y domain", "xanchor": "right", "yanchor": "bottom"}
        where |= {"yshift": 4 + 16 * (len(measured) - 1 - at), "font": {"size": 12, "color": color(name)}}
        result.add_annotation(text=f"ρ = {found.rank_correlation:.2f}", **where)
    y = log_axis(*relatives, decades=6) | {"title": {"text": "E‖J u‖² / random direction's"}}
    set_axes(result, 1, {"title": {"text": "variance"}, **log_axis(variances)}, y)
    both = log_axis(*relatives, relative_variances, decades=8)
    set_axes(result, 2, {"title": {"text": "principal direction"}}, both)
    return result


def class_directions(measured: "Mapping[str, Mapping[Any, Directions]]") -> go.Figure:
    """Draw the rank correlation of variance and sensitivity for each class, by model.

    Args:
        measured: By model, then by label or name of the class.
    """
    result = panels(["Rank correlation by class"], Room(_HIGH - 60, _LOW, measured))
    for name, classes in measured.items():
        values = [found.rank_correlation for found in classes.values()]
        trace = line(name, range(len(values)), values, 1, mode="markers", hovertemplate="%{y:.2f} in class %{x}")
        result.add_trace(trace.update(x=[str(entry) for entry in classes], marker_size=11))
    set_axes(result, 1, {"type": "category", "title": {"text": "class"}}, {"title": {"text": "Spearman's ρ"}})
    horizontal(result, 1, 0)
    return result
