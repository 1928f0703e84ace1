"""Preprocessing of spectra: steps that take whole rows, before the scaling; on arrays of numpy and tensors alike."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np

from contractive.core.columns import numbers_of
from contractive.data._errors import DataError, invalid

Step = Literal["snv", "msc", "detrend", "sg0", "sg1", "sg2"]
STEPS: tuple[Step, ...] = get_args(Step)
WINDOW = 11
_DEGREE = 2  # of the polynomial of Savitzky and Golay
_UNEVEN = 0.05  # by what share of the median one a distance between channels differs
_MOST_CHANNELS = 4096  # linear steps are matrices (channels, channels)


def preprocess(x: Any, steps: Sequence[Step], window: int = WINDOW, reference: np.ndarray | None = None) -> Any:
    """Return spectra (rows, channels) after the steps, in their order; a constant spectrum becomes 0 by `snv`.

    `snv` takes off the mean of each row and divides by its standard deviation. `msc` takes off offset and slope of its
    straight-line fit to the `reference`, the mean of the training rows. `detrend` takes off the straight line over the
    channels. `sg0`, `sg1` and `sg2` are the smoothed row and its first and second derivative per channel, by a
    parabola in a moving window of Savitzky and Golay.
    """
    for step in steps:
        if step == "snv":
            x = x - x.mean(1)[:, None]
            spread = ((x * x).sum(1) / (x.shape[1] - 1)) ** 0.5
            x = x / (spread + (spread == 0))[:, None]
        elif step == "msc":
            wanted = _like(reference, x)
            mean, shape = wanted.mean(), wanted - wanted.mean()
            x = x - x.mean(1)[:, None]
            slope = (x @ shape) / (shape @ shape)
            x = x / (slope + (slope == 0))[:, None] + mean
        else:
            x = x @ _like(_matrix(step, x.shape[1], window), x)
    return x


def check_channels(names: Sequence[str], numeric: bool, steps: Sequence[Step], window: int) -> None:
    """Refuse columns that are no channels of a spectrum, or too few or many for the steps."""
    if not numeric:
        raise DataError("columns must all be numbers for `spectra`, got others. Leave them out with `drop`.")
    if len(set(steps)) < len(steps):
        raise invalid("spectra", "name each step once", ",".join(steps), "For instance snv,sg1.")
    if window % 2 == 0 or window <= _DEGREE:
        raise invalid("spectra_window", f"be odd and above {_DEGREE}", window, f"For instance {WINDOW}.")
    least = window if any(step.startswith("sg") for step in steps) else 3
    if not least <= len(names) <= _MOST_CHANNELS:
        rule = f"be for {least} to {_MOST_CHANNELS} channels here"
        raise invalid("spectra", rule, len(names), "Choose other steps, or a smaller `spectra_window`.")
    places = numbers_of(names)
    if places and len({bool(rise) for rise in np.diff(places) > 0}) > 1:
        raise DataError(
            "columns must lie in the order of their wavelengths for `spectra`, got another one. Reorder the columns."
        )


def note_on_spacing(names: Sequence[str], steps: Sequence[Step]) -> list[str]:
    """Return a sentence where steps that count channels as evenly spaced meet wavelengths that are not."""
    places, counting = numbers_of(names), [step for step in steps if step not in ("snv", "msc")]
    if not places or not counting:
        return []
    gaps = np.abs(np.diff(places))
    usual = float(np.median(gaps))
    if (np.abs(gaps - usual) <= _UNEVEN * usual).all():
        return []
    return [
        f"The channels are {gaps.min():.4g} to {gaps.max():.4g} apart, and {', '.join(counting)} took them for evenly"
        " spaced: interpolate the spectra, or use snv or msc alone."
    ]


@lru_cache(maxsize=4)
def _matrix(step: str, channels: int, window: int) -> np.ndarray:
    """Return what rows are multiplied by: the step is linear, so row i is what it makes of the i-th unit vector."""
    from scipy.signal import detrend, savgol_filter

    unit = np.eye(channels)
    made: Any = detrend(unit, axis=1) if step == "detrend" else savgol_filter(unit, window, _DEGREE, int(step[-1]))
    return made


def _like(values: Any, x: Any) -> Any:
    return values if isinstance(x, np.ndarray) else x.new_tensor(values)
