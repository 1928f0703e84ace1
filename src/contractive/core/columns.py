"""Tell from numbers and names whether the columns of a table are one signal, such as a spectrum, or one image."""

import re
from collections.abc import Sequence

import numpy as np

_FEWEST_CHANNELS, _ONE_UNIT, _ALIKE, _RELATED, _NEARER = 16, 5.0, 0.9, 0.25, 2.5  # of a signal: see `is_signal`
SAMPLE = 4096  # rows that are enough to decide
_NUMBERED = re.compile(r"([A-Za-z]*_?)(\d+(?:\.\d+)?) ?(nm|um|µm|cm-1|1/cm)?")  # letters, number, unit
_UNIT_OR_NUMBER = re.compile(r"\d.*|.*[^\d.]")


def is_signal(x: np.ndarray) -> bool:
    """Return True where the columns of x (rows, features) are one signal or one image, such as spectra and pixels.

    That is: at least 16 features, in about one unit (no standard deviation above five times the median one), of which
    neighbours are correlated, by 0.9, or by 0.25 and two and a half times as much as columns half the table apart; each
    by the median over features that are not constant.
    """
    x = x[:: max(1, len(x) // SAMPLE)]
    spread = x.std(0)
    live = spread > 0
    if live.sum() < _FEWEST_CHANNELS or spread.max() > _ONE_UNIT * np.median(spread[live]):
        return False
    z = (x - x.mean(0))[:, live] / spread[live]
    near = np.median(np.abs((z[:, 1:] * z[:, :-1]).mean(0)))
    far = np.median(np.abs((z * np.roll(z, z.shape[1] // 2, axis=1)).mean(0)))
    return bool(near >= _ALIKE or near >= max(_RELATED, _NEARER * far))


def numbers_of(names: Sequence[str]) -> list[float] | None:
    """Return the numbers in names that are one for each, such as 1100, X1100, wl_1100.5 or 1100nm; None in others."""
    found = [_NUMBERED.fullmatch(name) for name in names]
    if not found or None in found or len({(match[1], match[3]) for match in found if match}) > 1:
        return None
    return [float(match[2]) for match in found if match]


def places_of(names: Sequence[str]) -> list[float] | None:
    """Return where features lie on a line by the numbers in their names, growing or falling, as wavelengths are.

    None where names do not say it. Numbers that only count (x0, x1, ...) do not, nor letters before a few numbers.
    """
    places = numbers_of(names)
    if not places or len(places) < (3 if _UNIT_OR_NUMBER.fullmatch(names[0]) else _FEWEST_CHANNELS):
        return None
    steps = np.diff(places)
    counts = min(places) in (0, 1) and (np.abs(steps) == 1).all()
    return None if counts or not ((steps > 0).all() or (steps < 0).all()) else places
