"""What pages are made of: pictures with their words, tiles, and numbers as text."""

import json
import math
import re
from dataclasses import dataclass, is_dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from contractive.training import MACHINE

NBSP, MINUS = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}"
_SMOOTH = 0.2  # correlation of neighbouring pixels; weights that training did not order are below 0.05
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Picture:
    """A figure of plotly with the words around it."""

    name: str  # unique on its page
    title: str  # a few words above the figure
    caption: str  # what is drawn and how to read it, in whole sentences below the figure
    figure: go.Figure  # of plotly
    alt: str = ""  # what the figure looks like, for readers who cannot see it; the title if empty

    @property
    def content(self) -> Any:
        """The figure as JSON can hold it."""
        return json.loads(self.figure.to_json() or "{}")


@dataclass(frozen=True)
class Tile:
    """One number in large type."""

    number: str  # as text, with its unit
    label: str  # what it is
    detail: str  # what it is to be compared with
    metric: str = ""  # `section/key` of the number in the document, where it has one
    verdict: str = ""  # `better`, `even` or `worse` where two models are compared
    words: str = ""  # the verdict in words


def shows_something(pictures: np.ndarray, image: tuple[int, int] | None) -> bool:
    """Return whether pictures (pictures, pixels) are smoother than noise; rows that are no images always are."""
    if image is None:
        return True
    tiles = pictures.reshape(-1, *image).astype(np.float64)
    tiles = tiles - tiles.mean((1, 2), keepdims=True)
    products = (tiles[:, 1:] * tiles[:, :-1]).ravel(), (tiles[:, :, 1:] * tiles[:, :, :-1]).ravel()
    return float(np.concatenate(products).mean()) > _SMOOTH * float(np.square(tiles).mean())


def capital(text: str) -> str:
    """Return the text with a capital first letter."""
    return text[:1].upper() + text[1:]


def first_sentence(text: str) -> str:
    """Return the first of several sentences."""
    return re.split(r"(?<=\.) (?=[^a-z\d])", text, maxsplit=1)[0]


def described(*settings: Any) -> dict[str, str]:
    """Return the fields of settings, and of settings in them, as text by their names in words; without None.

    What only the machine decides is left out, too.
    """
    flat: dict[str, Any] = {}
    for each in settings:
        for name, value in vars(each).items():
            if name not in MACHINE:
                flat |= described(value) if is_dataclass(value) else {name.replace("_", " "): value}
    return {name: as_text(value) for name, value in flat.items() if value is not None}


def as_text(value: Any) -> str:
    """Return the value of a setting as text; a dash for None."""
    if isinstance(value, tuple | list):
        return ", ".join(map(as_text, value)) or "none"
    if value is None or isinstance(value, float):
        return "–" if value is None else f"{value:.6g}"
    return str(value).replace("_", " ")


def percent(share: float, digits: str = ".1f") -> str:
    """Return a share between 0 and 1 as per cent, for instance `95.2 %`."""
    return f"{100 * share:{digits}}{NBSP}%".replace("-", MINUS)


def shown(value: float | None, unit: str = "") -> str:
    """Return a number as pages write it: shares as per cent, counts whole, others with three digits or to the unit.

    Args:
        value: A dash is written for None and NaN.
        unit: `%` for a share, which is stored as a fraction; `rows` and `codes` are counts.
    """
    if value is None or value != value:
        return "–"
    if math.isinf(value):
        return f"{MINUS if value < 0 else ''}∞"
    if unit == "%":
        left = min(abs(value), abs(1 - value))  # from nothing or all, which rounding must not reach
        return percent(value, ".0f" if left < 1e-6 else f".{max(1, math.ceil(-math.log10(100 * left)))}f")
    if unit in ("rows", "codes") or 1e3 <= abs(value) < 1e6 or (value == round(value) and 1 <= abs(value) < 1e6):
        return f"{value:,.0f}".replace("-", MINUS)
    mantissa, found, exponent = f"{value:.3g}".partition("e")
    text = mantissa.replace("-", MINUS)
    return f"{text}·10{str(int(exponent)).translate(_RAISED)}".removeprefix("1·") if found else text
