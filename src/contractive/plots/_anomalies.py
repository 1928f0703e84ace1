"""Pictures of a detector: how well it orders rows, and the p-values of all."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from contractive.plots._panels import Room, panels, set_axes
from contractive.plots._style import color, in_order

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


def p_values(counts: Sequence[int]) -> go.Figure:
    """Draw counts of p-values in equal bins from 0 to 1, and the count of uniform ones as a dashed line."""
    result = panels([""], Room(260, 220))
    width = 1 / len(counts)
    centres = [(place + 0.5) * width for place in range(len(counts))]
    result.add_trace(
        go.Bar(x=centres, y=list(counts), width=width * 0.9, showlegend=False, marker={"color": color(_OURS)})
    )
    result.horizontal(1, sum(counts) / len(counts), "uniform")
    whole = {"dtick": 1} if max(counts) < 8 else {}  # rows are counted
    set_axes(result, 1, {"title": {"text": "p-value"}, "range": [0, 1]}, {"title": {"text": "rows"}, **whole})
    return result
