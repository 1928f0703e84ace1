"""From a run and DATA to rows: the parts of the training data as they were, or new rows."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from contractive.data import SETS, DataError, Options, Split, open_rows
from contractive.studies.runs import AutoencoderRun, RunError
from contractive.studies.sections._rows import Rows, class_numbers, typical_deviation

_LEAST = 12
_SLICES = 16  # of training rows on disk


def read_rows(
    run: AutoencoderRun,
    data: str | Path,
    *,
    limit: int = 10_000,
    data_dir: str | Path | None = None,
    options: Options = Options(),  # noqa: B008
) -> Rows:
    """Read the rows to analyse a run on, prepared as in training.

    Where `data` are what the run was trained on (the same name, or a file of the same content), its training and test
    rows are told apart; otherwise all rows are new ones.

    Args:
        run: A run.
        data: As for `data.load`.
        limit: At most so many rows of each part, evenly spaced.
        data_dir: Folder of a named set; that of the run if omitted.
        options: How to read new rows: `label`, `key`, and the dialect of a text table.

    Raises:
        DataError: Rows that do not fit the run, or fewer than 12.
    """
    if limit < _LEAST:
        raise DataError(f"--rows must be at least {_LEAST}, got {limit}. 10000 is usual.")
    note = ""
    if run.is_training_data(data):
        _check_options(run, options)
        try:
            split = run.load_data(data, data_dir=data_dir)
            _check_parts(run, split)
            return rows_of_split(split, limit)
        except RunError as error:
            note = f"These rows were trained on, in part, but which is not known: {error}"
    rows = _new_rows(run, data, limit, data_dir, options)
    return replace(rows, notes=(*rows.notes, note)) if note else rows


def rows_of_split(split: Split, limit: int) -> Rows:
    """Rows of a split: figures are of its test rows (its validation rows if there are none), training rows refer.

    Raises:
        DataError: Fewer than 12 rows to measure.
    """
    part = 2 if len(split.test) else 1
    measured, name = (split.test, "test rows") if part == 2 else (split.validation, "validation rows")
    _check_count(len(measured), name)
    reference, chosen = _reference(split, limit)
    picked = _picks(len(measured), limit)
    labels, known, why = None, (), "the data have no labels"
    if split.labels is not None:
        labels, known, why = class_numbers(split.labels[part][picked], split.labels[0][chosen])
    counts = {"training rows": len(split.train), "validation rows": len(split.validation), "test rows": len(split.test)}
    return Rows(
        split.name, torch.from_numpy(np.ascontiguousarray(measured[picked])), name, reference, "training rows",
        typical_deviation(reference),
        labels[0] if labels else None, labels[1] if labels else None, known, why,
        split.image_shape, _names(split.columns), tuple(counts.items()), tuple(split.notes),
    )  # fmt: skip


def _check_options(run: AutoencoderRun, options: Options) -> None:
    """Refuse what would be ignored: the training data are read as in training."""
    source = run.document.data.source
    before = source.options if source else Options()
    for name in ("label", "key", "separator", "encoding", "header"):
        value = getattr(options, name)
        if value is not None and value != getattr(before, name):
            raise DataError(
                f"--{name} must be as in training for the data the run was trained on ({getattr(before, name)!r}), got"
                f" {value!r}. Leave it out."
            )


def _check_parts(run: AutoencoderRun, split: Split) -> None:
    stored = run.split_parts()
    if stored is not None and (split.parts is None or not np.array_equal(stored, split.parts)):
        raise RunError(f"split.npz of {run.folder} must be the split of the data, got another one. Train again.")


def _picks(count: int, limit: int) -> np.ndarray:
    return np.arange(count) if count <= limit else np.linspace(0, count - 1, limit).astype(int)


def _reference(split: Split, limit: int) -> tuple[Tensor, np.ndarray]:
    """(training rows, which ones they are); those on disk are read as a few slices."""
    if not split.streamed:
        chosen = _picks(len(split.train), limit)
        return torch.from_numpy(np.ascontiguousarray(split.train[chosen])), chosen
    length = max(1, min(limit, len(split.train)) // _SLICES)
    starts = np.linspace(0, len(split.train) - length, _SLICES).astype(int)
    rows = np.concatenate([split.train[slice(int(start), int(start) + length)] for start in starts])
    return torch.from_numpy(rows), np.concatenate([np.arange(start, start + length) for start in starts])


def _new_rows(run: AutoencoderRun, data: str | Path, limit: int, data_dir: str | Path | None, options: Options) -> Rows:
    source = run.document.data.source
    if str(data) in SETS and source is not None:
        data_dir = data_dir or source.data_dir
    for keep in _labels_to_try(run, data, options):
        try:
            x, labels, count = _thinned(run, data, keep, limit, data_dir, options)
            break
        except DataError:
            if not keep or keep == options.label:
                raise
    else:
        x, labels, count = _thinned(run, data, None, limit, data_dir, options)
    _check_count(len(x), "rows")
    numbers, known, why = class_numbers(labels) if labels is not None else ([], (), "the data have no labels")
    preparation, rows = run.preparation, torch.from_numpy(x)
    unit = typical_deviation(rows)
    if not unit > 0:
        raise DataError(f"DATA must vary, got {count} equal rows. Pass rows that differ.")
    return Rows(
        Path(data).stem if str(data) not in SETS else str(data), rows, "new rows", rows, "new rows", unit,
        numbers[0] if numbers else None, numbers[0] if numbers else None, known, why,
        preparation.image_shape, _names(preparation.given_names), (("new rows", count),), (),
    )  # fmt: skip


def _labels_to_try(run: AutoencoderRun, data: str | Path, options: Options) -> list[str]:
    """Names under which labels may lie, the user's own alone if there is one."""
    if options.label is not None:
        return [options.label]
    source = run.document.data.source
    asked = source.options.label if source else None
    usual = "label" if str(data) in SETS or Path(data).is_dir() else None
    return [name for name in dict.fromkeys((run.preparation.label, asked, usual)) if name]


