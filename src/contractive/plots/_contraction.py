"""How much, how far and along what the code changes: distributions, curves by distance and depth, directions."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from contractive.core.errors import check_choice
from contractive.plots._panels import Layout, Panels, Room, axes, figure, legend_height, log_axis, panels, set_axes
from contractive.plots._style import NEUTRAL, color, heading, label, look, numbers, plain, translucent, wrapped

if TYPE_CHECKING:
    from contractive.analysis import (
        ContractionCurve,
        Directions,
        EvaluationPoints,
        LocalDimension,
        SensitivityProfile,
        Spectra,
        TangentAgreement,
    )

_MOST_BINS = 48
_BOX = 34  # pixels per box plot
_HISTOGRAM = 240
_AXIS, _LABELS = 48, 26  # below and above
_AT_DATA = 1e-4  # distances below are rounding: the training rows themselves
_HIGH, _LOW = 320, 280
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_BAND = (0.05, 0.95)
_LINE = 0.07  # of the axis: the height of a word
_ABOVE = 1.25  # room above the names of layers for those of distances, as a share of the height
_NEAR = 0.1  # of an encoder that neither contracts nor expands
_WORDS = 0.3  # of the axis: two words between two lines need as much on a narrow screen


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
    near = all(np.all(np.abs(array - 1) < _NEAR) for array in norms.values())
    return result.update_xaxes(range=[1 - _NEAR, 1 + _NEAR]) if near else result  # what is about 1 looks like it


def local_dimension(measured: "Mapping[str, LocalDimension]") -> go.Figure:
    """Draw tr J_r of the test examples by model, with lines at the numbers of principal components."""
    result = _distribution(
        {name: numbers(found.traces) for name, found in measured.items()}, "trace of J of the reconstruction"
    )
    for found in {found.components: found for found in measured.values()}.values():
        text = f"{found.components} components hold {100 * found.share:.0f} %"
        result.vertical(1, found.components, text, side="left")
    return result


def reconstruction_error(errors: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw ||r(x) - x||^2 of the test examples by model."""
    return _distribution(errors, "squared reconstruction error")


def _distribution(values: Mapping[str, np.ndarray], title: str) -> Panels:
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
        fill = {"fill": "tozeroy", "fillcolor": translucent(name, 0.16)}
        style = {"line": {"color": color(name), "width": 2, "shape": "hv"}, **fill}
        x, y = np.concatenate([edges[:1], edges]), np.concatenate([[0], percent, [0]])
        result.line(name, x, y, 1, hovertemplate="%{y:.1f} % from %{x:.3g}", **style)
        common: Layout = {"name": label(name), "legendgroup": name, "fillcolor": fill["fillcolor"]}
        style = {"line": {"color": color(name), "width": 1.5}, "marker": {"size": 3, "opacity": 0.5}}
        result.add_box(x=array, y0=label(name), yaxis="y2", showlegend=False, orientation="h", **style, **common)
    names = {"tickvals": [label(name) for name in finite], "ticktext": [wrapped(name) for name in finite]}
    narrow = {"showlegend": False, "height": height + _LABELS, "margin": {"t": _LABELS}}  # the boxes are named
    return result.update_layout(
        xaxis={"title": {"text": title}, "anchor": "y2"},
        yaxis={"domain": [share + 0.05, 1], "ticksuffix": " %", "title": {"text": "examples"}, "rangemode": "tozero"},
        yaxis2={"domain": [0, share], "autorange": "reversed", "showgrid": False, **names},
        meta={"wide": {}, "narrow": {"dragmode": False, "yaxis2": {"tickfont": {"size": 11}}, **narrow}},
    )


