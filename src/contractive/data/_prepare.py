"""From a source to a split: parts, imputation and scaling fitted on the training rows, prepared arrays."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from contractive.data._errors import DataError, listed, together
from contractive.data._fit import fit_fill, fit_scaler
from contractive.data._labels import check_test_labels
from contractive.data._options import Options
from contractive.data._parts import most_held_out, partition
from contractive.data._preparation import Preparation
from contractive.data._source import Source
from contractive.data._split import TEST, TRAIN, VALIDATION, Split
from contractive.data._survey import Survey, check_missing, check_usable
from contractive.data._table_columns import column_starts

Labels = tuple[np.ndarray, np.ndarray, np.ndarray] | None


def split_source(source: Source, test: Source | None, options: Options, seed: int) -> Split:
    """Part a source, fit its preparation and prepare its rows.

    Args:
        source: What to part.
        test: A test part of its own.
        options: Of the user.
        seed: Of the parts.

    Raises:
        DataError: Rows that cannot be used, or too few.
    """
    shares = options.validation_share, 0.0 if test else options.test_share
    by_label = None if source.streamed else source.labels
    most = most_held_out(source.draft.width) if source.streamed else None
    parts, how = partition(source.num_rows, shares, seed=seed, labels=by_label, most=most)
    preparation, notes = fit_preparation(source, parts, options)
    arrays = gather(source, preparation, parts)
    y = _parted(source.labels, parts)
    if test is not None:
        arrays[TEST], (y, more) = _whole(test, preparation), _with_test_labels(y, test)
        notes += [*test.notes, *more]
    if source.on_disk is not None:
        arrays[TRAIN] = source.on_disk(preparation, np.flatnonzero(parts))  # type: ignore[assignment]
        notes.append("Training rows stay on disk (--stream).")
    shape = preparation.image_shape
    return Split(
        source.path.stem,
        arrays[TRAIN], arrays[VALIDATION], arrays[TEST],
        y,
        shape[1:] if shape is not None and shape[0] == 1 else None,
        shape,
        preparation,
        parts,
        source.checksum,
        preparation.feature_names,
        (*source.notes, how, *notes),
    )  # fmt: skip


def _parted(labels: np.ndarray | None, parts: np.ndarray) -> Labels:
    if labels is None:
        return None
    return labels[parts == TRAIN], labels[parts == VALIDATION], labels[parts == TEST]


def fit_preparation(source: Source, parts: np.ndarray, options: Options) -> tuple[Preparation, list[str]]:
    """Fit imputation and scaling on the training rows.

    Raises:
        DataError: Missing values without imputation, values that are not finite, columns that never vary.
    """
    draft = source.draft
    every, train = Survey(draft.width), Survey(draft.width)
    start = 0
    for block in source.encoded():
        every.add(block)
        train.add(block[parts[start : start + len(block)] == TRAIN])
        start += len(block)
    names, starts, what = draft.column_names(), column_starts(draft), "column" if draft.columns else "feature"
    check_usable(every, names, starts, what)
    _check_vary(draft, train, names, starts)
    notes: list[str] = []
    if options.impute is None:
        remedy = f"Use --impute median{_or_drop(names, every.missing[starts]) if draft.columns else ''}."
        check_missing(every, names, starts, what, remedy)
        fill = None
    else:
        groups = _groups(draft)
        fill = fit_fill(options.impute, lambda: _training(source, parts), train, groups, streamed=source.streamed)
        if every.missing.any():
            notes.append(f"Filled {every.missing[starts].sum()} missing values (--impute {options.impute}).")
    return _scaled(replace(draft, fill=fill), source, parts, options.scale, train, notes)


def _scaled(
    draft: Preparation, source: Source, parts: np.ndarray, scale: str, train: Survey, notes: list[str]
) -> tuple[Preparation, list[str]]:
    """The preparation with the scaler that was asked for, or that suits the numbers."""
    scaler, known = scale, None
    if scale == "auto":
        scaler, known, why = _automatic(draft, source.as_bytes, train)
        notes.append(f"{why} (--scale).")
    if known is not None:
        low, high = known
        return draft.with_scaling("range", np.array([low]), np.array([high - low])), notes
    kept = np.ones(draft.width, bool)
    for start, num, kind in _groups(draft):
        kept[start : start + num] = kind in ("number", "date")

    def filled() -> Iterator[np.ndarray]:
        blocks = _training(source, parts)
        return blocks if draft.fill is None else (np.where(np.isnan(block), draft.fill, block) for block in blocks)

    offset, size = fit_scaler(scaler, filled, kept, streamed=source.streamed)
    return draft.with_scaling(scaler, offset, size), notes


def _automatic(draft: Preparation, as_bytes: bool, train: Survey) -> tuple[str, tuple[float, float] | None, str]:
    """Scaler, known range and reason: by what the raw numbers are."""
    low, high = float(np.nanmin(train.low)), float(np.nanmax(train.high))
    # bytes that never reach half of their range (grades from 1 to 10, say) are hardly intensities
    if as_bytes and (high > 127 or (draft.kind == "images" and high > 1)):
        return "range", (0.0, 255.0), "Bytes were divided by 255"
    if train.within_unit:
        return "none", None, "Numbers lie in [0, 1] already and stay as they are"
    if draft.kind == "images":
        return "range", (low, high), f"Pixels from {low:g} to {high:g} were scaled to [0, 1]"
    return "standard", None, "Features were scaled to mean 0 and standard deviation 1 over the training rows"


def _check_vary(draft: Preparation, train: Survey, names: tuple[str, ...], starts: list[int]) -> None:
    constant = train.constant
    if not draft.columns:
        if constant.all():
            raise DataError("data must vary, got the same value everywhere in each feature. Check the file.")
        return
    # a category may be absent from the training rows; one that stands alone says nothing
    flat = [
        name
        for name, column, start in zip(names, draft.columns, starts, strict=True)
        if (len(column.categories) <= 1 if column.kind == "category" else constant[start])
    ]
    if flat:
        given = together(flat)
        raise DataError(f"columns must vary among training rows, got one value in {listed(flat)}. Use --drop {given}.")


def _or_drop(names: tuple[str, ...], counts: np.ndarray) -> str:
    return f" (or mean), or --drop {together(names[i] for i in np.flatnonzero(counts).tolist())}"


def _groups(draft: Preparation) -> list[tuple[int, int, str]]:
    """First feature, number of features and kind of each column."""
    if not draft.columns:
        return [(i, 1, "number") for i in range(draft.width)]
    starts = column_starts(draft)
    return [(start, len(c.feature_names), c.kind) for start, c in zip(starts, draft.columns, strict=True)]


def _training(source: Source, parts: np.ndarray) -> Iterator[np.ndarray]:
    start = 0
    for block in source.encoded():
        yield block[parts[start : start + len(block)] == TRAIN]
        start += len(block)


def gather(source: Source, preparation: Preparation, parts: np.ndarray) -> list[np.ndarray]:
    """Prepared rows of each part; of a stream those of validation and test only."""
    wanted = [part for part in (TRAIN, VALIDATION, TEST) if part != TRAIN or not source.streamed]
    counts = np.bincount(parts, minlength=3)
    out = [np.empty((counts[p] if p in wanted else 0, preparation.features), np.float32) for p in range(3)]
    done, start = [0, 0, 0], 0
    for block in source.blocks():
        mine = parts[start : start + len(block)]
        start += len(block)
        if source.streamed and not mine.any():
            continue
        x = preparation.transform(block)
        for part in wanted:
            rows = x[mine == part]
            out[part][done[part] : done[part] + len(rows)] = rows
            done[part] += len(rows)
    return out


def _whole(source: Source, preparation: Preparation) -> np.ndarray:
    if not source.num_rows:
        raise DataError(f"{source.path} must hold rows for testing, got none. Give at least one.")
    return np.concatenate([preparation.transform(block) for block in source.blocks()])


def _with_test_labels(y: Labels, test: Source) -> tuple[Labels, list[str]]:
    if y is None:
        return None, []
    if test.labels is None:
        return None, ["Labels are left out: the test part has none."]
    new = check_test_labels(y[TRAIN], test.labels)
    return (y[TRAIN], y[VALIDATION], test.labels), [new] if new else []
