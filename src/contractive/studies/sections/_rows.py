"""The rows that a model is measured on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from contractive import analysis
from contractive.studies.sections._analysis import DataSummary

_MOST_CLASSES = 50
_LEAST_PER_CLASS = 4
NO_LABELS = "the data have no labels"


@dataclass(frozen=True)
class Rows:
    """Prepared rows, with what is known of them.

    Attributes:
        data: What they are.
        measured: Rows that are measured, (rows, features).
        reference: Rows that the model was trained on; the measured rows themselves for new data.
        labels: Class numbers of `measured` from 0, or None.
        reference_labels: Class numbers of `reference`.
        no_classes: Why there are no labels, as words that end a sentence; empty if there are.
    """

    data: DataSummary
    measured: Tensor
    reference: Tensor
    labels: Tensor | None = None
    reference_labels: Tensor | None = None
    no_classes: str = NO_LABELS

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
    """Number the labels of each split from 0.

    Returns:
        Class numbers of each split, names of the classes, and an empty text; for labels that are no classes nothing,
        no names, and why.
    """
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