def sensitivity_profiles(profiles: "Mapping[str, SensitivityProfile]") -> go.Figure:
    """Draw sensitivity to each noise by level, the same for all models: raw ratios as boxes, beside them scale-free."""
    levels = next(iter(profiles.values())).levels
    titles = [f"{kind.capitalize()} noise, {scale}" for kind in levels for scale in ("raw", "scale-free")]
    result = panels(titles, Room(300, 260, profiles)).update_layout(boxmode="group")
    for number, kind in zip(range(1, len(titles), 2), levels, strict=True):
        for name, profile in profiles.items():
            found, at = profile.sensitivities[kind], profile.levels[kind]
            ratios = {f"{level:g}": entry.ratios for level, entry in zip(at, found, strict=True)}
            result.boxes(name, ratios, number, shown=number == 1)
            more = {"mode": "lines+markers", "hovertemplate": "%{y:.3g} at level %{x:g}"}
            result.line(name, at, [entry.scale_free for entry in found], number + 1, **more)
        title = {"title": {"text": "level" if kind == "gaussian" else "probability per entry"}}
        y = {"title": {"text": "‖Δz‖ / ‖Δx‖"}, "rangemode": "tozero"}
        set_axes(result, number, title | {"type": "category"}, y)
        set_axes(result, number + 1, title, {"rangemode": "tozero"})
        result.horizontal(number + 1, 1)
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
    """Draw norms by kind of point, the same for all models, the share of contracting points, and norms by distance."""
    titles = ["‖J‖ (Frobenius)", "Largest singular value of J", "Share of points that contract"]
    titles += ["Largest singular value by distance"]
    height = len(next(iter(measured.values())).norms) * (8 + 9 * len(measured))
    result = panels(titles, Room(height, height, measured)).update_layout(boxmode="group", barmode="group")
    for name, found in measured.items():
        frobenius = {kind: norms.frobenius for kind, norms in found.norms.items()}
        operator = {kind: norms.operator for kind, norms in found.norms.items()}
        result.boxes(name, frobenius, 1, shown=True, lying=True)
        result.boxes(name, operator, 2, shown=False, lying=True)
        shares = [100 * norms.contractive_share for norms in found.norms.values()]
        more = {"showlegend": False, "hovertemplate": "%{x:.1f} % at %{y}", "texttemplate": "%{x:.0f} %"}
        result.bars(name, shares, list(found.norms), 3, **more)
        marker = {"symbol": look(name).symbol, "size": 4, "color": color(name), "opacity": 0.35}
        for kind, values in operator.items():
            if kind != "training":  # at distance 0
                more = {"hovertemplate": f"{kind}: %{{y:.3g}} at distance %{{x:.3g}}", "marker": marker}
                result.line(name, found.distances[kind], values, 4, mode="markers", **more)
    rows = {"type": "category", "autorange": "reversed", "tickfont": {"size": 11}, "showgrid": False}
    set_axes(result, 1, {"title": {"text": "‖J‖"}, "rangemode": "tozero"}, rows)
    set_axes(result, 2, {"title": {"text": "σ max"}, "rangemode": "tozero"}, rows)
    set_axes(result, 3, {"title": {"text": "points with σ max ≤ 1"}, "ticksuffix": " %", "range": [0, 104]}, rows)
    result.vertical(2, 1)
    result.horizontal(4, 1)
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
        result.boxes(name, {key: 100 * share for key, share in shares.items()}, 1, shown=True)
        angles = np.degrees(numbers(found.angles)).reshape(-1, found.angles.shape[-1])
        index = np.arange(1, angles.shape[1] + 1)
        low, middle, high = np.quantile(angles, [0.25, 0.5, 0.75], axis=0)
        hover = "principal angle %{x}: %{y:.1f}°"
        result.band(name, index, low, high, 2)
        result.line(name, index, middle, 2, mode="lines+markers", hovertemplate=hover)
    first = next(iter(measured.values()))
    random = np.degrees(numbers(first.random_angles))
    dotted = {"color": NEUTRAL, "width": 1.5, "dash": "dot"}
    index, hover = np.arange(1, random.shape[1] + 1), "random subspaces: %{y:.1f}°"
    result.line("random", index, np.median(random, axis=0), 2, line=dotted, hovertemplate=hover)
    result.horizontal(1, 100 * first.expected_random, "chance")
    set_axes(result, 1, {"type": "category"}, {"ticksuffix": " %", "rangemode": "tozero"})
    set_axes(result, 2, {"title": {"text": "principal angle"}, "dtick": 1}, {"ticksuffix": "°", "range": [0, 93]})
    return result


def contraction_curves(curves: "Mapping[str, ContractionCurve]") -> go.Figure:
    """Draw the mean contraction ratio against the radius, with its 5 to 95 % band and the distances between data.

    Figure 1 of Rifai et al. (2011).
    """
    result = panels(["Contraction ratio by radius"], Room(_HIGH + 40, _LOW, curves))
    for name, curve in curves.items():
        result.band(name, curve.radii, curve.low, curve.high, 1)
        result.line(name, curve.radii, curve.mean, 1, hovertemplate="%{y:.3g} at radius %{x:.3g}")
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
            result.line(name, curve.radii, curve.mean, number, **more)
        highest = _name_layers(result, number, name, depths)
        _finish_radii(result, number, depths)
        set_axes(result, number, {}, {"range": [0, _ABOVE * highest]})
    return result


