"""Named sets and your own files or folders: split and prepared (`load`), or prepared as for a model (`open_rows`)."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from contractive.data._arrow import ARROW_ERRORS
from contractive.data._errors import DataError, invalid, join_names, reraise_as_data_error, suggest
from contractive.data._fit import fit_preparation
from contractive.data._formats import open_reader
from contractive.data._memory import check_fits, fits
from contractive.data._mismatches import DEFAULT_RULES, Mismatches
from contractive.data._named import SETS, NamedSet, load_named
from contractive.data._options import DEFAULT, Options
from contractive.data._preparation import BLOCK, Preparation
from contractive.data._preparation import rows_at_once as most_rows
from contractive.data._reader import OnDisk, Reader, Rows, Source, TestRows
from contractive.data._split import (
    LEAST_ROWS,
    TEST,
    TRAIN,
    VALIDATION,
    DataSource,
    Split,
    most_held_out,
    partition,
    with_test_labels,
)
from contractive.data._table_preparation import TablePreparation
from contractive.data._windows import (
    UNUSED,
    WindowCutter,
    WindowPreparation,
    consecutive,
    gap_from,
    read_series,
    split_windows,
    window_rows,
)


@dataclass(frozen=True)
class Block:
    """Some consecutive rows."""

    x: np.ndarray  # prepared, float32 (rows, features)
    pass_through: dict[str, np.ndarray]  # of each column asked for, its raw values
    start: int  # row of the source that is the first here
    problems: dict[int, str] = field(default_factory=dict)  # of the rows here that are marked; their x is NaN
    place: dict[str, np.ndarray] = field(default_factory=dict)  # of windows their time and group

    @property
    def usable(self) -> np.ndarray:
        """The rows here that are not marked, in their order."""
        return np.setdiff1d(np.arange(len(self.x)), [*self.problems]).astype(np.intp)


def load(data: str | Path, *, data_dir: str | Path | None = None, seed: int = 0, options: Options = DEFAULT) -> Split:
    """Load a data set, split and scaled; scaling and imputation are fitted on the training rows.

    Data that cannot be used as they are raise a `DataError` that names the option that helps.

    Args:
        data: One of `SETS`; or a file in one of `FORMATS`, a folder of images or a folder of part files.
        data_dir: For a named set: folder with its IDX files (or with a folder of its name that holds them);
            $CONTRACTIVE_DATA if omitted, then a download into the user's cache.
        seed: Of the split, where the source has no fixed split.
        options: How to read the source.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise invalid("seed", f"be a whole number from 0 to {2**32 - 1}", repr(seed), "For instance 0.")
    folder = str(_absolute(data_dir)) if data_dir else None
    if str(data) in SETS:
        if given := options.given():
            got = join_names(f"`{name}`" for name in given)
            raise DataError(f"options on data must be for your own files, got {got} with {data}. Leave them out.")
        return replace(load_named(str(data), data_dir, seed), source=DataSource(str(data), folder, seed, options))
    test = str(_absolute(options.test)) if options.test else None
    with reraise_as_data_error(Path(data), ARROW_ERRORS):
        split = _split_source(data, options, seed)
    return replace(split, source=DataSource(str(_absolute(data)), folder, seed, replace(options, test=test)))


