"""What all pictures share: colours, symbols, fonts, and a grid of panels that stacks on a narrow screen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any
from zlib import crc32

import plotly.graph_objects as go

_TOP = 44  # pixels above the panels: the legend
_BOTTOM = 46
_TITLES = 64  # pixels between rows of panels: axis title above, panel title below


@dataclass(frozen=True)
class _Look:
    color: str
    symbol: str


# Found by search: at least 2.8 : 1 against white and against near-black, and as far apart as can be for normal sight,
# protanopia, deuteranopia and tritanopia (Machado et al. 2009); the symbols say it again.
_LOOKS = {
    "standard": _Look("#706b73", "circle"),
    "denoising": _Look("#1f75ed", "square"),
    "sparse": _Look("#17af84", "triangle-up"),
    "contractive": _Look("#cd3506", "diamond"),
    "higher-order": _Look("#bb48b6", "star"),
    "reconstruction-contractive": _Look("#9f9729", "hexagon"),
    "weight-decay": _Look("#9e8fd9", "cross"),
}
_SPARE = (
    _Look("#0e8ba0", "x"),
    _Look("#a4633a", "pentagon"),
    _Look("#d0567f", "bowtie"),
    _Look("#5c8a2c", "hourglass"),
)

NEUTRAL = "#8b8794"  # text and lines that must be seen on white and on black
FAINT = "rgba(139, 135, 148, 0.25)"

_AXIS = {"gridcolor": FAINT, "zeroline": False, "linecolor": FAINT, "automargin": True, "title": {"standoff": 8}}
_TEMPLATE = {
    "layout": {
        "font": {"family": "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif", "size": 13, "color": NEUTRAL},
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "hoverlabel": {"font": {"size": 13}},
        "annotationdefaults": {"showarrow": False},
    }
}
_LEGEND = {"orientation": "h", "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "top"}


def color(variant: str) -> str:
    """The colour of a kind of autoencoder, the same in every picture, as `#rrggbb`."""
    return _look(variant).color


def symbol(variant: str) -> str:
    """The marker of a kind of autoencoder."""
    return _look(variant).symbol


def translucent(variant: str, opacity: float) -> str:
    """Its colour with an opacity between 0 and 1."""
    red, green, blue = (int(color(variant)[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def figure(**layout: Any) -> go.Figure:
    """An empty figure in the common style."""
    margin = {"l": 8, "r": 8, "t": _TOP, "b": _BOTTOM}
    return go.Figure(layout={"template": _TEMPLATE, "margin": margin, "legend": _LEGEND, "height": 400, **layout})


def panels(titles: Sequence[str], *, columns: int, height: int, narrow_columns: int = 1) -> go.Figure:
    """A figure with one pair of axes for each title, `columns` beside each other and `height` pixels high each.

    `layout.meta` holds the layout for wide screens, which is set, and another for narrow ones.
    """
    wide = _grid(len(titles), columns, height)
    narrow = _grid(len(titles), narrow_columns, height) | {"dragmode": False}  # a finger scrolls the page
    result = figure(**wide)
    for number, title in enumerate(titles, 1):
        x, y = axes(number).values()
        result.update_layout({_key(x): {"anchor": y}, _key(y): {"anchor": x}})
        result.add_annotation(
            text=title, xref=f"{x} domain", yref=f"{y} domain", x=0, y=1, yshift=4, xanchor="left", yanchor="bottom"
        )
    return result.update_layout(meta={"wide": wide, "narrow": narrow})


def axes(number: int) -> dict[str, str]:
    """The axes of the panel with this number, from 1, as a trace wants them."""
    end = "" if number == 1 else str(number)
    return {"xaxis": f"x{end}", "yaxis": f"y{end}"}


def _grid(count: int, columns: int, height: int) -> dict[str, Any]:
    """The domains of `count` panels in rows, and the height of it all."""
    columns = min(columns, count)
    rows = ceil(count / columns)
    inside = rows * height + (rows - 1) * _TITLES
    gap = 0.09 if columns <= 2 else 0.06
    width = (1 - (columns - 1) * gap) / columns
    layout: dict[str, Any] = {"height": inside + _TOP + 22 + _BOTTOM, "margin": {"t": _TOP + 22}}
    for number in range(count):
        row, column = divmod(number, columns)
        left, top = column * (width + gap), 1 - row * (height + _TITLES) / inside
        x, y = axes(number + 1).values()
        layout[_key(x)] = {"domain": [left, min(left + width, 1)]}
        layout[_key(y)] = {"domain": [max(top - height / inside, 0), top]}
    return layout


def set_axes(target: go.Figure, number: int, x: Mapping[str, Any], y: Mapping[str, Any]) -> None:
    """Change the axes of one panel."""
    names = axes(number)
    target.update_layout({_key(names["xaxis"]): dict(x), _key(names["yaxis"]): dict(y)})


def _key(axis: str) -> str:
    return f"{axis[0]}axis{axis[1:]}"


def _look(variant: str) -> _Look:
    return _LOOKS.get(variant) or _SPARE[crc32(variant.encode()) % len(_SPARE)]