def _name_layers(result: go.Figure, number: int, name: str, depths: "Sequence[ContractionCurve]") -> float:
    """Put a word at the start of each line, moved up where it would stand on another; return the highest place."""
    x, y = axes(number).values()
    top = max(float(curve.mean.max()) for curve in depths) or 1.0
    height = -1.0
    for at in sorted(range(len(depths)), key=lambda layer: float(depths[layer].mean[0])):
        height = max(float(depths[at].mean[0]), height + _LINE * top)
        where = {"x": float(depths[at].radii[0]), "y": height, "xanchor": "left", "yanchor": "bottom", "xshift": 6}
        font = {"size": 11, "color": color(name)}
        result.add_annotation(text=f"layer {at + 1}", font=font, xref=x, yref=y, **where)
    return max(top, height)


def _finish_radii(result: Panels, number: int, curves: "Sequence[ContractionCurve]") -> None:
    """Set the axes, and draw lines at the distances between data."""
    smallest, median, largest = curves[0].distances
    end = max(float(curve.radii[-1]) for curve in curves)
    crowded = median - smallest < _WORDS * end
    result.vertical(number, smallest, "" if crowded else "nearest")
    result.vertical(number, median, "median", side="right" if crowded else "left")
    result.vertical(number, largest, "farthest")
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
        result.band(name, index, np.maximum(low, floor), np.maximum(high, floor), 1)
        result.line(name, index, found.mean, 1, hovertemplate="value %{x}: %{y:.3g}")
        drawn += [found.mean, high]
        ranks = {
            "entropy": found.entropy_rank,
            "participation": found.participation_ratio,
            "95 % of ‖J‖²": found.dimension_by_share(),
            "largest gap": found.dimension_by_gap,
        }
        result.boxes(name, ranks, 2, shown=False)
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
    result.line("data", numbers(first.index) + 1, relative_variances, 2, hovertemplate=hover, **dotted)
    relatives = []
    for at, (name, found) in enumerate(measured.items()):
        index = numbers(found.index) + 1
        relative = numbers(found.squared_sensitivities) / found.isotropic if found.isotropic else variances * 0
        relatives.append(relative)
        hover = f"{label(name)}, direction %{{customdata}}: %{{y:.3g}} at variance %{{x:.3g}}"
        more = {"mode": "markers", "customdata": index, "hovertemplate": hover}
        result.line(name, found.variances, relative, 1, **more)
        result.line(name, index, relative, 2, hovertemplate="direction %{x}: %{y:.3g}")
        where = {"x": 1, "y": 0, "xref": "x domain", "yref": "y domain", "xanchor": "right", "yanchor": "bottom"}
        where |= {"yshift": 4 + 16 * (len(measured) - 1 - at), "font": {"size": 12, "color": color(name)}}
        result.add_annotation(text=f"ρ = {found.rank_correlation:.2f}", **where)
    y = log_axis(*relatives, decades=6) | {"title": {"text": "E‖J u‖² / random direction's"}}
    set_axes(result, 1, {"title": {"text": "variance"}, **log_axis(variances)}, y)
    both = log_axis(*relatives, relative_variances, decades=8)
    set_axes(result, 2, {"title": {"text": "principal direction"}}, both)
    return result


def class_directions(measured: "Mapping[str, Mapping[Any, Directions]]") -> go.Figure:
    """Draw the rank correlation of variance and sensitivity, by model, then by label or name of the class."""
    result = panels(["Rank correlation by class"], Room(_HIGH - 60, _LOW, measured))
    for name, classes in measured.items():
        values = [found.rank_correlation for found in classes.values()]
        more = {"x": [plain(str(entry)) for entry in classes], "mode": "markers", "marker_size": 11}
        result.line(name, [], values, 1, hovertemplate="%{y:.2f} in class %{x}", **more)
    set_axes(result, 1, {"type": "category", "title": {"text": "class"}}, {"title": {"text": "Spearman's ρ"}})
    result.horizontal(1, 0)
    return result