def open_rows(
    path: str | Path,
    preparation: Preparation,
    *,
    pass_through: Sequence[str] = (),
    optional: Sequence[str] = (),
    options: Options = DEFAULT,
    rows_at_once: int = BLOCK,
    data_dir: str | Path | None = None,
    rules: Mismatches = DEFAULT_RULES,
    on_note: Callable[[str], None] = lambda note: None,
) -> Iterator[Block]:
    """Go through a source for a model, all rows in their order, prepared as in training.

    Text tables, .parquet, .npy and folders of images are read in blocks, in constant memory; others whole. Rows that
    do not fit the preparation raise a `DataError`.

    Args:
        path: As for `load`; its columns may be in any order, label and dropped columns may be absent.
        preparation: Of the model.
        pass_through: Columns to hand on as they are, for instance identifiers; arrays of an .npz with a value per row;
            `file` and `label` of a folder of images; `label` of a named set.
        optional: Columns handed on likewise where the source has them.
        options: How to read a text table or which array of an .npz to take.
        rows_at_once: Rows of a block at most.
        data_dir: For a named set, as for `load`.
        rules: What becomes of columns and rows that do not fit the preparation.
        on_note: Called with a sentence on columns that are ignored.
    """
    if rows_at_once < 1:
        raise invalid("rows_at_once", "be at least 1", rows_at_once, f"For instance {BLOCK}.")
    start, size = 0, min(rows_at_once, most_rows(preparation.features))
    with reraise_as_data_error(Path(path), ARROW_ERRORS):
        named, windows = str(path) in SETS, preparation if isinstance(preparation, WindowPreparation) else None
        like = preparation if windows is None else windows.row
        reader = NamedSet(str(path), like, data_dir) if named else open_reader(path, options, preparation)
        there = reader.column_names() if pass_through or optional or windows else []
        for name in pass_through:
            if name not in there:
                remedy = suggest(name, there) if there else "This source has none."
                raise invalid("pass_through", "name a column", repr(name), remedy)
        names = list(dict.fromkeys((*pass_through, *(name for name in optional if name in there))))
        of_series = () if windows is None else windows.series_columns
        if absent := [name for name in of_series if name not in there]:
            raise DataError(f"data must have time and group as in training, got no {join_names(absent)}. Add them.")
        if unknown := reader.unknown_columns(names, rules):
            on_note(f"Columns that training did not have are ignored: {join_names(unknown)}.")
        cutter = None if windows is None else WindowCutter(windows)
        for raw, values in reader.batches_with(list(dict.fromkeys((*names, *of_series))), size):
            x, problems = like.checked(raw, rules)
            num = len(x)
            if cutter is None:
                yield Block(x, values, start, problems)
            else:
                x, problems, found = cutter.add(x, problems, values, names)
                place = {name: found[name] for name in preparation.place_columns}
                yield Block(x, {name: found[name] for name in names}, start, problems, place)
            start += num


def _split_source(data: str | Path, options: Options, seed: int) -> Split:
    reader, on_disk = open_reader(data, options), bool(options.stream)
    if isinstance(reader, OnDisk) and options.stream is None:
        on_disk = not fits(4 * math.prod(reader.size()))
    source = reader.source(on_disk)
    if options.test is None:
        test = reader.test_rows()
    elif options.window is not None:
        raise invalid("test", "be left out with windows", options.test, "Score the file with the finished run.")
    else:
        further = open_reader(options.test, replace(options, header=reader.header), source.draft, field="test")
        further.check_memory(source.draft.features, on_disk=False)
        further.unknown_columns((), Mismatches(extra_columns="refuse"))
        rows = (raw for raw, _ in further.batches_with(()))
        test = TestRows(str(further.path), rows, further.labels(), [f"Test file: {n}" for n in further.notes()])
    if options.window is not None:
        return _windows_of(source, reader, options, seed)
    shares = options.validation_share, 0.0 if test else options.test_share
    by_label, most = (None, most_held_out(source.draft.features)) if on_disk else (source.labels, None)
    labelled = np.ones(source.num_rows, bool) if source.labelled is None else source.labelled
    if 0 < (num := int(labelled.sum())) < min(LEAST_ROWS, source.num_rows):
        raise DataError(f"at least {LEAST_ROWS} rows must have a label, got {num}. Label more of them.")
    parts, by_label = np.zeros(source.num_rows, np.uint8), None if by_label is None else by_label[labelled]
    parts[labelled], how = partition(num, shares, seed=seed, labels=by_label, most=most)
    preparation, notes = fit_preparation(source, parts, options)
    if source.labelled is not None:
        notes.append(f"{source.num_rows - num} rows have no label: they are for training, without it.")
    arrays = _gather(source, preparation, parts)
    labels = None
    if source.labels is not None:
        labels = source.labels[parts == TRAIN], source.labels[parts == VALIDATION], source.labels[parts == TEST]
    if test is not None:
        arrays[TEST] = np.concatenate([arrays[TEST], *(preparation.transform(raw) for raw in test.batches)])
        if not len(arrays[TEST]):
            raise DataError(f"{test.name} must hold rows for testing, got none. Give at least one.")
        notes += test.notes
        if labels is not None:
            labels, more = with_test_labels(labels, test.labels)
            notes += more
    partial = None
    if labels is not None and source.labelled is not None:
        labels, partial = None, (labels, labelled[parts == TRAIN])
    if on_disk:
        notes.append("Training rows stay on disk (option stream).")
    numbers = np.flatnonzero(parts == TEST)
    places = {name: values[numbers] for name, values in source.places.items()} if test is None else {}
    shape = preparation.image_shape
    train = Rows(source, preparation, np.flatnonzero(parts)) if on_disk else arrays[TRAIN]
    return Split(
        reader.path.stem, train, arrays[VALIDATION], arrays[TEST], labels,
        shape[1:] if shape is not None and shape[0] == 1 else None, shape,
        preparation, parts, reader.checksum(), preparation.feature_names, (*source.notes, how, *notes),
        partial_labels=partial, places=places or {"row": np.arange(len(arrays[TEST])) if test else numbers},
    )  # fmt: skip


