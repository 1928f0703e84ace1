"""What unusual rows look like: which are listed, what they are called, and windows, curves and images to draw."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from contractive.data import Preparation, WindowPreparation

if TYPE_CHECKING:
    from contractive.estimators import ContractiveOutlierDetector

_HALF = 0.5  # of the error of a curve lies within its unusual stretch


@dataclass(frozen=True, eq=False)
class Looks:
    """Rows and their reconstructions, to draw, in the user's units.

    Attributes:
        kind: What a row is.
        observed: (rows, points); of images in colour the mean over the channels.
        reconstructed: Likewise.
        errors: Squared error in the detector's scale, summed over channels.
        columns: Of windows, which column is drawn of each.
        stretches: Of windows and curves, the first and the last point of the shortest stretch with half of the error.
        image: Height and width of images.
    """

    kind: Literal["windows", "curves", "images"]
    observed: np.ndarray
    reconstructed: np.ndarray
    errors: np.ndarray
    columns: tuple[str, ...] = ()
    stretches: tuple[tuple[int, int], ...] = field(default=())
    image: tuple[int, int] | None = None


def looks(
    detector: "ContractiveOutlierDetector", preparation: Preparation, x: np.ndarray, columns: list[str]
) -> Looks | None:
    """Return what prepared rows look like; None of rows of a table whose columns have no order.

    Args:
        detector: That found them unusual.
        preparation: Of the rows.
        x: The rows, (rows, features).
        columns: Of each the column that makes it most unusual, empty where none does; of windows it is drawn.
    """
    shape, errors = preparation.image_shape, detector.feature_errors(x)
    windows = isinstance(preparation, WindowPreparation)
    if not len(x) or not (windows or shape or (detector.score_by_ == "structured" and preparation.numeric)):
        return None
    both: Any = [preparation.inverse(rows) for rows in (x, detector.reconstruct(x))]
    if shape is not None:
        pixels, rebuilt, wrong = (
            np.asarray(values, np.float64).reshape(len(x), shape[0], -1) for values in (*both, errors)
        )
        return Looks("images", pixels.mean(1), rebuilt.mean(1), wrong.sum(1), image=shape[1:])
    if not windows:
        observed, rebuilt = (
            np.column_stack([rows[group.name] for group in preparation.groups]) if isinstance(rows, dict) else rows
            for rows in both
        )
        return Looks("curves", observed, rebuilt, errors, stretches=tuple(map(stretch, errors)))
    numeric = {name: values for name, values in both[0].items() if values.dtype.kind in "fiub"}
    if not numeric:
        return None
    of = {g.name: errors[:, g.start : g.start + g.num].reshape(len(x), -1, preparation.window).sum(1)
          for g in preparation.groups if g.name in numeric}  # fmt: skip
    drawn = [
        name if name in numeric else max(of, key=lambda column: of[column][row].sum())
        for row, name in enumerate(columns)
    ]
    observed, reconstructed, errors = (
        np.stack([np.asarray(values[name][row], np.float64) for row, name in enumerate(drawn)])
        for values in (*both, of)
    )
    return Looks("windows", observed, reconstructed, errors, tuple(drawn), tuple(map(stretch, errors)))


def stretch(errors: np.ndarray) -> tuple[int, int]:
    """Return the first and the last point of the shortest stretch that holds half of these errors, (points,)."""
    sums = np.concatenate([[0.0], np.cumsum(errors)])
    wanted = sums[:-1] + _HALF * sums[-1]  # at the end of a stretch that begins at each point
    starts = np.flatnonzero(wanted <= sums[-1])
    ends = np.maximum(np.searchsorted(sums, wanted[starts]), starts + 1)
    best = int(np.argmin(ends - starts))
    return int(starts[best]), int(ends[best]) - 1


def most_unusual(
    scores: np.ndarray, places: Mapping[str, np.ndarray], preparation: Preparation, most: int
) -> list[int]:
    """Return the numbers of the rows with the highest scores; of windows that overlap, only the most unusual."""
    order = np.argsort(-scores, kind="stable")
    if not (columns := preparation.place_columns):
        return order[:most].tolist()
    begin, end, *group = (places[name] for name in columns)
    free, chosen = np.ones(len(scores), bool), []
    for number in order.tolist():
        if free[number] and len(chosen) < most:
            chosen.append(number)
            apart = (end < begin[number]) | (begin > end[number])
            free &= apart | np.any([names != names[number] for names in group], axis=0)
    return chosen


def place_text(places: Mapping[str, np.ndarray], columns: tuple[str, ...], number: int) -> str:
    """Return what a row is called: the stretch of time of a window and its group, else what tells rows apart."""
    if not columns:
        return ", ".join(f"{name} {_text(values[number])}" for name, values in places.items())
    begin, end, *group = (_text(places[name][number]) for name in columns)
    if " " in begin and begin.split(" ")[0] == end.split(" ")[0]:  # on one day
        end = end.split(" ")[1]
    return ", ".join([f"{begin} to {end}", *(f"{columns[-1]} {name}" for name in group)])


def _text(value: Any) -> str:
    if isinstance(value, np.datetime64):
        return str(value if value.dtype == "datetime64[D]" else value.astype("datetime64[s]")).replace("T", " ")
    return f"{value:.10g}" if isinstance(value, float) else str(value)
