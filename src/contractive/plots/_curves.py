"""Lines and points: how training went, what noise does to accuracy, what contraction costs."""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.plots._style import (
    Room,
    axes,
    color,
    figure,
    legend_height,
    panels,
    set_axes,
    symbol,
    translucent,
    written,
)

Histories = Mapping[str, Sequence[Sequence[Mapping[str, float | None]]]]

_MOST_LABELS = 4  # in the plane; more names go into a legend
_MOST_POINTS = 400  # per line; a longer training is thinned out, last epoch kept


def training_curves(histories: Histories) -> go.Figure:
    """Draw reconstruction error (train dotted, validation solid) and exact validation ||J||^2 by epoch.

    Args:
        histories: The rows of every seed by variant, as `fit` gives them; means are thick, single seeds thin.
    """
    result = panels(["Reconstruction error", "‖J‖² on validation data, exact"], Room(300, 260, histories))
    for name, seeds in histories.items():
        for number, column, dash in (
            (1, "train_reconstruction", "dot"),
            (1, "val_reconstruction", "solid"),
            (2, "val_squared_norm", "solid"),
        ):
            epochs, values = _by_epoch(seeds, column)
            result.add_traces(_mean_and_seeds(name, column, number, epochs, values, dash))
    set_axes(result, 1, {"title": {"text": "epoch"}}, {"type": "log", **_round_ticks(histories)})
    set_axes(result, 2, {"title": {"text": "epoch"}}, {"rangemode": "tozero"})
    return result


def accuracy_under_noise(levels: Sequence[float], accuracies: Mapping[str, Mapping[str, np.ndarray]]) -> go.Figure:
    """Draw accuracy against noise, mean and standard deviation over seeds.

    Args:
        levels: Noise levels in units of a typical feature's standard deviation.
        accuracies: By classifier (a panel each), then by variant: (seeds, levels), between 0 and 1.
    """
    result = panels(list(accuracies), Room(300, 260, _variants(accuracies)))
    for number, curves in enumerate(accuracies.values(), 1):
        result.add_traces([_band(name, number, levels, 100 * values) for name, values in curves.items()])
        result.add_traces([_mean(name, number, levels, 100 * values) for name, values in curves.items()])
        set_axes(result, number, {"title": {"text": "noise level"}}, {"ticksuffix": " %"})
    return result


def trade_off(errors: Mapping[str, np.ndarray], sensitivities: Mapping[str, np.ndarray]) -> go.Figure:
    """Draw scale-free sensitivity against reconstruction error: a point per seed, joined to the mean.

    Args:
        errors: Reconstruction error of every seed by variant.
        sensitivities: Scale-free sensitivity, likewise.
    """
    named = len(errors) <= _MOST_LABELS
    result = figure(height=440)
    means = {name: (float(errors[name].mean()), float(sensitivities[name].mean())) for name in errors}
    for name, error in errors.items():
        result.add_traces(_star(name, error, sensitivities[name], _free_side(name, means) if named else ""))
    result.add_annotation(text="↙ better", xref="paper", yref="paper", x=0.01, y=0.02, xanchor="left", yanchor="bottom")
    top = 12 if named else legend_height(errors, narrow=True) + 8
    narrow = {"dragmode": False, "height": 340 + top, "margin": {"t": top}}
    return result.update_layout(
        xaxis={"title": {"text": "reconstruction error per example"}},
        yaxis={"title": {"text": "scale-free sensitivity"}, "autorangeoptions": {"include": _padded(sensitivities)}},
        margin={"t": 34 if named else legend_height(errors) + 8},
        showlegend=not named,
        meta={"wide": {}, "narrow": narrow},
    )


