"""The rows that a model is measured on: the splits of its training data as they were, or new rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import nan
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from contractive import analysis
from contractive.core.errors import check_at_least
from contractive.data import SETS, TEST, TRAIN, VALIDATION, Block, DataError, Options, Split, open_rows
from contractive.studies.runs import AutoencoderRun, RunError
from contractive.studies.sections._analysis import DataSummary, RowSet, RunSummary
from contractive.training import still_falling

_MOST_CLASSES = 50
_LEAST_PER_CLASS = 4
NO_LABELS = "the data have no labels"


@dataclass(frozen=True)
class Rows:
    """Prepared rows, with what is known of them."""

    data: DataSummary  # what they are
    measured: Tensor  # rows that are measured, (rows, features)
    reference: Tensor  # rows that the model was trained on; the measured rows themselves for new data
    labels: Tensor | None = None  # class numbers of `measured` from 0, or None
    reference_labels: Tensor | None = None  # class numbers of `reference`
    no_classes: str = NO_LABELS  # why there are no labels, as words that end a sentence; empty if there are

    @property
    def new(self) -> bool:
        """True where training rows are unknown."""
        return self.data.reference.name == self.data.measured.name

    @property
    def bounds(self) -> tuple[float, float] | None:
        """(0, 1) for images within it, whose pixels an attack must not leave; else None."""
        low, high = float(self.measured.min()), float(self.measured.max())
        return (0.0, 1.0) if self.data.image_shape and low >= 0 and high <= 1 else None

    def examples(self, most: int) -> tuple[Tensor, tuple[str, ...]]:
        """Return a few measured rows with headings: the most typical one of each class, else evenly spaced ones."""
        if self.labels is None:
            x = analysis.spread_rows(self.measured, most)
            return x, tuple(f"example {number}" for number in range(1, len(x) + 1))
        x, labels = analysis.one_per_class(self.measured, self.labels)
        return x[:most], tuple(f"class {self.data.classes[int(label)]}" for label in labels[:most])


def typical_deviation(rows: Tensor) -> float:
    """Root mean square over features of their standard deviation."""
    return float(rows.var(0, correction=0).mean().sqrt())


def class_numbers(*splits: np.ndarray) -> tuple[list[Tensor], tuple[str, ...], str]:
    """Number the labels of each split from 0, and return the names, too; if they are no classes none, and why."""
    together = np.concatenate(splits)
    if together.dtype.kind == "f" and not np.isfinite(together).all():
        return [], (), "some labels are missing or infinite"
    known, numbers, counts = np.unique(together, return_inverse=True, return_counts=True)
    if len(known) < 2:
        return [], (), "all labels are the same"
    if len(known) > _MOST_CLASSES or counts.min() < _LEAST_PER_CLASS:
        return [], (), (
            f"the labels are no classes ({len(known)} different ones; classes are at most {_MOST_CLASSES} with at least"
            f" {_LEAST_PER_CLASS} rows each)"
        )  # fmt: skip
    ends = np.cumsum([len(labels) for labels in splits])[:-1]
    numbered = np.split(numbers.reshape(-1).astype(np.int64), ends)
    names = tuple(f"{label:g}" if isinstance(label, float) else str(label) for label in known)
    return [torch.from_numpy(labels) for labels in numbered], names, ""


LEAST_ROWS = 12
_SLICES = 16  # of training rows on disk


def read_rows(
    run: AutoencoderRun,
    data: str | Path,
    *,
    rows: int = 10_000,
    data_dir: str | Path | None = None,
    options: Options = Options(),  # noqa: B008
) -> Rows:
    """Read the rows to analyse a run on, prepared as in training.

    If `data` (as for `data.load`) are what the run was trained on (the same name, or a file of the same content), they
    are split as they were; otherwise all rows are new ones, which `options` say how to read. At most `rows` evenly
    spaced ones of each split are taken. The folder of a named set is that of the run if omitted.

    Raises:
        DataError: Rows that do not fit the run, or fewer than 12.
    """
    check_at_least("rows", rows, LEAST_ROWS, "10000 is usual.")
    if not run.is_training_data(data):
        return _new_rows(run, data, rows, data_dir, options)
    source = run.document.source
    for name in ("label", "key", "separator", "encoding", "header"):  # read as in training: others would be ignored
        value, trained = getattr(options, name), getattr(source.options, name) if source else None
        if value is not None and value != trained:
            rule = f"be as in training for the data the run was trained on ({trained!r})"
            raise DataError(field=name, rule=rule, got=repr(value), remedy="Leave it out.")
    try:
        split, stored = run.load_data(data, data_dir=data_dir), run.split_parts()
        if stored is not None and (split.parts is None or not np.array_equal(stored, split.parts)):
            raise RunError(f"split.npz of {run.folder} is not the split of these data. Train again.")
        return rows_of_split(split, rows)
    except RunError as error:
        found = _new_rows(run, data, rows, data_dir, options)
        note = f"The rows include training rows, but it is not known which: {error}"
        return replace(found, data=replace(found.data, notes=(note,)))


def rows_of_split(split: Split, rows: int) -> Rows:
    """Return the test rows of a split, or the validation rows if there are none, with training rows as reference.

    Raises:
        DataError: Fewer than 12 rows to measure.
    """
    part, name = (TEST, "test rows") if len(split.test) else (VALIDATION, "validation rows")
    every = split.test if part == TEST else split.validation
    _check_count(len(every), name)
    picked, chosen = _evenly_spaced(len(every), rows), _evenly_spaced(len(split.train), rows)
    if split.streamed:  # training rows on disk: a few slices are read faster than single rows
        length = max(1, min(rows, len(split.train)) // _SLICES)
        starts = np.linspace(0, len(split.train) - length, _SLICES).astype(int)
        reference = np.concatenate([split.train[slice(int(start), int(start) + length)] for start in starts])
        chosen = np.concatenate([np.arange(start, start + length) for start in starts])
    else:
        reference = np.ascontiguousarray(split.train[chosen])
    numbers, classes, why = [], (), NO_LABELS
    if split.labels is not None:
        numbers, classes, why = class_numbers(split.labels[part][picked], split.labels[TRAIN][chosen])
    own, known = numbers or (None, None)
    counts = {"training rows": split.train, "validation rows": split.validation, "test rows": split.test}
    data = DataSummary(
        split.name, every.shape[1], RowSet(name, len(picked)), RowSet("training rows", len(reference)),
        typical_deviation(torch.from_numpy(reference)), split.image_shape, _names(split.columns), classes,
        tuple(RowSet(words, len(x)) for words, x in counts.items()), tuple(split.notes),
    )  # fmt: skip
    measured = torch.from_numpy(np.ascontiguousarray(every[picked]))
    return Rows(data, measured, torch.from_numpy(reference), own, known, why)


def summary_of(run: AutoencoderRun) -> RunSummary:
    """Return what an analysis keeps of its run."""
    network, objective, metrics = run.settings.network, run.settings.objective, run.metrics()
    widths = "–".join(map(str, (run.preparation.features, *(network.hidden or ()), network.code)))
    found = metrics.weight if metrics else None
    return RunSummary(
        folder=str(run.folder),
        objective=objective.objective,
        network=f"{network.model} {widths}, {network.activation}, output {network.output}",
        weight=objective.weight if found is None else found,
        error_increase=metrics.error_increase if metrics else None,
        max_error_increase=metrics.max_error_increase if metrics else None,
        still_falling=still_falling([row.get("val_reconstruction", nan) for row in run.history()]),
        squared_norm=(metrics.validation or {}).get("squared_norm") if metrics else None,
        squared_norm_without=(metrics.reference or {}).get("val_squared_norm") if metrics else None,
        command=run.document.command,
        checksum=run.document.data.checksum,
    )


def _new_rows(run: AutoencoderRun, data: str | Path, rows: int, data_dir: str | Path | None, options: Options) -> Rows:
    named, preparation, source = str(data) in SETS, run.preparation, run.document.source
    usual = "label" if named or Path(data).is_dir() else None
    asked = (preparation.label, source.options.label if source else None, usual)
    label = options.label
    blocks = open_rows(
        data,
        preparation,
        pass_through=() if label is None else (label,),
        optional=() if label is not None else tuple(name for name in dict.fromkeys(asked) if name),
        options=replace(options, label=None),
        data_dir=data_dir or (source.data_dir if named and source else None),
    )
    x, labels, count = thinned(blocks, rows)
    numbers, classes, why = class_numbers(labels) if labels is not None else ([], (), NO_LABELS)
    measured, number = torch.from_numpy(x), numbers[0] if numbers else None
    unit = typical_deviation(measured)
    if not unit > 0:
        raise DataError(field="data", rule="vary", got=f"{count} equal rows", remedy="Pass rows that differ.")
    name, new = str(data) if named else Path(data).stem, RowSet("new rows", len(x))
    found = DataSummary(
        name,
        x.shape[1],
        new,
        new,
        unit,
        preparation.image_shape,
        _names(preparation.given_names),
        classes,
        (replace(new, rows=count),),
    )
    return Rows(found, measured, measured, number, number, why)


def thinned(blocks: Iterable[Block], rows: int) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Return (evenly spaced rows, their labels, how many rows there are), holding at most about twice `rows`.

    Labels are the first of the columns that the blocks pass through.
    """
    chunks: list[tuple[np.ndarray, ...]] = []
    stride, held, count = 1, 0, 0
    for block in blocks:
        picked = slice(-block.start % stride, None, stride)
        chunks.append((block.x[picked], *(column[picked] for column in [*block.pass_through.values()][:1])))
        held, count = held + len(chunks[-1][0]), block.start + len(block.x)
        while held > 2 * rows:  # every other row of those held, and half as many from now on
            chunks, stride = [tuple(np.concatenate(column)[::2] for column in zip(*chunks, strict=True))], 2 * stride
            held = len(chunks[0][0])
    _check_count(count, "rows")
    x, *labels = (np.concatenate(column) for column in zip(*chunks, strict=True))
    chosen = _evenly_spaced(len(x), rows)
    return x[chosen], labels[0][chosen] if labels else None, count


def _evenly_spaced(count: int, most: int) -> np.ndarray:
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(int)


def _check_count(count: int, what: str) -> None:
    if count < LEAST_ROWS:
        raise DataError(field="data", rule=f"have at least {LEAST_ROWS} {what}", got=count, remedy="Pass more data.")


def _names(columns: Sequence[str]) -> tuple[str, ...]:
    """Return names that mean something: not x0, x1, ..."""
    return () if all(name == f"x{at}" for at, name in enumerate(columns)) else tuple(columns)
