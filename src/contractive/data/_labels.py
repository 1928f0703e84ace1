"""Labels of any source as one array of whole numbers, numbers or text."""

from typing import Any

import numpy as np
import pyarrow as pa

from contractive.data._columns import Column, guess
from contractive.data._errors import DataError, invalid, join_names
from contractive.data._split import is_categorical

Labels = tuple[np.ndarray, np.ndarray, np.ndarray]


def label_values(name: str, values: pa.ChunkedArray) -> np.ndarray:
    """Return the labels of a plain column."""
    kind, values = guess(values)
    if kind == "other":
        got = f"{name!r} of {values.type}"
        raise invalid("label", "name a column of numbers or text", got, "Take another.")
    if kind == "text":
        missing, found = values.null_count, np.asarray(values.to_pylist(), dtype=np.str_)
    else:
        found = _column(kind).numbers(values)
        missing = int(np.isnan(found).sum())
    if missing:
        raise DataError(f"labels must not be missing, got {missing} missing in {name}. Take another `label`.")
    return tidy(found)


def tidy(labels: np.ndarray) -> np.ndarray:
    """Return whole numbers as int64, other numbers as float64, texts as they are."""
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
    given = _column(kind).numbers(found)
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


def _column(kind: Any) -> Column:
    return Column("label", kind)


def _quoted(labels: np.ndarray) -> str:
    """Return texts in quotes: a dot or a space at their end is seen."""
    return join_names(map(repr, labels.tolist()))