def _variants(accuracies: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
    return list(dict.fromkeys(name for curves in accuracies.values() for name in curves))


def _by_epoch(seeds: Sequence[Sequence[Mapping[str, float | None]]], column: str) -> tuple[np.ndarray, np.ndarray]:
    """Epochs, and one row of values per seed."""
    length = min(len(rows) for rows in seeds)
    chosen = np.unique(np.linspace(0, length - 1, min(length, _MOST_POINTS)).round().astype(int))
    epochs = np.array([seeds[0][at]["epoch"] for at in chosen], dtype=int)
    values = [[_number(rows[at].get(column)) for at in chosen] for rows in seeds]
    return epochs, np.array(values, dtype=np.float32)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def _mean_and_seeds(
    name: str, column: str, number: int, epochs: np.ndarray, values: np.ndarray, dash: str
) -> list[go.Scatter]:
    common: dict[str, Any] = {"x": epochs, "legendgroup": name, "name": name, "mode": "lines", **axes(number)}
    part = "training" if column.startswith("train") else "validation"
    mean = go.Scatter(
        y=values.mean(0),
        line={"color": color(name), "width": 1.5 if dash == "dot" else 2.5, "dash": dash},
        showlegend=column == "val_reconstruction",
        hovertemplate=f"{part}: %{{y:.4g}} after %{{x}} epochs",
        **common,
    )
    if len(values) == 1 or part == "training":
        return [mean]
    thin = {"color": translucent(name, 0.35), "width": 1}
    return [go.Scatter(y=row, line=thin, showlegend=False, hoverinfo="skip", **common) for row in values] + [mean]


def _round_ticks(histories: Histories) -> dict[str, Any]:
    """Ticks at 1, 2 and 5 times powers of ten: on its own a logarithmic axis writes 5 for 0.5."""
    columns = ("train_reconstruction", "val_reconstruction")
    every = [_number(row.get(key)) for seeds in histories.values() for rows in seeds for row in rows for key in columns]
    seen = [value for value in every if 0 < value < float("inf")]
    exponents = range(floor(log10(min(seen, default=1))), ceil(log10(max(seen, default=1))) + 1)
    ticks = [digit * 10.0**exponent for exponent in exponents for digit in (1, 2, 5)]
    return {"tickvals": ticks, "ticktext": [written(tick) for tick in ticks]}


def _spread(values: np.ndarray) -> np.ndarray:
    return values.std(0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])


def _band(name: str, number: int, levels: Sequence[float], values: np.ndarray) -> go.Scatter:
    mean, spread = values.mean(0), _spread(values)
    return go.Scatter(
        x=[*levels, *reversed(levels)],
        y=np.concatenate([mean + spread, (mean - spread)[::-1]]),
        fill="toself",
        fillcolor=translucent(name, 0.14),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
        legendgroup=name,
        **axes(number),
    )


def _mean(name: str, number: int, levels: Sequence[float], values: np.ndarray) -> go.Scatter:
    return go.Scatter(
        x=list(levels),
        y=values.mean(0),
        customdata=_spread(values),
        mode="lines+markers",
        line={"color": color(name), "width": 2.5},
        marker={"symbol": symbol(name), "size": 9},
        name=name,
        legendgroup=name,
        showlegend=number == 1,
        hovertemplate="%{y:.1f} ± %{customdata:.1f} % at level %{x}",
        **axes(number),
    )


def _padded(values: Mapping[str, np.ndarray]) -> list[float]:
    """A little beyond the extremes: room for labels."""
    together = np.concatenate(list(values.values()))
    beyond = 0.08 * float(np.ptp(together))
    return [float(together.min()) - beyond, float(together.max()) + beyond]


def _free_side(name: str, means: Mapping[str, tuple[float, float]]) -> str:
    """Where a label does not meet the nearest other mark."""
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
    middle = float(np.mean(x)), float(np.mean(y))
    common: dict[str, Any] = {"legendgroup": name, "name": name}
    rays = go.Scatter(
        x=[at for value in x for at in (middle[0], float(value), None)],
        y=[at for value in y for at in (middle[1], float(value), None)],
        mode="lines+markers",
        line={"color": translucent(name, 0.45), "width": 1},
        marker={"symbol": symbol(name), "size": 6, "color": translucent(name, 0.6)},
        showlegend=False,
        hovertemplate="one seed: error %{x:.4g}, sensitivity %{y:.4g}",
        **common,
    )
    mean = go.Scatter(
        x=[middle[0]],
        y=[middle[1]],
        mode="markers+text" if side else "markers",
        text=[name],
        textposition=side or None,
        textfont={"size": 14},
        marker={"symbol": symbol(name), "size": 16, "color": color(name)},
        cliponaxis=False,
        hovertemplate="mean: error %{x:.4g}, sensitivity %{y:.4g}",
        **common,
    )
    return [rays, mean] if len(x) > 1 else [mean]
