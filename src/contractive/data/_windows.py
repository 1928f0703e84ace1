"""Windows of a series: consecutive rows of one group without a gap in time, side by side as one example."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from msgspec import Meta

from contractive.data._columns import Column, Text, guess, plain, texts
from contractive.data._errors import DataError, invalid, suggest
from contractive.data._mismatches import DEFAULT_RULES, Mismatches
from contractive.data._options import Options
from contractive.data._preparation import Preparation
from contractive.data._split import TEST, TRAIN, VALIDATION
from contractive.data._survey import Group
from contractive.data._table_preparation import TablePreparation

FROM, TO = "window_from", "window_to"  # columns of results: time stamps, or numbers, of the first and the last row
UNUSED = 3  # of a window that is neither for training nor for validation nor for testing
_GAP = 1.5
_FEWEST_GROUPS = 3


@dataclass(frozen=True)
class Series:
    """Where rows stand in time.

    Attributes:
        clock: Time of each row, or its number, float64, (rows,).
        stamps: The time stamps as they are, (rows,).
        groups: Texts, the group of each row, (rows,).
    """

    clock: np.ndarray
    stamps: np.ndarray
    groups: np.ndarray

    def take(self, rows: np.ndarray) -> "Series":
        """Return some of the rows."""
        return Series(self.clock[rows], self.stamps[rows], self.groups[rows])

    def after(self, other: "Series") -> "Series":
        """Return the rows of another series and then these."""
        pairs = zip(_arrays(other), _arrays(self), strict=True)
        return Series(*(np.concatenate(pair) for pair in pairs))


def _arrays(series: Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return series.clock, series.stamps, series.groups


def read_series(
    values: Mapping[str, np.ndarray], rows: int, group: str | None, clock: Column | None, first: int = 0
) -> Series:
    """Return where rows stand in time, by raw values of their columns; without a clock, in the order of their numbers.

    Args:
        values: Of the columns of time and group, each (rows,).
        rows: How many there are.
        group: Name of that column.
        clock: The column of time stamps.
        first: Number of the first row.
    """
    numbers = np.arange(first, first + rows)
    groups = np.full(rows, "")
    if group is not None:
        groups = np.array([str(value) for value in texts(_column(values[group])).to_pylist()], np.str_)
    if clock is None:
        return Series(numbers.astype(np.float64), numbers, groups)
    found = clock.numbers(_column(values[clock.name]))
    if np.isnan(found).any():
        raise DataError(f"time stamps must not be missing, got {int(np.isnan(found).sum())} missing in {clock.name}.")
    if not np.isfinite(found).all():
        raise DataError(f"time stamps must be finite, got others in {clock.name}. Correct them.")
    return Series(found, values[clock.name], groups)


def _column(values: np.ndarray) -> pa.ChunkedArray:
    return plain(pa.array(values, from_pandas=True))


def clock_column(table: pa.Table, options: Options) -> Column | None:
    """Return the column of time stamps, dates or numbers; None where the order of the rows is all that is known."""
    if options.time is None:
        return None
    kind, _ = guess(plain(table.column(options.time)))
    if kind not in ("date", "number"):
        raise invalid("time", "name a column of dates or numbers", f"{options.time!r} of {kind}", "Take another.")
    return Column(options.time, kind)


@dataclass(frozen=True, eq=False, kw_only=True)
class WindowPreparation(Preparation):
    """Preparation of windows of a table: every row as the table's, the values of a feature one after another.

    Attributes:
        row: Of single rows.
        window: Rows of a window.
        step: Rows from the beginning of a window to that of the next one.
        clock: The column of time stamps, which is no feature.
        group: The column whose values tell series apart, which is no feature.
        longest: The largest difference of time stamps between rows that follow each other.
    """

    kind = "windows"
    part = "column"
    row: TablePreparation
    window: Annotated[int, Meta(ge=2)]
    step: Annotated[int, Meta(ge=1)] = 1
    clock: Column | None = None
    group: Text | None = None
    longest: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.features != self.window * self.row.features or self.step > self.window:
            raise DataError(
                f"windows must have {self.window} times {self.row.features} numbers each, got {self.features}"
            )

    @property
    def series_columns(self) -> tuple[str, ...]:
        """The columns of time and group that new rows must have."""
        return (*(() if self.clock is None else (self.clock.name,)), *(() if self.group is None else (self.group,)))

    @property
    def place_columns(self) -> tuple[str, ...]:
        return FROM, TO, *(() if self.group is None else (self.group,))

    @property
    def given_names(self) -> tuple[str, ...]:
        return tuple(f"{name}[{at}]" for name in self.row.feature_names for at in range(self.window))

    @property
    def groups(self) -> list[Group]:
        return [Group(g.name, g.start * self.window, g.num * self.window, "curve") for g in self.row.groups]

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "row": self.row.to_dict()}

    def windows(self, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return windows of prepared rows, given by the numbers of their rows (windows, window)."""
        return x[rows].transpose(0, 2, 1).reshape(len(rows), self.features)

    def places(self, series: Series, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return where windows stand, by `place_columns`: dates and numbers, which can be compared, and texts."""
        ends = {name: series.clock[rows[:, end]] for name, end in ((FROM, 0), (TO, -1))}
        if self.clock is not None:
            ends = {name: self.clock.decode(values[:, None]) for name, values in ends.items()}
        return ends if self.group is None else ends | {self.group: series.groups[rows[:, -1]]}

    def checked(self, raw: Any, rules: Mismatches = DEFAULT_RULES) -> tuple[np.ndarray, dict[int, str]]:
        raise DataError("windows must be made of a file, got single rows. Use open_rows.")

    def _decoded(self, raw: np.ndarray) -> Any:
        rows = raw.reshape(len(raw), self.row.features, self.window).swapaxes(1, 2).reshape(-1, self.row.features)
        columns = self.row.inverse(rows)
        return {name: values.reshape(len(raw), self.window) for name, values in columns.items()}

    def _rows(self, raw: Any, rules: Mismatches) -> Any:
        raise NotImplementedError

    def _encoded(self, rows: Any, rules: Mismatches) -> tuple[np.ndarray, dict[int, str]]:
        raise NotImplementedError


def consecutive(series: Series, longest: float) -> Iterator[np.ndarray]:
    """Go through the numbers of rows that follow each other in one group without a gap.

    Raises:
        DataError: Rows of a group that go back in time.
    """
    for group in np.unique(series.groups):
        rows = np.flatnonzero(series.groups == group)
        steps = np.diff(series.clock[rows])
        if (steps < 0).any():
            place = series.stamps[rows[int(np.argmax(steps < 0)) + 1]]
            raise DataError(f"rows of a series must be in the order of time, got {place} after a later one. Sort them.")
        yield from np.split(rows, np.flatnonzero(steps > longest) + 1)


def window_rows(runs: Sequence[np.ndarray], window: int, step: int) -> np.ndarray:
    """Return the numbers of the rows of each window, (windows, window), in the order of their last rows."""
    whole = [run for run in runs if len(run) >= window]
    cut = [np.lib.stride_tricks.sliding_window_view(run, window)[::step] for run in whole]
    rows = np.concatenate([np.empty((0, window), np.intp), *cut])
    return rows[np.argsort(rows[:, -1], kind="stable")]


def gap_from(series: Series) -> float:
    """Return the difference of time stamps from which rows do not follow each other: half more than the usual one."""
    return _GAP * _usual_step(series)


def _usual_step(series: Series) -> float:
    steps = np.concatenate([np.diff(series.clock[series.groups == group]) for group in np.unique(series.groups)])
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 1.0


def split_windows(
    series: Series, rows: np.ndarray, shares: tuple[float, float], by_group: bool, seed: int
) -> tuple[np.ndarray, str]:
    """Return TRAIN, VALIDATION, TEST or UNUSED for each window, and a sentence on how.

    With at least three groups, a group is in one of the three; else the windows are in the order of time, and between
    two subsets there is a gap of one window.
    """
    names = np.unique(series.groups)
    parts = np.full(len(rows), TRAIN, np.uint8)
    if by_group and len(names) >= _FEWEST_GROUPS:
        order, of_window = np.random.default_rng(seed).permutation(names), series.groups[rows[:, 0]]
        first, second = (max(1, round(share * len(names))) for share in shares)
        parts[np.isin(of_window, order[:first])] = VALIDATION
        parts[np.isin(of_window, order[first : first + second])] = TEST
        return parts, f"Groups were split at random (seed {seed}): none is in two subsets."
    begin, end = series.clock[rows[:, 0]], series.clock[rows[:, -1]]
    gap = rows.shape[1] * _usual_step(series)
    later, latest = np.quantile(end, [1 - sum(shares), 1 - shares[1]])
    parts[end > later] = UNUSED
    parts[(begin >= later + gap) & (end <= latest)] = VALIDATION
    parts[begin >= latest + gap] = TEST
    return parts, "Windows were split by time, with a gap of one window before validation and before testing."


@dataclass
class WindowCutter:
    """Cuts rows that arrive in blocks into windows; a window may begin in one block and end in a later one."""

    preparation: WindowPreparation
    _x: np.ndarray = field(init=False)
    _series: Series | None = None
    _others: dict[str, np.ndarray] = field(default_factory=dict)
    _problems: np.ndarray = field(default_factory=lambda: np.empty(0, object))
    _seen: int = 0

    def __post_init__(self) -> None:
        self._x = np.empty((0, self.preparation.row.features), np.float32)

    def add(
        self, x: np.ndarray, problems: dict[int, str], values: dict[str, np.ndarray], names: Sequence[str]
    ) -> tuple[np.ndarray, dict[int, str], dict[str, np.ndarray]]:
        """Return the windows that end in these prepared rows, their problems, and their time, group and other values.

        Args:
            x: Prepared rows, (rows, features).
            problems: Of marked rows; a window with one has it, too.
            values: Raw values of columns, time and group among them, each (rows,).
            names: Of the columns of which a window has the value of its last row.
        """
        made = self.preparation
        series = read_series(values, len(x), made.group, made.clock, self._seen)
        others = {name: values[name] for name in names}
        self._seen += len(x)
        texts = np.array([problems.get(row, "") for row in range(len(x))], object)
        if self._series is not None:
            x, series = np.concatenate([self._x, x]), series.after(self._series)
            texts = np.concatenate([self._problems, texts])
            others = {name: np.concatenate([self._others[name], values]) for name, values in others.items()}
        runs = [*consecutive(series, made.longest)]
        rows = window_rows(runs, made.window, made.step)
        found = {FROM: series.stamps[rows[:, 0]], TO: series.stamps[rows[:, -1]]}
        if made.group is not None:
            found[made.group] = series.groups[rows[:, -1]]
        found |= {name: values[rows[:, -1]] for name, values in others.items()}
        wrong = {}
        for number in np.flatnonzero((texts[rows] != "").any(1)).tolist():
            wrong[number] = next(text for text in texts[rows[number]] if text)
        result = made.windows(x, rows), wrong, found
        # the last run of each group goes on in the next block, from where its next window begins
        last = {series.groups[run[-1]]: run for run in runs if len(run)}
        waiting = [run[max(0, (len(run) - made.window) // made.step + 1) * made.step :] for run in last.values()]
        kept = np.sort(np.concatenate([np.empty(0, np.intp), *waiting]))
        self._x, self._series, self._problems = x[kept], series.take(kept), texts[kept]
        self._others = {name: values[kept] for name, values in others.items()}
        return result


def series_columns(options: Options, names: Sequence[str]) -> tuple[str, ...]:
    """Return the columns of time and group, which are no features; refuse those that are not there."""
    for name in ("time", "group"):
        column = getattr(options, name)
        if column is not None and column not in names:
            raise invalid(name, "name a column", repr(column), suggest(column, names))
    return tuple(column for column in (options.time, options.group) if column is not None)
