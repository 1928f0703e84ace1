"""Style of all pictures: colours, symbols, fonts, and a grid of panels that stacks on a narrow screen."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import ceil
from types import MappingProxyType
from typing import Any, Literal
from zlib import crc32

import numpy as np
import plotly.graph_objects as go

from contractive.core.errors import InvalidValue
from contractive.objectives import OBJECTIVES, NamedObjective

Side = Literal["left", "right"]

_LEGEND_ROW = 30  # pixels, as all here
_WIDE, _NARROW = 1000, 330  # for the legend
_TITLE_HEIGHT = 26
_AXIS_HEIGHT = 48  # tick labels and title below a panel
_SIDES = {"l": 8, "r": 12}
_GAP = 0.09  # between columns, as a share of the width


@dataclass(frozen=True)
class Look:
    """Colour and marker of a model; those of an objective stand in its record."""

    color: str
    symbol: str


_SPARE = (  # for models that are no objective
    Look("#0e8ba0", "x"),
    Look("#a4633a", "pentagon"),
    Look("#d0567f", "bowtie"),
    Look("#5c8a2c", "hourglass"),
)
_RANKS = ("standard", "denoising", "sparse", "reconstruction_contractive", "contractive", "higher_order")
_ranked: ContextVar[Mapping[str, Look]] = ContextVar("ranked", default=MappingProxyType({}))

NEUTRAL = "#8b8794"  # text and lines that must be seen on white and on black
MINUS = "\N{MINUS SIGN}"
FAINT = "rgba(139, 135, 148, 0.25)"
_DASHED = {"color": NEUTRAL, "width": 1.5, "dash": "dash"}

_AXIS = {
    "gridcolor": FAINT,
    "zeroline": False,
    "linecolor": FAINT,
    "automargin": True,
    "exponentformat": "power",
    "title": {"standoff": 8, "font": {"size": 13}},
}
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


@contextmanager
def in_order(names: Sequence[str]) -> Iterator[None]:
    """Within this context, names of models have the look of their rank: the first is grey, as without a penalty.

    Without it a name that is no objective has one of four looks, and two names may have the same. At most ten names.
    """
    looks = (*(Look(OBJECTIVES[name].color, OBJECTIVES[name].symbol) for name in _RANKS), *_SPARE)
    if len(names) > len(looks):
        raise InvalidValue("names", f"be at most {len(looks)}", len(names), "Draw fewer models.")
    token = _ranked.set(dict(zip(names, looks, strict=False)))
    try:
        yield
    finally:
        _ranked.reset(token)


def look(name: str) -> Look | NamedObjective:
    """Return colour and marker of a model: by rank, of the objective of that name, or one of the spare ones."""
    return _ranked.get().get(name) or OBJECTIVES.get(name) or _SPARE[crc32(name.encode()) % len(_SPARE)]


def color(name: str) -> str:
    """Return the colour of an objective or another model, the same in every picture, as `#rrggbb`."""
    return look(name).color


def translucent(name: str, opacity: float) -> str:
    """Return its colour with an opacity between 0 and 1."""
    red, green, blue = (int(color(name)[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"


def label(name: str) -> str:
    """Return the text for a model: the label of an objective, else the name itself."""
    return OBJECTIVES[name].label if name in OBJECTIVES else name


def wrapped(name: str) -> str:
    """Return the label as a tick; a long one is broken at its first space."""
    return label(name).replace(" ", "<br>", 1) if len(name) > 14 else label(name)


def heading(name: str) -> str:
    """Return the label with its colour, as the title of a panel."""
    return f'<span style="color:{color(name)}">■</span> {label(name)}'


def written(value: float) -> str:
    """Format a tick label: minus sign, scientific notation for small or large values."""
    mantissa, exponential, exponent = f"{value:g}".partition("e")
    power = f"10<sup>{int(exponent)}</sup>" if exponential else ""
    text = power if mantissa == "1" and power else f"{mantissa}·{power}" if power else mantissa
    return text.replace("-", MINUS)


def numbers(values: Any) -> np.ndarray:
    """Return a tensor or array as float32: half the size of a page, and more digits than a screen has."""
    values = values.detach().cpu() if hasattr(values, "detach") else values
    return np.asarray(values, dtype=np.float32)


def figure(**layout: Any) -> go.Figure:
    """Return an empty figure in the common style."""
    margin = {"t": 12, "b": _AXIS_HEIGHT, **_SIDES}
    common = {"template": _TEMPLATE, "margin": margin, "legend": _LEGEND, "height": 400}
    return go.Figure(layout=common).update_layout(layout)


@dataclass(frozen=True)
class Room:
    """Room for a panel, in pixels.

    Attributes:
        height: Of the panel itself, on a wide screen.
        narrow_height: On a narrow one.
        legend: Entries of the legend above all panels.
        axis: Whether panels have an axis below them.
        ticks: Height of its tick labels beyond one line.
    """

    height: int
    narrow_height: int
    legend: Iterable[str] = ()
    axis: bool = True
    ticks: int = 0

    @property
    def below(self) -> int:
        """Pixels below each panel."""
        return (_AXIS_HEIGHT if self.axis else 8) + self.ticks


def panels(titles: Sequence[str], room: Room) -> go.Figure:
    """Return a figure with a pair of axes for each title, two or three in a row, or all stacked on a narrow screen.

    `layout.meta` holds the layout for wide screens, which is set, and another for narrow ones.
    """
    names = tuple(room.legend)
    columns = 3 if len(titles) == 3 and room.axis else 2
    wide = _grid(len(titles), columns, room.height, legend_height(names), room.below)
    narrow = _grid(len(titles), 1, room.narrow_height, legend_height(names, narrow=True), room.below)
    narrow["dragmode"] = False  # a finger scrolls the page
    result = figure(**wide)
    for number, title in enumerate(titles, 1):
        x, y = axes(number).values()
        set_axes(result, number, {"anchor": y}, {"anchor": x})
        where = {"xref": f"{x} domain", "yref": f"{y} domain", "x": 0, "y": 1, "yshift": 4}
        result.add_annotation(text=title, xanchor="left", yanchor="bottom", **where)
    return result.update_layout(meta={"wide": wide, "narrow": narrow})


def axes(number: int) -> dict[str, str]:
    """Return the axes of the panel with this number, from 1, as a trace wants them."""
    end = "" if number == 1 else str(number)
    return {"xaxis": f"x{end}", "yaxis": f"y{end}"}


def legend_height(names: Iterable[str], *, narrow: bool = False) -> int:
    """Return the pixels that a legend takes: entries flow into rows."""
    width = _NARROW if narrow else _WIDE
    rows, used = 0, width
    for name in names:
        entry = 50 + 8 * len(label(name))
        rows, used = (rows + 1, entry) if used + entry > width else (rows, used + entry)
    return rows * _LEGEND_ROW


def _grid(count: int, columns: int, height: int, legend: int, below: int) -> dict[str, Any]:
    """Return the domains of `count` panels in rows, and the height of it all."""
    columns = min(columns, count)
    rows = ceil(count / columns)
    top = legend + _TITLE_HEIGHT
    between = below + _TITLE_HEIGHT
    inside = rows * height + (rows - 1) * between
    width = (1 - (columns - 1) * _GAP) / columns
    layout: dict[str, Any] = {"height": inside + top + below, "margin": {"t": top, "b": below, **_SIDES}}
    for number in range(count):
        row, column = divmod(number, columns)
        left, upper = column * (width + _GAP), 1 - row * (height + between) / inside
        x, y = axes(number + 1).values()
        layout[_key(x)] = {"domain": [left, min(left + width, 1)]}
        layout[_key(y)] = {"domain": [max(upper - height / inside, 0), upper]}
    return layout


def vertical(target: go.Figure, number: int, at: float, text: str = "", *, side: Side = "right") -> None:
    """Draw a dashed line across one panel at x = `at`, with a word at its upper end."""
    x, y = axes(number).values()
    where = {"xref": x, "yref": f"{y} domain"}
    target.add_shape(type="line", x0=at, x1=at, y0=0, y1=1, line=_DASHED, layer="below", **where)
    if text:
        beside = {"xanchor": "left", "xshift": 4} if side == "right" else {"xanchor": "right", "xshift": -4}
        target.add_annotation(text=text, x=at, y=1, yanchor="top", font={"size": 11}, **beside, **where)


def horizontal(target: go.Figure, number: int, at: float, text: str = "") -> None:
    """Draw a dashed line across one panel at y = `at`, with a word at its right end."""
    x, y = axes(number).values()
    where = {"xref": f"{x} domain", "yref": y}
    target.add_shape(type="line", x0=0, x1=1, y0=at, y1=at, line=_DASHED, layer="below", **where)
    if text:
        target.add_annotation(text=text, x=1, y=at, xanchor="right", yanchor="bottom", font={"size": 11}, **where)


def set_axes(target: go.Figure, number: int, x: Mapping[str, Any], y: Mapping[str, Any]) -> None:
    """Change the axes of one panel."""
    names = axes(number)
    target.update_layout({_key(names["xaxis"]): dict(x), _key(names["yaxis"]): dict(y)})


def _key(axis: str) -> str:
    return f"{axis[0]}axis{axis[1:]}"
