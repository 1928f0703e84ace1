"""Style of all pictures: colours, symbols, fonts, and a grid of panels that stacks on a narrow screen."""

import html
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from zlib import crc32

import numpy as np

from contractive.core.errors import InvalidValue
from contractive.objectives import OBJECTIVES, NamedObjective


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


class Markup(str):
    """Text in which plotly's markup is meant, such as `<b>`; in any other text it is shown as it stands."""


def plain(text: str) -> Markup:
    """Return text from data so that plotly shows it as it is: no markup, no formula in `$`, no variable `%{...}`."""
    if isinstance(text, Markup):
        return text
    return Markup(html.escape(text, quote=False).replace("$", "&#36;").replace("%{", "&#37;{"))


def label(name: str) -> Markup:
    """Return the text for a model: the label of an objective, else the name itself."""
    return plain(OBJECTIVES[name].label if name in OBJECTIVES else name)


def wrapped(name: str) -> Markup:
    """Return the label as a tick; a long one is broken at its first space."""
    return Markup(label(name).replace(" ", "<br>", 1)) if len(name) > 14 else label(name)


def heading(name: str) -> Markup:
    """Return the label of a model with its colour, as the title of a panel."""
    return colored(label(name), color(name))


def colored(text: str, color: str) -> Markup:
    """Return the title of a panel with a mark in a colour."""
    return Markup(f'<span style="color:{color}">■</span> {plain(text)}')


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
