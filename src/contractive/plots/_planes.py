"""Points in the plane: models by error and sensitivity, codes on a map, and arrows of a vector field."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from contractive.core.errors import InvalidValue
from contractive.plots._curves import WITHOUT
from contractive.plots._marks import line, log_axis
from contractive.plots._style import (
    NEUTRAL,
    Room,
    axes,
    color,
    figure,
    heading,
    label,
    legend_height,
    look,
    numbers,
    panels,
    set_axes,
    translucent,
)

if TYPE_CHECKING:
    from contractive.analysis import VectorField

_MOST_LABELS = 4  # in the plane; more names go into a legend
_SHORT = 6.0  # largest over smallest value of an axis that needs ticks in even steps
_FRONT, _BEATEN = "on the front", "beaten by another"
_ERROR, _SENSITIVITY = "reconstruction error per example", "scale-free sensitivity"
_MANY = 3000  # points that a browser draws as shapes without a pause
# Okabe and Ito (2008), who chose them for colour-blind readers, without black; with a darker yellow and three more
_CLASSES = "#E69F00 #56B4E9 #009E73 #BCBD22 #0072B2 #D55E00 #CC79A7 #7F7F7F #9467BD #8C564B".split()
_SHADES = ".:=*#@"  # plain characters: others take six bytes each in a page
_ACROSS = 28  # characters of a thumbnail


def trade_off(errors: Mapping[str, np.ndarray], sensitivities: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw scale-free sensitivity against reconstruction error: a point per seed, joined to the mean.

    Args:
        errors: Reconstruction error of every seed by model.
        sensitivities: Scale-free sensitivity, likewise.
    """
    named = len(errors) <= _MOST_LABELS
    result = figure(height=440)
    means = {name: (float(errors[name].mean()), float(sensitivities[name].mean())) for name in errors}
    for name, error in errors.items():
        result.add_traces(_star(name, error, sensitivities[name], _free_side(name, means) if named else ""))
    corner = {"x": 0.01, "y": 0.02, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    result.add_annotation(text="↙ better", **corner)
    together = np.concatenate(list(sensitivities.values()))
    beyond = 0.08 * float(np.ptp(together))  # room for labels
    include = [float(together.min()) - beyond, float(together.max()) + beyond]
    top = 12 if named else legend_height(errors, narrow=True) + 8
    return result.update_layout(
        xaxis={"title": {"text": _ERROR}},
        yaxis={"title": {"text": _SENSITIVITY}, "autorangeoptions": {"include": include}},
        margin={"t": 34 if named else legend_height(errors) + 8},
        showlegend=not named,
        meta={"wide": {}, "narrow": {"dragmode": False, "height": 340 + top, "margin": {"t": top}}},
    )


def _free_side(name: str, means: Mapping[str, tuple[float, float]]) -> str:
    """Return where a label does not meet the nearest other mark."""
    points = np.array(list(means.values()))
    extent = np.ptp(points, axis=0)
    away = (np.array(means[name]) - points) / np.where(extent > 0, extent, 1)
    others = away[[other != name for other in means]]
    if not len(others):
        return "top center"
    right, up = others[np.hypot(*others.T).argmin()]
    if abs(up) >= abs(right) / 4:  # labels are wider than high
        return "top center" if up > 0 else "bottom center"
    return "middle right" if right > 0 else "middle left"


def _star(name: str, x: np.ndarray, y: np.ndarray, side: str) -> list[go.Scatter]:
    """Return the points of the seeds, each joined to their mean, and the mean with its name at that side."""
    middle, own = (float(np.mean(x)), float(np.mean(y))), look(name)
    common: dict[str, Any] = {"legendgroup": name, "name": label(name)}
    rays = go.Scatter(
        x=[at for value in x for at in (middle[0], float(value), None)],
        y=[at for value in y for at in (middle[1], float(value), None)],
        mode="lines+markers",
        line={"color": translucent(name, 0.45), "width": 1},
        marker={"symbol": own.symbol, "size": 6, "color": translucent(name, 0.6)},
        showlegend=False,
        hovertemplate="one seed: error %{x:.4g}, sensitivity %{y:.4g}",
        **common,
    )
    mean = go.Scatter(
        x=[middle[0]],
        y=[middle[1]],
        mode="markers+text" if side else "markers",
        text=[label(name)],
        textposition=side or None,
        textfont={"size": 14},
        marker={"symbol": own.symbol, "size": 16, "color": own.color},
        cliponaxis=False,
        hovertemplate="mean: error %{x:.4g}, sensitivity %{y:.4g}",
        **common,
    )
    return [rays, mean] if len(x) > 1 else [mean]


def pareto(
    weights: Sequence[float],
    errors: Sequence[float],
    sensitivities: Sequence[float],
    front: Sequence[int],
    knee: int,
    *,
    objective: str = "contractive",
) -> go.Figure:
    """Draw scale-free sensitivity against reconstruction error, one point per weight, on logarithmic axes.

    Args:
        weights: Of each point; 0 is the model without a penalty.
        errors: Reconstruction error, likewise.
        sensitivities: Scale-free sensitivity, likewise.
        front: Indices of the points that no other beats, by error.
        knee: Index of the one that is marked.
        objective: Whose colour they get.
    """
    points = np.column_stack([weights, errors, sensitivities]).astype(float)
    words = [f"weight {weight:.3g}" if weight else WITHOUT for weight in points[:, 0]]
    penalised, on_front = points[:, 0] > 0, np.isin(np.arange(len(points)), list(front))
    groups = {_FRONT: on_front & penalised, _BEATEN: ~on_front & penalised, WITHOUT: ~penalised}
    groups = {name: chosen for name, chosen in groups.items() if chosen.any()}
    top, narrow_top = legend_height(groups) + 8, legend_height(groups, narrow=True) + 8
    result = figure(height=400 + top, margin={"t": top})

    def add(model: str, chosen: Any, **more: Any) -> None:
        result.add_trace(line(model, points[chosen, 1], points[chosen, 2], 1, **more))

    quiet: dict[str, Any] = {"name": None, "hoverinfo": "skip", "showlegend": False}
    add(objective, list(front), line={"color": translucent(objective, 0.6), "width": 2}, **quiet)
    if len(front) > 2:  # the knee is farthest below this chord, which is straight on these axes
        add(objective, [front[0], front[-1]], line={"color": NEUTRAL, "width": 1, "dash": "dot"}, **quiet)
    for name, chosen in groups.items():
        own = look("standard" if name == WITHOUT else objective)
        marker = {"symbol": own.symbol, "size": 11, "color": own.color}
        hover = "%{customdata}<br>error %{x:.4g}, sensitivity %{y:.3g}<extra></extra>"
        more = {"customdata": np.array(words)[chosen].tolist(), "opacity": 0.4 if name == _BEATEN else 1}
        add(name, chosen, mode="markers", marker=marker, hovertemplate=hover, legendgroup=None, **more)
    ring = {"symbol": "circle-open", "size": 24, "color": color(objective), "line": {"width": 3}}
    add(objective, [knee], mode="markers", marker=ring, **quiet)
    x, y = np.log10(points[knee, 1:])
    beside = {"xanchor": "left", "yanchor": "bottom", "xshift": 12, "yshift": 8}
    result.add_annotation(text=f"knee: {words[knee]}", x=x, y=y, font={"size": 14}, **beside)
    return result.update_layout(
        xaxis={"title": {"text": _ERROR}, **_fine_axis(errors)},
        yaxis={"title": {"text": _SENSITIVITY}, **_fine_axis(sensitivities)},
        meta={"wide": {}, "narrow": {"dragmode": False, "height": 340 + narrow_top, "margin": {"t": narrow_top}}},
    )


def _fine_axis(values: Sequence[float]) -> dict[str, Any]:
    """Return a logarithmic axis with room beside the outermost points, and at least a few ticks where it is short."""
    axis = log_axis(values)
    low, high = axis["range"]
    beyond = 0.06 * (high - low)
    axis["range"] = [low - beyond, high + beyond]
    least, most = 10.0 ** np.array(axis["range"])
    if most / least < _SHORT:
        step = 10.0 ** np.floor(np.log10((most - least) / 3))
        step *= max(by for by in (1, 2, 5) if by * step <= (most - least) / 3)
        ticks = step * np.arange(np.ceil(least / step), np.floor(most / step) + 1)
        axis |= {"tickvals": ticks.tolist(), "ticktext": [f"{tick:.4g}" for tick in ticks]}
    return axis


def code_map(
    maps: Mapping[str, np.ndarray],
    labels: Sequence[Any] | np.ndarray | None = None,
    *,
    hover: Sequence[str] | None = None,
    axis_titles: tuple[str, str] = ("", ""),
) -> go.Figure:
    """Draw codes in the plane, a panel per model, coloured by class.

    Args:
        maps: (rows, 2) by model, for instance the coordinates of `analysis.principal_components`.
        labels: One per row; the same for all models.
        hover: A text per row, for instance its `thumbnails`.
        axis_titles: Of both axes.
    """
    known = None if labels is None else np.asarray(labels)
    classes = [] if known is None else sorted(set(known.tolist()))
    result = panels([heading(name) for name in maps], Room(380, 330, [str(entry) for entry in classes]))
    for number, points in enumerate(map(numbers, maps.values()), 1):
        groups = [(str(entry), known == entry) for entry in classes] or [("", np.ones(len(points), bool))]
        for at, (name, chosen) in enumerate(groups):
            own: dict[str, Any] = {"hovertemplate": f"{name}<extra></extra>"}
            if hover is not None:
                own = {
                    "text": np.array(hover, dtype=object)[chosen].tolist(),
                    "hoverlabel": {"font": {"family": "monospace", "size": 9}},
                    "hovertemplate": f"{name}<br>%{{text}}<extra></extra>",
                }
            trace = (go.Scattergl if len(points) > _MANY else go.Scatter)(
                x=points[chosen, 0],
                y=points[chosen, 1],
                mode="markers",
                marker={"size": 5, "color": _CLASSES[at % len(_CLASSES)] if classes else NEUTRAL, "opacity": 0.75},
                name=name,
                legendgroup=name,
                showlegend=number == 1 and bool(classes),
                **own,
                **axes(number),
            )
            result.add_trace(trace)
        x, y = ({"title": {"text": title}, "showticklabels": False} for title in axis_titles)
        set_axes(result, number, x, y)
    return result.update_layout(legend_itemsizing="constant")


def thumbnails(rows: np.ndarray, image: tuple[int, int]) -> list[str]:
    """Return rows (rows, height * width) as small pictures made of characters, one text each, for `code_map`.

    A text takes about 0.4 kB in every panel that shows it: a few hundred rows are enough for a page.
    """
    height, width = image
    across = min(width, _ACROSS)
    down = max(1, round(height * across / width / 2))  # a character is about twice as high as wide
    pictures = _averaged(_averaged(numbers(rows).reshape(len(rows), *image), down, 1), across, 2)
    low, high = float(pictures.min()), float(pictures.max())
    levels = ((pictures - low) / max(high - low, 1e-30) * (len(_SHADES) - 1)).round().astype(int)
    shades = np.array(list(_SHADES))
    return ["<br>".join("".join(shades[row]) for row in picture) for picture in levels]


def _averaged(pictures: np.ndarray, count: int, axis: int) -> np.ndarray:
    """Return means of `count` neighbouring blocks along an axis."""
    size = pictures.shape[axis]
    starts = np.linspace(0, size, count, endpoint=False).astype(int)
    widths = np.diff([*starts, size]).reshape([-1 if at == axis else 1 for at in range(3)])
    return np.add.reduceat(pictures, starts, axis=axis) / widths


def vector_fields(fields: "Mapping[str, VectorField]", data: np.ndarray | None = None) -> go.Figure:
    """Draw r(x) - x in the plane as arrows, a panel per model.

    Each panel's arrows share a factor that makes the longest as long as the points are apart: directions and relative
    lengths show, absolute ones are in the hover.

    Args:
        fields: By model, points and steps of two numbers each, for instance at `analysis.grid`.
        data: Rows (rows, 2) to draw below.
    """
    result = panels([heading(name) for name in fields], Room(400, 330))
    for number, (name, field) in enumerate(fields.items(), 1):
        points, steps = numbers(field.points), numbers(field.steps)
        if points.ndim != 2 or points.shape[1] != 2:
            raise InvalidValue(
                "fields", "have points (rows, 2)", f"{points.shape} for {name}", "Take a plane's points."
            )
        if data is not None:
            dots = {"marker": {"size": 3, "color": NEUTRAL, "opacity": 0.45}, "hoverinfo": "skip", "showlegend": False}
            x, y = numbers(data).T
            result.add_trace(line("data", x, y, number, mode="markers", **dots))
        apart = float(np.sqrt(np.ptp(points, axis=0).prod() / max(len(points) - 1, 1)))  # of an even grid
        longest = float(np.hypot(*steps.T).max())
        ends = points + steps * (apart / longest if longest > 0 else 1)
        gaps = np.full(len(points), np.nan, np.float32)
        x, y = (np.stack([points[:, at], ends[:, at], gaps], 1).ravel() for at in (0, 1))
        sizes = np.tile(np.array([0, 7, 0], np.float32), len(points))
        head = {"symbol": "arrow", "angleref": "previous", "size": sizes, "color": color(name), "line": {"width": 0}}
        more = {"line": {"color": color(name), "width": 1.2}, "customdata": np.repeat(steps, 3, axis=0)}
        more |= {"hovertemplate": "(%{customdata[0]:.3g}, %{customdata[1]:.3g})<extra></extra>", "showlegend": False}
        result.add_trace(line(name, x, y, number, mode="lines+markers", marker=head, **more))
        square = {"scaleanchor": axes(number)["xaxis"], "constrain": "domain"}
        set_axes(result, number, {"constrain": "domain"}, square)
    return result
