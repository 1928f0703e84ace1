"""Splits: which rows train, validate and test, and their labels as whole numbers, numbers or text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from contractive.data._columns import Column, guess
from contractive.data._errors import DataError, invalid, join_names
from contractive.data._options import Options
from contractive.data._preparation import Preparation
from contractive.data._table_preparation import TablePreparation

TRAIN, VALIDATION, TEST = 0, 1, 2
LEAST_ROWS = 10
MOST_HELD_OUT = 50_000  # validation and test rows of streamed data: they are held in memory
_MOST_HELD_NUMBERS, _FEWEST_HELD = 2**24, 1000
_MOST_CLASSES = 100

Labels = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class DataSource:
    """What `load` was asked for; a run keeps it, to resume with and to recognise its own data by."""

    data: str  # a name or an absolute path
    data_dir: str | None  # the folder of a named set
    seed: int  # of the split, where the source has no fixed split
    options: Options  # how the source was read; its `test` is an absolute path


@dataclass(frozen=True)
class Split:
    """Training, validation and test rows in [0, 1] or scaled, float32, with labels where they exist.

    Attributes:
        name: Of the data set.
        train: (examples, features); an array, or `Rows` on disk where the source was streamed.
        validation: (examples, features), always an array.
        test: Likewise.
        labels: The three label arrays in the same order, or None. Whole numbers as int64, others as float64, text as
            text.
        places: What tells each test row apart, by name: its identifier, time stamp or file; else its number in the
            source from 0; of a window its first and last time stamp, and its group.
        partial_labels: Where some training rows have no label: the three arrays, and a mask of the training rows that
            have one. All validation and test rows have one. `labels` is None then.
        image: (height, width) where a row is a grey image, else None.
        image_shape: (channels, height, width) where a row is an image, its channels one after another; else None.
        preparation: What turned the source into these numbers, and turns them back.
        parts: Of each row of the source 0 (train), 1 (validation) or 2 (test); None for sets with a fixed split.
            Rows of a separate test file are not among them. In your own files the rows of a subset keep their order;
            those of `digits` are shuffled.
        checksum: SHA-256 of what was read, as hexadecimal digits.
        columns: Names of the features.
        notes: Sentences on what was detected or decided.
        source: What `load` was asked for; None for a split made by hand.
    """

    name: str
    train: np.ndarray | Any  # or Rows; Any, so that what works in memory needs no cast
    validation: np.ndarray
    test: np.ndarray
    labels: Labels | None
    image: tuple[int, int] | None
    image_shape: tuple[int, int, int] | None = None
    preparation: Preparation | None = None
    parts: np.ndarray | None = None
    checksum: str = ""
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    source: DataSource | None = None
    partial_labels: tuple[Labels, np.ndarray] | None = None
    places: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def features(self) -> int:
        """Numbers per example."""
        return self.train.shape[1]

    @property
    def streamed(self) -> bool:
        """Return whether `train` is `Rows` on disk and not an array."""
        return not isinstance(self.train, np.ndarray)

    def without_columns(self, names: Sequence[str]) -> "Split":
        """Return the split of a table in memory without some columns, which may be absent later."""
        assert isinstance(self.preparation, TablePreparation)
        preparation, kept = self.preparation.without(names)
        arrays = {name: getattr(self, name)[:, kept] for name in ("train", "validation", "test")}
        return replace(self, **arrays, preparation=preparation, columns=preparation.feature_names)

    def in_memory(self) -> "Split":
        """Return itself where all subsets are arrays; `DataError` where the training rows stay on disk."""
        if self.streamed:
            rows, features = self.train.shape
            raise DataError(
                f"data must be in memory here, got {rows} training rows of {features} numbers on disk."
                " Give fewer rows, or `stream`=False where the memory is enough."
            )
        return self


def most_held_out(width: int) -> int:
    """Return how many rows with so many features a stream has for validation, or for testing, at most."""
    return min(MOST_HELD_OUT, max(_FEWEST_HELD, _MOST_HELD_NUMBERS // width))


def partition(
    num_rows: int,
    shares: tuple[float, float],
    *,
    seed: int,
    labels: np.ndarray | None = None,
    most: int | None = None,
) -> tuple[np.ndarray, str]:
    """Return 0, 1 or 2 for each row (uint8), drawn at random, and a sentence on how.

    The shares are those for validation and for testing, 0 where there are test rows already; each gets at most `most`
    rows. A categorical label stratifies where every subset gets some of every class.
    """
    if num_rows < LEAST_ROWS:
        raise DataError(f"data must have at least {LEAST_ROWS} rows, got {num_rows}. Give more of them.")
    counts = [max(1, round(num_rows * share)) if share else 0 for share in shares]
    counts = [min(count, most) if most else count for count in counts]
    parts = np.zeros(num_rows, np.uint8)
    drawn, how = None, f"Rows were split at random (seed {seed})"
    if labels is not None:
        drawn, why = _stratified(labels, counts, seed)
        how += f", not stratified: {why}" if drawn is None else ", stratified by the label"
    if drawn is None:
        held = np.random.default_rng(seed).choice(num_rows, size=sum(counts), replace=False)
        drawn = held[: counts[0]], held[counts[0] :]
    parts[drawn[0]], parts[drawn[1]] = VALIDATION, TEST
    return parts, f"{how}."


def is_categorical(labels: np.ndarray) -> bool:
    """Return whether labels are classes and not amounts: text, or few whole numbers."""
    return labels.dtype.kind in "USb" or (labels.dtype.kind in "iu" and len(np.unique(labels)) <= _MOST_CLASSES)


def _stratified(labels: np.ndarray, counts: list[int], seed: int) -> tuple[tuple[np.ndarray, np.ndarray] | None, str]:
    from sklearn.model_selection import train_test_split

    if not is_categorical(labels):
        return None, "the label is an amount and no class"
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    held = [count for count in counts if count]
    # every class needs a row in each subset; scikit-learn refuses the rest
    if sizes.min() * min(held) < len(labels) or sizes.min() < 4 or min(held) < len(sizes):
        return None, "a class has too few rows"
    rows = np.arange(len(labels))
    rest, validation = map(np.asarray, train_test_split(rows, test_size=counts[0], stratify=codes, random_state=seed))
    if not counts[1]:
        return (validation, rest[:0]), ""
    if np.bincount(codes[rest]).min() < 2:
        return None, "a class has too few rows"
    _, test = train_test_split(rest, test_size=counts[1], stratify=codes[rest], random_state=seed)
    return (validation, np.asarray(test)), ""


def label_values(name: str, values: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of a plain column, and which rows have one; the label of others means nothing."""
    kind, values = guess(values)
    if kind == "other":
        got = f"{name!r} of {values.type}"
        raise invalid("label", "name a column of numbers or text", got, "Take another.")
    if kind == "text":
        there = np.asarray(values.is_valid().to_pylist(), bool)
        found = np.asarray(values.fill_null("").to_pylist(), dtype=np.str_)
    else:
        numbers = Column("label", kind).numbers(values)
        there = ~np.isnan(numbers)
        found = np.where(there, numbers, 0)
    if not there.any():
        raise DataError(f"labels must not all be missing, got no label in {name}. Take another `label`.")
    return tidy(found), there


