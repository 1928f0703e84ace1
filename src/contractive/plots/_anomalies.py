"""Pictures of unusual rows: why each is unusual, and the p-values of all."""

from collections.abc import Sequence

import plotly.graph_objects as go

from contractive.plots._panels import Room, panels, set_axes
from contractive.plots._style import color, plain

_OURS = "contractive"


def reason_bars(rows: Sequence[tuple[str, Sequence[tuple[str, float]]]]) -> go.Figure:
    """Draw for each row, in a panel of its own, its reasons as bars: how far the score falls without each."""
    result = panels([name for name, _ in rows], Room(90, 90, ticks=0))
    most = max(fall for _, reasons in rows for _, fall in reasons)
    for number, (_, reasons) in enumerate(rows, 1):
        words, falls = zip(*reasons, strict=True)
        named = list(map(plain, words))
        result.bars(_OURS, list(falls), named, number, showlegend=False, hovertemplate="%{y}: %{x:.3g}")
        axis = {"title": {"text": "fall of the score"}, "range": [0, 1.05 * most]}
        set_axes(result, number, axis, {"autorange": "reversed", "automargin": True})
    return result


def p_values(counts: Sequence[int]) -> go.Figure:
    """Draw counts of p-values in equal bins from 0 to 1, and the count of uniform ones as a dashed line."""
    result = panels(["Rows by p-value"], Room(260, 220))
    width = 1 / len(counts)
    centres = [(place + 0.5) * width for place in range(len(counts))]
    result.add_trace(
        go.Bar(x=centres, y=list(counts), width=width * 0.9, showlegend=False, marker={"color": color(_OURS)})
    )
    result.horizontal(1, sum(counts) / len(counts), "uniform")
    set_axes(result, 1, {"title": {"text": "p-value"}, "range": [0, 1]}, {"title": {"text": "rows"}})
    return result
