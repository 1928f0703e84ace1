"""Errors of a classifier on rows with labels, metrics of its layers, and a linear classifier to compare with."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contractive import analysis
from contractive.jacobian import squared_norm
from contractive.models import Autoencoder, Classifier
from contractive.studies.metrics import linear_probe
from contractive.studies.runs._labels import UNKNOWN
from contractive.training import History

_CONFIDENCE = 0.95
_MOST_MISTAKES = 24
_NORM_ROWS = 500
_LINEAR_ROWS = 10_000


@dataclass(frozen=True)
class Evaluation:
    """Errors of a classifier.

    Attributes:
        rows: That were evaluated.
        wrong: Those of them that were given another class than theirs.
        error: Share of wrong rows.
        interval: 95 % confidence interval of that share (Wilson's score), for other rows of the same kind.
        loss: Mean negative log-likelihood in nats, over rows of known classes.
        confusion: Number of rows by true class (row) and given class (column), without rows of unknown classes.
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

    def __post_init__(self) -> None:
        num = len(self.class_error)
        if [len(row) for row in self.confusion] != [num] * num:
            raise ValueError(f"the confusion matrix is not {num} by {num}")


@dataclass(frozen=True)
class Mistakes:
    """The wrong rows with the most confident predictions, the most confident first.

    Attributes:
        rows: Prepared, (mistakes, features).
        number: Which of the evaluated rows they are, from 0.
        true: Their class numbers; -1 for a class that was not trained on.
        given: Class numbers they were given.
        probability: Of the class given.
    """

    rows: np.ndarray
    number: np.ndarray
    true: np.ndarray
    given: np.ndarray
    probability: np.ndarray


def evaluate(classifier: Classifier, x: Tensor, labels: np.ndarray) -> Evaluation:
    """Evaluate a classifier on the rows x (rows, features) with class numbers, -1 for a class that it does not know.

    Raises:
        ValueError: No rows, or not one label per row.
    """
    if len(x) == 0 or labels.shape != (len(x),):
        raise ValueError(f"labels must be one per row, got {labels.shape} for {len(x)} rows. Match them.")
    logits = analysis.apply(classifier, x)
    given, num = logits.argmax(1).cpu().numpy(), logits.shape[1]
    known = labels != UNKNOWN
    confusion = np.bincount(labels[known] * num + given[known], minlength=num * num).reshape(num, num)
    wrong = int((given != labels).sum())
    where = torch.from_numpy(np.flatnonzero(known))
    losses = classifier.loss(logits[where], torch.from_numpy(labels[known]).long())
    per_class = zip(confusion.diagonal().tolist(), confusion.sum(1).tolist(), strict=True)
    return Evaluation(
        rows=len(x),
        wrong=wrong,
        error=wrong / len(x),
        interval=interval(wrong, len(x)),
        loss=float(losses.mean()),
        confusion=tuple(map(tuple, confusion.tolist())),
        class_error=tuple(1 - right / size if size else None for right, size in per_class),
        unknown=int((~known).sum()),
    )


def mistakes(classifier: Classifier, x: Tensor, labels: np.ndarray) -> Mistakes:
    """Return the wrong rows with the most confident predictions, at most 24."""
    chances, given = classifier.probabilities(analysis.apply(classifier, x)).max(1)
    probability, classes = chances.cpu().numpy(), given.cpu().numpy()
    wrong = np.flatnonzero(classes != labels)
    chosen = wrong[np.argsort(-probability[wrong], kind="stable")][:_MOST_MISTAKES]
    rows = x[torch.from_numpy(chosen)].cpu().numpy()
    return Mistakes(rows, chosen, labels[chosen], classes[chosen], probability[chosen])


def interval(count: int, rows: int) -> tuple[float, float]:
    """Wilson's 95 % interval of the share count / rows."""
    from scipy.stats import binomtest

    found = binomtest(count, rows).proportion_ci(_CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


@dataclass(frozen=True)
class EncoderMetrics:
    """Metrics of a layer, or of several together, on validation rows.

    Attributes:
        units: Numbers per code.
        squared_norm: Mean ||J||_F^2, exact, at up to 500 rows.
        saturation: Share of saturated activations; None for activations without bounds.
        dead: Share of units that hardly vary.
    """

    units: int
    squared_norm: float
    saturation: float | None
    dead: float


@dataclass(frozen=True)
class LayerMetrics:
    """Metrics of a layer after pretraining.

    Attributes:
        layer: Its number, from 1.
        epochs: Of its training.
        seconds: Of its training.
        reconstruction_error: Of what it sees: rows of the data, or codes of the layer below.
        r2: Explained variance of the same.
        encoder: Of its own map.
    """

    layer: int
    epochs: int
    seconds: float
    reconstruction_error: float
    r2: float
    encoder: EncoderMetrics


def layer_metrics(layers: Sequence[Autoencoder], histories: Sequence[History], x: Tensor) -> tuple[LayerMetrics, ...]:
    """Return metrics of each pretrained layer, from the lowest up, on rows x of the data; none without histories."""
    found = []
    for number, (layer, history) in enumerate(zip(layers, histories, strict=False), 1):
        error, encoder = analysis.reconstruction(layer, x), encoder_metrics(layer.encoder, x)
        found.append(LayerMetrics(number, len(history), history.seconds, error.mean, error.r2, encoder))
        x = analysis.apply(layer.encode, x)
    return tuple(found)


@torch.no_grad()
def encoder_metrics(encoder: nn.Module, x: Tensor) -> EncoderMetrics:
    """Return the metrics of an encoder on the rows x."""
    code = analysis.codes(encoder, x)
    norms = squared_norm(encoder, analysis.spread_rows(x, _NORM_ROWS), method="exact")
    saturation = None if np.isnan(code.saturation) else code.saturation
    return EncoderMetrics(len(code.mean), float(norms.mean()), saturation, code.dead)


def linear_baseline(x: Tensor, labels: np.ndarray, test: Tensor, test_labels: np.ndarray) -> tuple[float, int]:
    """Return the test error of logistic regression on the features, and the number of its labels, at most 10,000.

    Args:
        x: Labelled rows.
        labels: Their class numbers.
        test: Rows.
        test_labels: Their class numbers.
    """
    from sklearn.exceptions import ConvergenceWarning

    chosen = np.linspace(0, len(x) - 1, min(len(x), _LINEAR_ROWS)).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline need not be exact
        fitted = linear_probe(x[torch.from_numpy(chosen)].numpy(), labels[chosen])
    return float(1 - fitted.score(test.numpy(), test_labels)), len(chosen)
