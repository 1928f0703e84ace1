"""Where features stand along an axis: at the numbers in their names, as wavelengths, else one after another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contractive.core.columns import numbers_of, places_of
from contractive.plots._panels import Layout, Room
from contractive.plots._style import plain

MOST_BARS = 20  # and least features, less one, without names that are drawn as a line
_MOST_NAMES = 30  # of features below a panel
_LONGEST_NAME = 17  # characters
_SLANTED = 38  # pixels of names below a heat map, beyond one line
_UNITS = (("nm", "wavelength in nm"), ("µm", "wavelength in µm"), ("um", "wavelength in µm"))
_UNITS += (("cm-1", "wavenumber in 1/cm"), ("1/cm", "wavenumber in 1/cm"))


@dataclass(frozen=True, eq=False)
class FeatureAxis:
    """The axis of features in every picture over them.

    Attributes:
        places: (features,): the numbers in their names where these grow, fall or count, else 1, 2, ...
        line: Neighbours belong together: a line is drawn through them.
        title: Of the axis.
        names: Of the features, where they are shown.
    """

    places: np.ndarray
    line: bool
    title: str = "feature"
    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, names: Sequence[str] | None, count: int) -> "FeatureAxis":
        """Return the axis of so many features.

        They are one line where the numbers in their names grow or fall (1100, X1100, wl_1100.5, 1100nm), and where many
        have no names, or only numbered ones (x0, x1, ...).
        """
        found = places_of(names or ())
        if names and found:
            unit = next((title for unit, title in _UNITS if names[0].endswith(unit)), "")
            spelled = (
                "wavelength"
                if names[0].lower().startswith(("wl", "lambda", "wavelength"))
                else "number in the column's name"
            )
            return cls(np.array(found), True, unit or spelled)
        counted = np.array(numbers_of(names) or () if names else np.arange(1, count + 1))
        line = (
            count > MOST_BARS and len(counted) == count and counted[0] in (0, 1) and bool((np.diff(counted) == 1).all())
        )
        if line or not names:
            return cls(counted, line)
        return cls(np.arange(1, count + 1), False, names=tuple(names))

    @property
    def layout(self) -> Layout:
        """Title and ticks for plotly; falling numbers, as of wavenumbers, fall to the right."""
        if self.names is None or len(self.names) > _MOST_NAMES:
            falls = {"autorange": "reversed"} if self.places[-1] < self.places[0] else {}
            return {"title": {"text": self.title}, **falls}
        texts = [short(name) for name in self.names]
        return {
            "title": {"text": ""},
            "tickfont": {"size": 10},
            "tickvals": self.places.tolist(),
            "ticktext": texts,
            "tickangle": -40,
        }

    @property
    def room(self) -> Room:
        """The room for a heat map over features, whose names stand slanted below it."""
        return Room(220, 180, ticks=_SLANTED if self.names is not None and len(self.names) <= _MOST_NAMES else 0)


def short(name: str) -> str:
    """Return both ends of a long name, as categories differ at the end; the hover has all of it."""
    head, tail = _LONGEST_NAME - 12, 11
    return plain(name if len(name) <= _LONGEST_NAME else f"{name[:head]}…{name[-tail:]}")
