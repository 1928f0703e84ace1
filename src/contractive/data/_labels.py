"""Labels of any source as one array of whole numbers, numbers or text."""

import numpy as np
import pyarrow as pa

from contractive.data._columns import Column, guess
from contractive.data._columns import numbers as read_numbers
from contractive.data._errors import DataError, listed
from contractive.data._parts import is_categorical


def label_values(name: str, values: pa.ChunkedArray) -> np.ndarray:
    """Labels of a plain column.

    Raises:
        DataError: Missing labels, or values that are no labels.
    """
    kind, values = guess(values)
    if kind == "other":
        raise DataError(f"--label must name a column of numbers or text, got {name!r} of {values.type}. Take another.")
    if kind == "text":
        _check_missing(name, values.null_count)
        return np.asarray(values.to_pylist(), dtype=np.str_)
    given = read_numbers(Column(name, kind), values)
    _check_missing(name, int(np.isnan(given).sum()))
    return tidy(given)


def tidy(labels: np.ndarray) -> np.ndarray:
    """Whole numbers as int64, other numbers as float64, texts as they are."""
    if labels.dtype.kind in "US":
        return labels.astype(np.str_)
    if labels.dtype.kind in "biu":
        return labels.astype(np.int64)
    whole = bool(np.isfinite(labels).all() and (labels == np.floor(labels)).all() and (abs(labels) < 2**53).all())
    return labels.astype(np.int64 if whole else np.float64)


def label_texts(values: np.ndarray, *, numbers: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return where there is a label, and the labels as texts, read as in training.

    Args:
        values: As they stand in a source.
        numbers: Labels are numbers, so that 3.0 is 3.
    """
    column = pa.chunked_array([pa.array(values, from_pandas=True)])
    kind, found = guess(column) if numbers else ("text", column)
    if kind == "text":
        there = found.is_valid().to_numpy()
        return there, np.array([str(value) for value in found.to_pylist()], np.str_)
    given = read_numbers(Column("label", kind), found)
    there = np.isfinite(given)
    return there, tidy(np.where(there, given, 0)).astype(np.str_)


def check_test_labels(train: np.ndarray, test: np.ndarray) -> str | None:
    """Refuse test labels that have nothing in common with those of training; a sentence where some are new.

    Raises:
        DataError: Another kind, or no class in common.
    """
    if (train.dtype.kind == "U") != (test.dtype.kind == "U"):
        raise DataError("labels of the test file must be of the kind of the training labels, got text and numbers.")
    if not is_categorical(train):
        return None
    known, new = np.unique(train), np.setdiff1d(test, train)
    if len(new) == len(np.unique(test)):
        raise DataError(
            f"labels of the test file must be among {_quoted(known)}, got {_quoted(new)}."
            " Spell them alike in both files, or leave the label out with --drop."
        )
    return f"The test file has labels that training has not: {_quoted(new)}." if len(new) else None


def _quoted(labels: np.ndarray) -> str:
    """Texts in quotes: a dot or a space at their end is seen."""
    return listed(map(repr, labels.tolist()))


def _check_missing(name: str, count: int) -> None:
    if count:
        raise DataError(f"labels must not be missing, got {count} missing in {name}. Take another --label.")
