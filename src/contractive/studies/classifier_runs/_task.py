"""Labels as class numbers, and which of them are used."""

from dataclasses import dataclass

import numpy as np

from contractive.data import DataError, Split, is_categorical

UNKNOWN = -1


@dataclass(frozen=True)
class Task:
    """What a classifier is to learn.

    Attributes:
        classes: The labels, in order; class number i is classes[i].
        labels: Class numbers of the training, validation and test rows; -1 for a class that only test rows have.
        labelled: Training rows whose labels are used, ascending.
    """

    classes: tuple[str, ...] | tuple[int, ...]
    labels: tuple[np.ndarray, np.ndarray, np.ndarray]
    labelled: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """The classes as texts."""
        return tuple(map(str, self.classes))


def task_of(split: Split, labels_used: int | None = None, *, seed: int = 0) -> Task:
    """Number the classes of a split, and draw the training labels that are used, as many of each class as can be.

    Args:
        split: Data with labels.
        labels_used: So many of the training rows keep their labels; all if None.
        seed: Of the draw.

    Raises:
        DataError: No labels, amounts and no classes, one class only.
        ValueError: Fewer labels than classes, or more than training rows.
    """
    if split.labels is None:
        raise DataError(f"DATA must have labels to classify, got none in {split.name}. Name their column with --label.")
    train, validation, test = split.labels
    known = np.concatenate([train, validation])
    if not is_categorical(known):
        kinds = len(np.unique(known))
        raise DataError(f"labels must be classes, got {kinds} different numbers. Take another --label.")
    if len(np.unique(train)) < 2:
        raise DataError(f"labels must be of at least two classes, got {train[0]!s} alone. Take another --label.")
    classes = np.unique(known)
    numbers = [np.searchsorted(classes, part) for part in (train, validation)]
    places = np.minimum(np.searchsorted(classes, test), len(classes) - 1)
    numbers.append(np.where(classes[places] == test, places, UNKNOWN))
    count = len(train) if labels_used is None else labels_used
    if not len(classes) <= count <= len(train):
        raise ValueError(
            f"labels_used must lie between the {len(classes)} classes and the {len(train)} training rows, got {count}."
            " Leave it out to use all."
        )
    labelled = balanced(numbers[0], count, np.random.default_rng(seed))
    return Task(tuple(classes.tolist()), (numbers[0], numbers[1], numbers[2]), labelled)


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
