"""Labels as class numbers, and which of them are used."""

from dataclasses import dataclass

import numpy as np

from contractive.core.errors import InvalidValue
from contractive.data import DataError, Split, is_categorical

UNKNOWN = -1


@dataclass(frozen=True)
class ClassLabels:
    """The labels of a split as class numbers.

    Attributes:
        classes: The labels, in order; class number i is classes[i].
        numbers: Class numbers of the training, validation and test rows; -1 for a class that only test rows have.
        labelled: Training rows whose labels are used, ascending.
    """

    classes: tuple[int | str, ...]
    numbers: tuple[np.ndarray, np.ndarray, np.ndarray]
    labelled: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """The classes as texts."""
        return tuple(map(str, self.classes))


def class_labels(split: Split, labels_used: int | None = None, *, seed: int = 0) -> ClassLabels:
    """Number the classes of a split, and draw the training labels that are used, as many of each class as can be.

    Args:
        split: Data with labels.
        labels_used: So many of the training rows keep their labels; all if None.
        seed: Of the draw.

    Raises:
        DataError: No labels, amounts instead of classes, or one class only.
        InvalidValue: Fewer labels than classes, or more than training rows.
    """
    if split.labels is None:
        remedy = "Name their column with `label`."
        raise DataError(field="data", rule="have labels to classify", got=f"none in {split.name}", remedy=remedy)
    train, validation, test = split.labels
    known = np.concatenate([train, validation])
    if not is_categorical(known):
        got = f"{len(np.unique(known))} different numbers"
        raise DataError(field="label", rule="name a column of classes", got=got, remedy="Choose another column.")
    if len(np.unique(train)) < 2:
        rule, got = "name a column of at least two classes", f"{train[0]!s} alone"
        raise DataError(field="label", rule=rule, got=got, remedy="Choose another column.")
    classes = np.unique(known)
    numbers = [np.searchsorted(classes, part) for part in (train, validation)]
    nearest = np.minimum(np.searchsorted(classes, test), len(classes) - 1)
    numbers.append(np.where(classes[nearest] == test, nearest, UNKNOWN))
    count = len(train) if labels_used is None else labels_used
    if not len(classes) <= count <= len(train):
        rule = f"lie between the {len(classes)} classes and the {len(train)} training rows"
        raise InvalidValue("labels_used", rule, count, "Leave it out to use all.")
    labelled = balanced(numbers[0], count, np.random.default_rng(seed))
    return ClassLabels(tuple(classes.tolist()), (numbers[0], numbers[1], numbers[2]), labelled)


def balanced(labels: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw `count` rows, ascending, as many of each class as can be: a class with too few rows gives all it has.

    Args:
        labels: Class numbers from 0.
        count: At most the number of rows.
        generator: Source of randomness.
    """
    order = generator.permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    sizes = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # within the class
    turns = np.lexsort((generator.random(len(labels)), rank))  # all first rows of classes, then all second ones, ...
    return np.sort(by_class[turns[:count]])