def _windows_of(source: Source, reader: Reader[Any, Any], options: Options, seed: int) -> Split:
    """Return windows of a series, split by groups or by time, for a source in memory."""
    if source.on_disk or source.of_series is None or options.window is None:
        raise invalid("window", "be for data in memory", reader.path.name, "Set `stream` to False.")
    if source.labels is not None and (source.labelled is not None or source.labels.dtype.kind not in "iuf"):
        raise invalid("label", "be a number in every row, of which a window has the largest", options.label, "")
    dates = [group.name for group in source.draft.groups if group.kind == "date"]
    if len(dates) == len(source.draft.groups):
        raise DataError(f"data must have a column that is no date, got {join_names(dates)}.")
    if dates and isinstance(source.draft, TablePreparation):
        source.draft, _ = source.draft.without(dates)
    series = read_series(source.of_series, source.num_rows, options.group, source.clock)
    longest = gap_from(series)
    rows = window_rows([*consecutive(series, longest)], options.window, options.step)
    if len(rows) < LEAST_ROWS:
        got = f"{options.window} with {len(rows)} windows"
        raise invalid("window", f"leave at least {LEAST_ROWS} windows without a gap", got, "Make it smaller.")
    shares = options.validation_share, options.test_share
    parts, how = split_windows(series, rows, shares, options.group is not None, seed)
    counts = [int((parts == part).sum()) for part in (TRAIN, VALIDATION, TEST)]
    if not all(counts):
        got = "{} windows for training, {} for validation and {} for testing".format(*counts)
        raise DataError(f"each subset must have a window, got {got}. Give more rows, or make `window` shorter.")
    of_rows = np.full(source.num_rows, UNUSED, np.uint8)
    of_rows[rows[parts == TRAIN]] = TRAIN
    row, notes = fit_preparation(source, of_rows, options)
    assert isinstance(row, TablePreparation)
    made = WindowPreparation(
        features=row.features * options.window,
        label=row.label,
        row=row,
        window=options.window,
        step=options.step,
        clock=source.clock,
        group=options.group,
        longest=longest,
    )
    check_fits("windows", 4 * len(rows) * made.features, "Use a larger `step`.")
    x = np.concatenate([row.transform(raw) for raw in source.batches()])
    train, validation, test = (made.windows(x, rows[parts == part]) for part in (TRAIN, VALIDATION, TEST))
    labels = None
    if source.labels is not None:
        first, second, third = (source.labels[rows[parts == part]].max(1) for part in (TRAIN, VALIDATION, TEST))
        labels = first, second, third
    left_out = [f"Columns of dates are no features: {join_names(dates)}."] if dates else []
    overlap = "Windows overlap, so that a rate of false alarms is approximate."
    return Split(
        reader.path.stem, train, validation, test, labels, None, None,
        made, None, reader.checksum(), made.feature_names, (*source.notes, *left_out, how, *notes, overlap),
        places=made.places(series, rows[parts == TEST]),
    )  # fmt: skip


def _absolute(path: str | Path) -> Path:
    return Path(path).expanduser().resolve()


def _gather(source: Source, preparation: Preparation, parts: np.ndarray) -> list[np.ndarray]:
    """Return the prepared rows of each subset; of a stream those of validation and test only."""
    wanted = [part for part in (TRAIN, VALIDATION, TEST) if part != TRAIN or not source.on_disk]
    counts = np.bincount(parts, minlength=3)
    out = [np.empty((counts[part] if part in wanted else 0, preparation.features), np.float32) for part in range(3)]
    done, start = [0, 0, 0], 0
    for raw in source.batches():
        mine = parts[start : start + len(raw)]
        start += len(raw)
        if source.on_disk and not mine.any():
            continue
        x = preparation.transform(raw)
        for part in wanted:
            rows = x[mine == part]
            out[part][done[part] : done[part] + len(rows)] = rows
            done[part] += len(rows)
    return out
