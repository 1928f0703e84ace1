"""Codes, classes and points in the plane: models by error and sensitivity, maps, units, similarity, vector fields."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from contractive.core.errors import InvalidValue
from contractive.plots._curves import WITHOUT
from contractive.plots._panels import Layout, Panels, Room, axes, diverging, log_axis, panels, set_axes
from contractive.plots._style import NEUTRAL, color, heading, label, look, numbers, plain, translucent

if TYPE_CHECKING:
    from contractive.analysis import Codes, SimilarityTable, VectorField

_FADING = [  # most bins hold little: the scale is steep at first
    [0.0, "rgba(139, 135, 148, 0.06)"],
    [0.1, "rgba(43, 124, 240, 0.45)"],
    [0.3, "rgba(43, 124, 240, 0.75)"],
    [1.0, "rgba(20, 80, 190, 1)"],
]
_SOFT = [[0.0, "#f0f4fb"], [1.0, "#6aa5f5"]]  # dark text is read on all of it, on white pages and on black ones
_WRITTEN = 16  # classes, up to which counts stand in the cells
_MOST_NAMES = 40
_LONGEST = 12  # characters of a class at an axis
_MOST_LABELS = 4  # in the plane; more names go into a legend
_SHORT = 6.0  # largest over smallest value of an axis that needs ticks in even steps
_FRONT, _BEATEN = "on the front", "beaten by another"
_ERROR, _SENSITIVITY = "reconstruction error per example", "scale-free sensitivity"
_MANY = 3000  # points that a browser draws as shapes without a pause
# Okabe and Ito (2008), who chose them for colour-blind readers, without black; with a darker yellow and three more
_CLASSES = "#E69F00 #56B4E9 #009E73 #BCBD22 #0072B2 #D55E00 #CC79A7 #7F7F7F #9467BD #8C564B".split()
_SHADES = ".:=*#@"  # plain characters: others take six bytes each in a page
_ACROSS = 28  # characters of a thumbnail


def code_histograms(codes: "Mapping[str, Codes]") -> go.Figure:
    """Draw the histogram of every unit as a row of a heat map, a panel per model, units of highest variance first."""
    result = panels([heading(name) for name in codes], Room(260, 240))
    for number, found in enumerate(codes.values(), 1):
        order = np.argsort(-numbers(found.deviation), kind="stable")
        edges = numbers(found.edges)
        hover = "unit %{customdata}: %{z:.1f} % about %{x:.2f}<extra></extra>"
        units = np.repeat(order[:, None] + 1, len(edges) - 1, 1)
        axis = {"x": (edges[:-1] + edges[1:]) / 2, "y": np.arange(1, len(order) + 1)}
        scale = {"colorscale": _FADING, "zmin": 0, "zmax": 100, "customdata": units, "hovertemplate": hover}
        result.heatmap(100 * numbers(found.histograms)[order], number, **axis, **scale)
        y = {"title": {"text": "units by variance"}, "autorange": "reversed", "showgrid": False}
        set_axes(result, number, {"title": {"text": "activation"}, "showgrid": False}, y)
    return result


def unit_activity(codes: "Mapping[str, Codes]") -> go.Figure:
    """Draw standard deviation, saturation and bit entropy of the units, each sorted from the largest.

    Codes outside [0, 1] have no saturation and no entropy, and no line there.
    """
    titles = ["Standard deviation", "Saturated activations", "Entropy of the unit's bit"]
    result = panels(titles, Room(240, 220, codes))
    for name, found in codes.items():
        for number, values in enumerate((found.deviation, 100 * found.unit_saturation, found.unit_entropy), 1):
            ordered = -np.sort(-numbers(values))
            share = 100 * (np.arange(len(ordered)) + 0.5) / len(ordered)
            result.line(name, share, ordered, number, hovertemplate="%{y:.3g} at %{x:.0f} % of the units")
    for number, suffix in ((1, ""), (2, " %"), (3, " bit")):
        x = {"title": {"text": "units"}, "ticksuffix": " %", "range": [0, 100]}
        set_axes(result, number, x, {"rangemode": "tozero", "ticksuffix": suffix})
    return result


def similarity(table: "SimilarityTable") -> go.Figure:
    """Draw linear CKA, Procrustes similarity and shared neighbours of all pairs of models, with their values."""
    titles, chance = ["Linear CKA", "Procrustes", "Neighbours"], f"chance {100 * table.neighbors_chance:.1f} %"
    names = list(map(plain, table.names))
    result = panels(titles, Room(max(200, 44 * len(names)), max(180, 36 * len(names))))
    for number, values in enumerate(map(numbers, (table.cka, table.procrustes, table.neighbors)), 1):
        text = {"text": [[f"{value:.2f}" for value in row] for row in values], "texttemplate": "%{text}"}
        scale = {"zmin": 0, "zmax": 1, "colorscale": _SOFT, "textfont": {"color": "#15141a"}}
        hover = "%{y} and %{x}: %{z:.3f}<extra></extra>"
        result.heatmap(values, number, x=names, y=names, hovertemplate=hover, **text, **scale)
        x = {"showgrid": False, "title": {"text": chance if number == 3 else ""}}
        set_axes(result, number, x, {"autorange": "reversed", "showgrid": False})
    return result


def confusion(counts: np.ndarray, names: Sequence[str]) -> go.Figure:
    """Draw the confusion matrix of rows by true class (down) and given class (across); right blue, wrong orange."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    wrong = shares * (1 - np.eye(len(counts)))
    # half of the colour scale: on its pale part the page's own ink can be read, light or dark
    shown = 0.5 * wrong / max(float(wrong.max()), 1e-12) - 0.45 * np.diag(shares.diagonal())
    wide, narrow = min(620, max(260, 44 * len(counts) + 40)), min(330, max(240, 30 * len(counts) + 40))
    result = panels([""], Room(wide, narrow, ticks=24, square=True))
    cells = np.empty((*counts.shape, 4), object)
    shown_names = np.array(list(map(plain, names)), object)
    cells[..., 0], cells[..., 1] = np.meshgrid(shown_names, shown_names, indexing="ij")
    cells[..., 2], cells[..., 3] = counts, shares
    hover = "true %{customdata[0]}, given %{customdata[1]}: %{customdata[2]} rows, %{customdata[3]:.1%}<extra></extra>"
    more = {"customdata": cells.tolist(), "hovertemplate": hover, "xgap": 1, "ygap": 1}
    result.heatmap(shown, 1, **diverging(1), **more)
    for true, given in np.argwhere(counts > 0).tolist() if len(names) <= _WRITTEN else []:
        result.add_annotation(text=f"{counts[true, given]}", x=given, y=true, xref="x", yref="y")
    common: Layout = {"showgrid": False, "constrain": "domain", "fixedrange": True}
    if len(names) <= _MOST_NAMES:
        short = [plain(name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…") for name in names]
        common |= {"tickvals": list(range(len(names))), "ticktext": short}
    x = common | {"title": {"text": "given"}, "constraintoward": "left"}
    y = common | {"title": {"text": "true"}, "autorange": "reversed", "scaleanchor": "x", "constraintoward": "top"}
    set_axes(result, 1, x, y)
    return result


def trade_off(errors: Mapping[str, np.ndarray], sensitivities: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw scale-free sensitivity against reconstruction error: a point per seed, joined to the mean."""
    named = len(errors) <= _MOST_LABELS
    result = panels([""], Room(370, 300, () if named else errors)).update_layout(showlegend=not named)
    means = {name: (float(errors[name].mean()), float(sensitivities[name].mean())) for name in errors}
    for name, error in errors.items():
        _star(result, name, error, sensitivities[name], _free_side(name, means) if named else "")
    corner = {"x": 0.01, "y": 0.02, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    result.add_annotation(text="↙ better", **corner)
    together = np.concatenate(list(sensitivities.values()))
    beyond = 0.08 * float(np.ptp(together))  # room for labels
    include = [float(together.min()) - beyond, float(together.max()) + beyond]
    y = {"title": {"text": _SENSITIVITY}, "autorangeoptions": {"include": include}}
    set_axes(result, 1, {"title": {"text": _ERROR}}, y)
    return result


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


def _star(result: Panels, name: str, x: np.ndarray, y: np.ndarray, side: str) -> None:
    """Draw the points of the seeds, each joined to their mean, and the mean with its name at that side."""
    middle, own = (float(np.mean(x)), float(np.mean(y))), look(name)
    if len(x) > 1:
        ray: Layout = {"mode": "lines+markers", "showlegend": False}
        for axis, seeds, mean in zip("xy", (x, y), middle, strict=True):
            ray[axis] = [at for value in seeds for at in (mean, float(value), None)]
        ray["line"] = {"color": translucent(name, 0.45), "width": 1}
        ray["marker"] = {"symbol": own.symbol, "size": 6, "color": translucent(name, 0.6)}
        result.line(name, [], [], 1, hovertemplate="one seed: error %{x:.4g}, sensitivity %{y:.4g}", **ray)
    text = {"text": [label(name)], "textposition": side, "textfont": {"size": 14}} if side else {}
    more = {"mode": "markers+text" if side else "markers", "cliponaxis": False, **text}
    more["marker"] = {"symbol": own.symbol, "size": 16, "color": own.color}
    result.line(name, [middle[0]], [middle[1]], 1, hovertemplate="mean: error %{x:.4g}, sensitivity %{y:.4g}", **more)


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

    Weight 0 is the model without a penalty. `front` are the indices of the points that no other beats, by error, and
    `knee` that of the one that is marked. They have the colour of `objective`.
    """
    points = np.column_stack([weights, errors, sensitivities]).astype(float)
    words = [f"weight {weight:.3g}" if weight else WITHOUT for weight in points[:, 0]]
    penalised, on_front = points[:, 0] > 0, np.isin(np.arange(len(points)), list(front))
    groups = {_FRONT: on_front & penalised, _BEATEN: ~on_front & penalised, WITHOUT: ~penalised}
    groups = {name: chosen for name, chosen in groups.items() if chosen.any()}
    result = panels([""], Room(350, 290, groups))

    def add(model: str, chosen: Any, **more: Any) -> None:
        result.line(model, points[chosen, 1], points[chosen, 2], 1, **more)

    quiet: Layout = {"name": None, "hoverinfo": "skip", "showlegend": False}
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
    x, y = _fine_axis(errors), _fine_axis(sensitivities)
    set_axes(result, 1, {"title": {"text": _ERROR}, **x}, {"title": {"text": _SENSITIVITY}, **y})
    return result


def _fine_axis(values: Sequence[float]) -> Layout:
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
    """Draw codes (rows, 2) in the plane, a panel per model, coloured by class.

    They are for instance coordinates of `analysis.principal_components`. `hover` has a text per row, for instance its
    `thumbnails`. All models have the same labels.
    """
    known = None if labels is None else np.asarray(labels)
    classes = [] if known is None else sorted(set(known.tolist()))
    result = panels([heading(name) for name in maps], Room(380, 330, [str(entry) for entry in classes]))
    for number, points in enumerate(map(numbers, maps.values()), 1):
        groups = [(plain(str(entry)), known == entry) for entry in classes] or [("", np.ones(len(points), bool))]
        for at, (name, chosen) in enumerate(groups):
            own: Layout = {"hovertemplate": f"{name}<extra></extra>"}
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
    lengths show, absolute ones are in the hover. `data` are rows (rows, 2) to draw below.
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
            result.line("data", x, y, number, mode="markers", **dots)
        apart = float(np.sqrt(np.ptp(points, axis=0).prod() / max(len(points) - 1, 1)))  # of an even grid
        longest = float(np.hypot(*steps.T).max())
        ends = points + steps * (apart / longest if longest > 0 else 1)
        gaps = np.full(len(points), np.nan, np.float32)
        x, y = (np.stack([points[:, at], ends[:, at], gaps], 1).ravel() for at in (0, 1))
        sizes = np.tile(np.array([0, 7, 0], np.float32), len(points))
        head = {"symbol": "arrow", "angleref": "previous", "size": sizes, "color": color(name), "line": {"width": 0}}
        more = {"line": {"color": color(name), "width": 1.2}, "customdata": np.repeat(steps, 3, axis=0)}
        more |= {"hovertemplate": "(%{customdata[0]:.3g}, %{customdata[1]:.3g})<extra></extra>", "showlegend": False}
        result.line(name, x, y, number, mode="lines+markers", marker=head, **more)
        square = {"scaleanchor": axes(number)["xaxis"], "constrain": "domain"}
        set_axes(result, number, {"constrain": "domain"}, square)
    return result
