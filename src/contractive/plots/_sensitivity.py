"""How far the code moves: under every noise and level, and at the data, between them and away from them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from contractive.plots._distributions import sensitivity
from contractive.plots._marks import boxes, line, log_axis
from contractive.plots._style import Room, axes, color, horizontal, numbers, panels, set_axes, symbol, vertical

if TYPE_CHECKING:
    from contractive.analysis import EvaluationPoints, SensitivityProfile

_HIGH, _LOW = 300, 260
_RATIO = {"title": {"text": "‖Δz‖ / ‖Δx‖"}, "rangemode": "tozero"}


def sensitivity_profiles(profiles: "Mapping[str, SensitivityProfile]") -> go.Figure:
    """Draw movement of the code under each noise: raw ratios as boxes, beside them the scale-free figure, by level.

    Args:
        profiles: By variant, all with the same noises and levels. Boxes are quartiles, whiskers 5 to 95 %.
    """
    levels = next(iter(profiles.values())).levels
    titles = [f"{kind.capitalize()} noise, {what}" for kind in levels for what in ("raw", "scale-free")]
    result = panels(titles, Room(_HIGH, _LOW, profiles)).update_layout(boxmode="group")
    for at, kind in enumerate(levels):
        number = 2 * at + 1
        for name, profile in profiles.items():
            moved = profile.sensitivities[kind]
            groups = {f"{level:g}": found.ratios for level, found in zip(profile.levels[kind], moved, strict=True)}
            result.add_trace(boxes(name, groups, number, shown=number == 1))
            free = [found.scale_free for found in moved]
            more = {"mode": "lines+markers", "hovertemplate": "%{y:.3g} at level %{x:g}"}
            result.add_trace(line(name, profile.levels[kind], free, number + 1, **more))
        title = {"title": {"text": "level" if kind == "gaussian" else "probability per entry"}}
        set_axes(result, number, title | {"type": "category"}, _RATIO)
        set_axes(result, number + 1, title, {"rangemode": "tozero"})
        horizontal(result, number + 1, 1)
    return result


def sensitivity_at(profiles: "Mapping[str, SensitivityProfile]", noise: str, level: float) -> go.Figure:
    """Draw histograms and boxes of ||f(x+e) - f(x)|| / ||e|| by variant at one level of one noise.

    Raises:
        ValueError: A noise or level that was not measured.
    """
    found = {}
    for name, profile in profiles.items():
        if level not in profile.levels.get(noise, ()):
            raise ValueError(f"noise and level must be among {dict(profile.levels)}, got {noise!r} and {level}.")
        found[name] = numbers(profile.sensitivities[noise][profile.levels[noise].index(level)].ratios)
    return sensitivity(found)


def evaluation_points(measured: "Mapping[str, EvaluationPoints]") -> go.Figure:
    """Draw where each variant contracts: norms by place, share of contracting points, norm against distance.

    Args:
        measured: By variant, all with the same places. Boxes are quartiles, whiskers 5 to 95 %.
    """
    titles = ["‖J‖ (Frobenius)", "Largest singular value of J", "Share of points that contract"]
    titles += ["Largest singular value by distance"]
    kinds = len(next(iter(measured.values())).norms)
    height = kinds * (8 + 9 * len(measured))
    result = panels(titles, Room(height, height, measured)).update_layout(boxmode="group", barmode="group")
    for name, found in measured.items():
        result.add_trace(boxes(name, {at: n.frobenius for at, n in found.norms.items()}, 1, shown=True, lying=True))
        result.add_trace(boxes(name, {at: n.operator for at, n in found.norms.items()}, 2, shown=False, lying=True))
        result.add_trace(_shares(name, found))
        result.add_traces(_by_distance(name, found))
    rows = {"type": "category", "autorange": "reversed", "tickfont": {"size": 11}, "showgrid": False}
    set_axes(result, 1, {"title": {"text": "‖J‖"}, "rangemode": "tozero"}, rows)
    set_axes(result, 2, {"title": {"text": "σ max"}, "rangemode": "tozero"}, rows)
    set_axes(result, 3, {"title": {"text": "points with σ max ≤ 1"}, "ticksuffix": " %", "range": [0, 104]}, rows)
    vertical(result, 2, 1)
    horizontal(result, 4, 1)
    distance = log_axis(*(d[d > _AT_DATA] for p in measured.values() for d in map(numbers, p.distances.values())))
    set_axes(result, 4, {"title": {"text": "distance to nearest training row"}, **distance}, {"rangemode": "tozero"})
    return result


_AT_DATA = 1e-4  # distances below are rounding: the training rows themselves


def _shares(name: str, found: "EvaluationPoints") -> go.Bar:
    shares = [100 * norms.contractive_share for norms in found.norms.values()]
    return go.Bar(
        x=shares,
        y=list(found.norms),
        orientation="h",
        name=name,
        legendgroup=name,
        offsetgroup=name,
        showlegend=False,
        marker={"color": color(name)},
        hovertemplate="%{x:.1f} % at %{y}",
        **axes(3),
    )


def _by_distance(name: str, found: "EvaluationPoints") -> list[go.Scatter]:
    return [
        go.Scatter(
            x=numbers(found.distances[place]),
            y=numbers(norms.operator),
            mode="markers",
            marker={"symbol": symbol(name), "size": 4, "color": color(name), "opacity": 0.35},
            name=name,
            legendgroup=name,
            showlegend=False,
            hovertemplate=f"{place}: %{{y:.3g}} at distance %{{x:.3g}}",
            **axes(4),
        )
        for place, norms in found.norms.items()
        if place != "training"  # at distance 0
    ]