def _thinned(
    run: AutoencoderRun, data: str | Path, label: str | None, limit: int, data_dir: str | Path | None, options: Options
) -> tuple[np.ndarray, np.ndarray | None, int]:
    """(evenly spaced rows, their labels, how many rows there are), never holding much more than twice the limit."""
    parts: list[tuple[np.ndarray, np.ndarray | None]] = []
    stride, held, count = 1, 0, 0
    pass_through: Sequence[str] = () if label is None else (label,)
    plain = replace(options, label=None)
    for block in open_rows(data, run.preparation, pass_through=pass_through, options=plain, data_dir=data_dir):
        picked = slice(-block.start % stride, None, stride)
        parts.append((block.x[picked], block.pass_through[label][picked] if label is not None else None))
        held, count = held + len(parts[-1][0]), block.start + len(block.x)
        while held > 2 * limit:
            whole = _joined(parts)
            parts, stride = [(whole[0][::2], None if whole[1] is None else whole[1][::2])], 2 * stride
            held = len(parts[0][0])
    if not parts:
        raise DataError(f"DATA must have at least {_LEAST} rows, got none. Is the file empty?")
    x, labels = _joined(parts)
    chosen = _picks(len(x), limit)
    return x[chosen], None if labels is None else labels[chosen], count


def _joined(parts: list[tuple[np.ndarray, np.ndarray | None]]) -> tuple[np.ndarray, np.ndarray | None]:
    labels = [label for _, label in parts if label is not None]
    return np.concatenate([x for x, _ in parts]), np.concatenate(labels) if labels else None


def _check_count(count: int, what: str) -> None:
    if count < _LEAST:
        raise DataError(f"DATA must have at least {_LEAST} {what}, got {count}. Pass more data.")


def _names(columns: Sequence[str]) -> tuple[str, ...]:
    """Names that say something: not x0, x1, ..."""
    return () if all(name == f"x{at}" for at, name in enumerate(columns)) else tuple(columns)
