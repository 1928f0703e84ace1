"""The rows that a model is measured on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_MOST_CLASSES = 50
_LEAST_PER_CLASS = 4


@dataclass(frozen=True)
class Rows:
    """Prepared rows, with what is known of them.

    Attributes:
        name: Of the data.
        measured: What figures are of, (rows, features).
        measured_name: `test rows` or `new rows`.
        reference: What the model knows, or should: training rows; the measured rows themselves for new data.
        reference_name: `training rows` or `new rows`.
        unit: What noise of level 1 is: the root mean square over features of their standard deviation in `reference`.
        labels: Class numbers of `measured` from 0, or None.
        reference_labels: Of `reference`.
        classes: Names of the classes.
        no_classes: Why there are no labels, as words that end a sentence; empty if there are.
        image_shape: (channels, height, width) where a row is an image.
        names: Of the features; empty where they have no names of their own.
        available: Rows of each part before the limit.
        notes: Sentences on what was found or decided.
    """

    name: str
    measured: Tensor
    measured_name: str
    reference: Tensor
    reference_name: str
    unit: float
    labels: Tensor | None = None
    reference_labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    no_classes: str = "the data have no labels"
    image_shape: tuple[int, int, int] | None = None
    names: tuple[str, ...] = ()
    available: tuple[tuple[str, int], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def image(self) -> tuple[int, int] | None:
        """Height and width where a row is an image, of any number of channels."""
        return self.image_shape[1:] if self.image_shape else None

    @property
    def new(self) -> bool:
        """Whether training rows are unknown."""
        return self.reference_name == self.measured_name

    @property
    def features(self) -> int:
        """Numbers per row."""
        return self.measured.shape[1]

    @property
    def bounds(self) -> tuple[float, float] | None:
        """(0, 1) for images within it, whose pixels an attack must not leave; else None."""
        low, high = float(self.measured.min()), float(self.measured.max())
        return (0.0, 1.0) if self.image_shape and low >= 0 and high <= 1 else None


def typical_deviation(rows: Tensor) -> float:
    """Root mean square over features of their standard deviation."""
    return float(rows.var(0, correction=0).mean().sqrt())


def class_numbers(*parts: np.ndarray) -> tuple[list[Tensor], tuple[str, ...], str]:
    """Labels as numbers from 0 in each part, the classes' names, and why they are no classes (then without numbers)."""
    together = np.concatenate(parts)
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
    ends = np.cumsum([len(part) for part in parts])[:-1]
    split = np.split(numbers.reshape(-1), ends)
    return [torch.from_numpy(part.astype(np.int64)) for part in split], tuple(map(_name, known)), ""


def _name(label: object) -> str:
    return f"{label:g}" if isinstance(label, float) else str(label)
