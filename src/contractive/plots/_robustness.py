"""Accuracy of a classifier on the code against the size of noise or attack."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from contractive.plots._marks import line
from contractive.plots._style import Room, horizontal, panels, set_axes

if TYPE_CHECKING:
    from contractive.analysis import Robustness


def robustness(
    results: "Mapping[str, Mapping[str, Robustness]]", *, axis: str = "size, units of x", chance: float | None = None
) -> go.Figure:
    """Draw accuracy against the size of each disturbance.

    Args:
        results: By disturbance (a panel each, for instance `Attack, L2`), then by variant.
        axis: Title of the horizontal axis.
        chance: Accuracy of guessing, between 0 and 1.
    """
    names = list(dict.fromkeys(name for curves in results.values() for name in curves))
    result = panels(list(results), Room(300, 260, names))
    for number, curves in enumerate(results.values(), 1):
        for name, found in curves.items():
            accuracies = [100 * accuracy for accuracy in found.accuracies]
            hover = "%{y:.1f} % at %{x:g}"
            if found.no_gradient:
                hover += f"<br>{100 * found.no_gradient:.1f} % stand without any gradient"
            more = {"mode": "lines+markers", "hovertemplate": hover}
            result.add_trace(line(name, found.sizes, accuracies, number, **more))
        set_axes(result, number, {"title": {"text": axis}}, {"ticksuffix": " %", "range": [0, 103]})
        if chance is not None:
            horizontal(result, number, 100 * chance, "chance")
    return result
