"""Pictures of a detector: how well it orders rows, the p-values of all, and what unusual ones look like."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from contractive.plots._features import FeatureAxis
from contractive.plots._panels import Room, axes, panels, set_axes
from contractive.plots._pictures import picture_room, tiled
from contractive.plots._style import NEUTRAL, color, in_order, translucent

_OURS = "contractive"


def ranking_curves(curves: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]]) -> go.Figure:
    """Draw by method the ROC and the precision-recall curve: false alarms, found anomalies and precision, all shares.

    They are those of `studies.runs.Ranking`; what stands first has the strongest colour.
    """
    result = panels(["ROC curve", "Precision and recall"], Room(260, 220, legend=curves))
    with in_order([*curves][::-1]):
        for name, (false_alarms, found, precision) in curves.items():
            result.line(name, [0.0, *false_alarms], [0.0, *found], 1)
            result.line(name, found, precision, 2)
    share = {"range": [-0.02, 1.02]}
    flagged = {"title": {"text": "share of anomalies flagged"}, **share}
    set_axes(result, 1, {"title": {"text": "share of normal rows flagged"}, **share}, flagged)
    set_axes(result, 2, flagged, {"title": {"text": "anomalies among flagged rows"}, **share})
    return result


def p_values(counts: Sequence[int], rate: float | None = None) -> go.Figure:
    """Draw counts of p-values in equal bins from 0 to 1, and the count of uniform ones as a dashed line.

    Bins up to `rate` are coloured, and a line stands there: of a detector with this false-alarm rate, they are flagged.
    """
    result = panels([""], Room(260, 220))
    width = 1 / len(counts)
    centres = [(place + 0.5) * width for place in range(len(counts))]
    colors = [color(_OURS) if rate is None or place < rate else NEUTRAL for place in centres]
    bars = {"hovertemplate": "%{y} rows<extra></extra>", "marker": {"color": colors}}
    result.add_trace(go.Bar(x=centres, y=list(counts), width=width * 0.9, showlegend=False, **bars))
    result.horizontal(1, sum(counts) / len(counts))
    if rate is not None:
        result.vertical(1, rate, "← flagged")
    whole = {"dtick": 1} if max(counts) < 8 else {}  # rows are counted
    set_axes(
        result,
        1,
        {"title": {"text": "p-value"}, "range": [0, 1]},
        {"title": {"text": "rows"}, "range": [0, 1.15 * max(*counts, 1)], **whole},
    )
    return result


def unusual_curves(
    observed: np.ndarray,
    reconstructed: np.ndarray,
    stretches: Sequence[tuple[int, int]],
    headings: Sequence[str],
    axis: FeatureAxis,
) -> go.Figure:
    """Draw curves (rows, points) and their reconstructions, a panel each; shade each from one point to another."""
    result = panels(headings, Room(170, 150, ["observed", "reconstruction"]))
    lines = {"observed": {"color": NEUTRAL, "width": 4}, "reconstruction": {"color": color(_OURS), "width": 1.8}}
    for number, (rows, (first, last)) in enumerate(
        zip(zip(observed, reconstructed, strict=True), stretches, strict=True), 1
    ):
        for (name, line), values in zip(lines.items(), rows, strict=True):
            result.line(name, axis.places, values, number, line=line, hovertemplate="%{y:.4g}")
        x, y = axes(number).values()
        ends = sorted((axis.places[first], axis.places[last]))
        half = abs(axis.places[1] - axis.places[0]) / 2 if len(axis.places) > 1 else 0.5
        where = {"x0": ends[0] - half, "x1": ends[1] + half, "y0": 0, "y1": 1, "xref": x, "yref": f"{y} domain"}
        look = {"fillcolor": translucent(_OURS, 0.16), "line": {"width": 0}, "layer": "below"}
        result.add_shape(type="rect", **where, **look)
        set_axes(result, number, axis.layout, {})
    return result


def unusual_images(
    observed: np.ndarray, reconstructed: np.ndarray, errors: np.ndarray, image: tuple[int, int]
) -> go.Figure:
    """Draw pictures (rows, pixels), below each its reconstruction, and beside them the error of each pixel."""
    mosaic = tiled(np.concatenate([observed, reconstructed]), image, len(observed))
    wrong = tiled(errors, image, len(errors))
    result = panels(["Observed, and reconstructed", "Squared error"], picture_room(mosaic, 0))
    result.grey(mosaic, 1, float(observed.min()), float(observed.max()))
    scale = [[0, translucent(_OURS, 0.04)], [1, color(_OURS)]]
    result.heatmap(wrong, 2, zmin=0, zmax=float(errors.max()) or 1.0, colorscale=scale, hoverinfo="skip")
    result.picture_axes(2, True)
    return result
