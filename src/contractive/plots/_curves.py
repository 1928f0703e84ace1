"""Curves: training by epoch, accuracy by noise, metrics by weight, with bands or single seeds."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._panels import Layout, Room, log_axis, panels, set_axes
from contractive.plots._style import NEUTRAL, color, translucent

if TYPE_CHECKING:
    from contractive.analysis import Robustness

Histories = Mapping[str, Sequence[Sequence[Mapping[str, float | None]]]]

_MOST_POINTS = 400  # per line; a longer training is thinned out, last epoch kept
_FEWEST_EPOCHS = 20  # that are drawn
_VALIDATION = "contractive"  # its colour is the page's own
WITHOUT = "without penalty"


def training_curves(histories: Histories) -> go.Figure:
    """Draw reconstruction error (train dotted, validation solid) and exact validation ||J||^2 by epoch.

    `histories` are the rows of every seed, as `fit` gives them; means are thick, single seeds thin.
    """
    result = panels(["Reconstruction error", "‖J‖² on validation data, exact"], Room(300, 260, histories))
    errors = []
    for name, seeds in histories.items():
        length = min(len(rows) for rows in seeds)
        chosen = np.unique(np.linspace(0, length - 1, min(length, _MOST_POINTS)).round().astype(int))
        epochs = [seeds[0][at]["epoch"] for at in chosen]
        for number, column, part, style in (
            (1, "train_reconstruction", "training", {"width": 1.5, "dash": "dot"}),
            (1, "val_reconstruction", "validation", {"width": 2.5, "dash": "solid"}),
            (2, "val_squared_norm", "validation", {"width": 2.5, "dash": "solid"}),
        ):
            values = np.array([[rows[at].get(column) for at in chosen] for rows in seeds], dtype=np.float32)
            errors += [values] if number == 1 else []
            thin: Layout = {"line": {"color": translucent(name, 0.35), "width": 1}, "hoverinfo": "skip"}
            for row in values if len(values) > 1 and part == "validation" else ():
                result.line(name, epochs, row, number, showlegend=False, **thin)
            more = {"showlegend": column == "val_reconstruction", "line": {"color": color(name), **style}}
            hover = f"{part}: %{{y:.4g}} after %{{x}} epochs"
            result.line(name, epochs, values.mean(0), number, hovertemplate=hover, **more)
    set_axes(result, 1, {"title": {"text": "epoch"}}, log_axis(*errors))
    set_axes(result, 2, {"title": {"text": "epoch"}}, {"rangemode": "tozero"})
    return result


def learning(rows: Sequence[Mapping[str, float]], best_epoch: int) -> go.Figure:
    """Draw errors (per cent) and losses (nats) by epoch, from the rows of `fine_tune`: training dotted.

    Epochs beyond twice the best one are left out, since nothing after it was kept.
    """
    rows = rows[: max(2 * best_epoch, _FEWEST_EPOCHS)]
    parts = {
        "train": ("training", {"color": NEUTRAL, "dash": "dot", "width": 1.5}),
        "val": ("validation", {"color": color(_VALIDATION), "dash": "solid", "width": 2.5}),
    }
    titles = ["Errors", "Loss, with what is added to it in training"]
    result = panels(titles, Room(300, 260, [name for name, _ in parts.values()]))
    epochs = [row["epoch"] for row in rows]
    for number, (column, factor, unit) in enumerate((("error", 100.0, " %"), ("loss", 1.0, " nats")), 1):
        for part, (name, style) in parts.items():
            hover = f"{name}: %{{y:.3g}}{unit} after %{{x}} epochs<extra></extra>"
            more = {"line": style, "marker": {"color": style["color"]}, "hovertemplate": hover}
            values = [factor * row[f"{part}_{column}"] for row in rows]
            mode = "lines" if len(rows) > 1 else "markers"
            result.line(name, epochs, values, number, mode=mode, **more)
        side = "left" if best_epoch > len(rows) / 2 else "right"
        result.vertical(number, best_epoch, f"epoch {best_epoch}" if number == 1 else "", side=side)
        y = {"rangemode": "tozero"} | ({"ticksuffix": " %"} if number == 1 else {})
        set_axes(result, number, {"title": {"text": "epoch"}}, y)
    return result


def accuracy_under_noise(levels: Sequence[float], accuracies: Mapping[str, Mapping[str, np.ndarray]]) -> go.Figure:
    """Draw accuracy against noise, mean and standard deviation over seeds.

    Levels are in units of a typical feature's standard deviation. `accuracies` are by classifier (a panel each), then
    by model: (seeds, levels), between 0 and 1.
    """
    result = panels(list(accuracies), Room(300, 260, _models(accuracies)))
    for number, curves in enumerate(accuracies.values(), 1):
        means = {name: 100 * values.mean(0) for name, values in curves.items()}
        spreads = {name: 100 * values.std(0, ddof=min(1, len(values) - 1)) for name, values in curves.items()}
        for name, mean in means.items():
            result.band(name, levels, mean - spreads[name], mean + spreads[name], number)
        for name, mean in means.items():
            more = {"customdata": spreads[name], "hovertemplate": "%{y:.1f} ± %{customdata:.1f} % at level %{x}"}
            result.line(name, levels, mean, number, mode="lines+markers", **more)
        set_axes(result, number, {"title": {"text": "noise level"}}, {"ticksuffix": " %"})
    return result


def robustness(
    results: "Mapping[str, Mapping[str, Robustness]]", *, axis: str = "size, units of x", chance: float | None = None
) -> go.Figure:
    """Draw accuracy against the size of each disturbance (a panel each), with the accuracy of guessing as a line."""
    result = panels(list(results), Room(300, 260, _models(results)))
    for number, curves in enumerate(results.values(), 1):
        for name, found in curves.items():
            hover = "%{y:.1f} % at %{x:g}"
            if found.no_gradient:
                hover += f"<br>{100 * found.no_gradient:.1f} % stay right without any gradient"
            accuracies = [100 * accuracy for accuracy in found.accuracies]
            result.line(name, found.sizes, accuracies, number, mode="lines+markers", hovertemplate=hover)
        set_axes(result, number, {"title": {"text": axis}}, {"ticksuffix": " %", "range": [0, 103]})
        if chance is not None:
            result.horizontal(number, 100 * chance, "chance")
    return result


def weight_curves(
    weights: Sequence[float],
    metrics: Mapping[str, Sequence[float]],
    *,
    spreads: Mapping[str, Sequence[float]] | None = None,
    without: Mapping[str, float] | None = None,
    knee: float | None = None,
    objective: str = "contractive",
    axis: str = "weight",
) -> go.Figure:
    """Draw metrics (by title, one value per weight) against the weight, a panel each, a dashed line without a penalty.

    `spreads` are their standard deviations over seeds; the lines have the colour of `objective`, and `knee` is marked.
    """
    result = panels(list(metrics), Room(300, 240))
    free = "right"
    for number, (title, values) in enumerate(metrics.items(), 1):
        more: Layout = {"mode": "lines+markers", "showlegend": False}
        more["hovertemplate"] = f"%{{y:.4g}} at {axis} %{{x:.3g}}<extra></extra>"
        if spread := (spreads or {}).get(title):
            more["error_y"] = {"array": list(spread), "color": translucent(objective, 0.6), "thickness": 1.5}
        result.line(objective, weights, values, number, **more)
        set_axes(result, number, {"title": {"text": axis}, **log_axis(weights)}, {})
        if without and title in without:
            first, last = (abs(values[at] - without[title]) for at in (0, -1))
            free = "left" if first > last else "right"  # where the curve is farthest from the line
            result.horizontal(number, without[title], WITHOUT, side=free)
        if knee:
            result.vertical(number, knee, "knee", side="right" if free == "left" else "left")
            # annotations are placed by the exponent on a logarithmic axis, shapes by the number
            result.layout.annotations[-1].update(x=float(np.log10(knee)))  # pyright: ignore[reportAttributeAccessIssue]
    return result


def _models(curves: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the models of all panels, in their order."""
    return list(dict.fromkeys(name for panel in curves.values() for name in panel))