def tidy(labels: np.ndarray) -> np.ndarray:
    """Return whole numbers as int64, other numbers as float64, texts as they are."""
    if labels.dtype.kind in "US":
        return labels.astype(np.str_)
    if labels.dtype.kind in "biu":
        return labels.astype(np.int64)
    whole = bool(np.isfinite(labels).all() and (labels == np.floor(labels)).all() and (abs(labels) < 2**53).all())
    return labels.astype(np.int64 if whole else np.float64)


def label_texts(values: np.ndarray, *, numbers: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return where raw values have a label, and the labels as texts, read as in training; of `numbers`, 3.0 is 3."""
    column = pa.chunked_array([pa.array(values, from_pandas=True)])
    kind, found = guess(column) if numbers else ("text", column)
    if kind == "text":
        there = found.is_valid().to_numpy()
        return there, np.array([str(value) for value in found.to_pylist()], np.str_)
    given = Column("label", kind).numbers(found)
    there = np.isfinite(given)
    return there, tidy(np.where(there, given, 0)).astype(np.str_)


def with_test_labels(labels: Labels, test: np.ndarray | None) -> tuple[Labels | None, list[str]]:
    """Return the labels with those of separate test rows, and sentences on what does not fit."""
    train, validation, _ = labels
    if test is None:
        return None, ["Labels are left out: the test rows have none."]
    if (train.dtype.kind == "U") != (test.dtype.kind == "U"):
        raise DataError("labels of the test file must be of the kind of the training labels, got text and numbers.")
    new = np.setdiff1d(test, train) if is_categorical(train) else test[:0]
    if len(new) and len(new) == len(np.unique(test)):
        raise DataError(
            f"labels of the test file must be among {_quoted(np.unique(train))}, got {_quoted(new)}."
            " Spell them alike in both files, or leave the label out with `drop`."
        )
    notes = [f"The test file has labels that training has not: {_quoted(new)}."] if len(new) else []
    return (train, validation, test), notes


def _quoted(labels: np.ndarray) -> str:
    """Return texts in quotes: a dot or a space at their end is seen."""
    return join_names(map(repr, labels.tolist()))
