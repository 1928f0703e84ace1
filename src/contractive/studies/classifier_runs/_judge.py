"""How well a classifier does on rows with labels."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from contractive.analysis import apply
from contractive.models import Classifier
from contractive.studies.classifier_runs._task import UNKNOWN

CONFIDENCE = 0.95
_MOST_MISTAKES = 24


@dataclass(frozen=True)
class Judged:
    """Errors of a classifier.

    Attributes:
        rows: Judged.
        wrong: Of them those given another class than theirs.
        error: Share of wrong rows.
        interval: Of that share, 95 %, by Wilson's score: what other rows of the same kind may give.
        loss: Mean negative log-likelihood in nats, over rows of known classes.
        confusion: Number of rows by true class (row) and given class (column); rows of unknown classes are left out.
        class_error: Share of wrong rows of each class; None for a class without rows.
        unknown: Rows of a class that was not trained on; all of them are wrong.
    """

    rows: int
    wrong: int
    error: float
    interval: tuple[float, float]
    loss: float
    confusion: tuple[tuple[int, ...], ...]
    class_error: tuple[float | None, ...]
    unknown: int

    def to_dict(self) -> dict[str, Any]:
        """For `metrics.json`."""
        return asdict(self)


@dataclass(frozen=True)
class Mistakes:
    """The wrong rows of which the classifier was surest, surest first.

    Attributes:
        rows: Prepared, (mistakes, features).
        number: Which of the judged rows they are, from 0.
        true: Their class numbers; -1 for a class that was not trained on.
        given: Class numbers they were given.
        probability: Of the class given.
    """

    rows: np.ndarray
    number: np.ndarray
    true: np.ndarray
    given: np.ndarray
    probability: np.ndarray


def judge(classifier: Classifier, x: Tensor, labels: np.ndarray) -> Judged:
    """Judge a classifier on the rows x (rows, features) with class numbers, -1 for a class that it does not know.

    Raises:
        ValueError: No rows, or not one label per row.
    """
    if len(x) == 0 or labels.shape != (len(x),):
        raise ValueError(f"labels must be one per row, got {labels.shape} for {len(x)} rows. Match them.")
    logits = apply(classifier, x)
    given, num = logits.argmax(1).cpu().numpy(), logits.shape[1]
    known = labels != UNKNOWN
    confusion = np.bincount(labels[known] * num + given[known], minlength=num * num).reshape(num, num)
    wrong = int((given != labels).sum())
    where = torch.from_numpy(np.flatnonzero(known))
    losses = classifier.loss(logits[where], torch.from_numpy(labels[known]).long())
    sizes = confusion.sum(1).tolist()
    return Judged(
        rows=len(x),
        wrong=wrong,
        error=wrong / len(x),
        interval=interval(wrong, len(x)),
        loss=float(losses.mean()),
        confusion=tuple(map(tuple, confusion.tolist())),
        class_error=tuple(
            1 - right / size if size else None for right, size in zip(confusion.diagonal().tolist(), sizes, strict=True)
        ),
        unknown=int((~known).sum()),
    )


def mistakes(classifier: Classifier, x: Tensor, labels: np.ndarray) -> Mistakes:
    """The wrong rows of which it is surest, at most 24."""
    chances, given = classifier.probabilities(apply(classifier, x)).max(1)
    probability, classes = chances.cpu().numpy(), given.cpu().numpy()
    wrong = np.flatnonzero(classes != labels)
    chosen = wrong[np.argsort(-probability[wrong], kind="stable")][:_MOST_MISTAKES]
    rows = x[torch.from_numpy(chosen)].cpu().numpy()
    return Mistakes(rows, chosen, labels[chosen], classes[chosen], probability[chosen])


def interval(count: int, rows: int) -> tuple[float, float]:
    """Wilson's 95 % interval of the share count / rows."""
    from scipy.stats import binomtest

    found = binomtest(count, rows).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)
