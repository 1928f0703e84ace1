"""Labels as class numbers, and the metrics of a classifier: its errors, its layers, and a linear baseline."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from contractive import analysis
from contractive.core.errors import InvalidValue
from contractive.data import DataError, Split, is_categorical
from contractive.jacobian import squared_norm
from contractive.models import Autoencoder, Classifier
from contractive.studies.metrics import linear_probe
from contractive.training import History

UNKNOWN = -1
_CONFIDENCE = 0.95
_MOST_MISTAKES = 24
_NORM_ROWS = 500
_LINEAR_ROWS = 10_000


@dataclass(frozen=True)
class ClassLabels:
    """The labels of a split as class numbers."""

    classes: tuple[int | str, ...]  # the labels, in order; class number i is classes[i]
    numbers: tuple[np.ndarray, np.ndarray, np.ndarray]  # by part; -1: no label, or one of test rows only
    labelled: np.ndarray  # training rows whose labels are used, ascending

    @property
    def names(self) -> tuple[str, ...]:
        """The classes as text."""
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
    labels, there = split.partial_labels or (split.labels, None)
    if labels is None:
        remedy = "Name their column with `label`."
        raise DataError(field="data", rule="have labels to classify", got=f"none in {split.name}", remedy=remedy)
    train, validation, test = labels
    there = np.ones(len(train), bool) if there is None else there
    known = np.concatenate([train[there], validation])
    if not is_categorical(known):
        values = np.unique(known)
        broken = [value for value in values if float(value) % 1] if values.dtype.kind == "f" else []
        got = f"{len(values)} different numbers" + (f", not all of them whole ({broken[0]:g})" if broken else "")
        remedy = "Classes are whole numbers or texts: write them so, or choose another column."
        raise DataError(field="label", rule="name a column of classes", got=got, remedy=remedy)
    if len(np.unique(train[there])) < 2:
        rule, got = "name a column of at least two classes", f"{train[there][0]!s} alone"
        raise DataError(field="label", rule=rule, got=got, remedy="Choose another column.")
    classes = np.unique(known)
    numbers = [np.searchsorted(classes, part) for part in (train, validation)]
    nearest = np.minimum(np.searchsorted(classes, test), len(classes) - 1)
    numbers.append(np.where(classes[nearest] == test, nearest, UNKNOWN))
    numbers[0] = np.where(there, numbers[0], UNKNOWN)
    rows = np.flatnonzero(there)
    count = len(rows) if labels_used is None else labels_used
    if not len(classes) <= count <= len(rows):
        with_label = "" if len(rows) == len(train) else " that have a label"
        rule = f"lie between the {len(classes)} classes and the {len(rows)} training rows{with_label}"
        raise InvalidValue("labels_used", rule, count, "Leave it out to use all.")
    labelled = rows[balanced(numbers[0][rows], count, np.random.default_rng(seed))]
    return ClassLabels(tuple(classes.tolist()), (numbers[0], numbers[1], numbers[2]), labelled)


def balanced(labels: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """Draw `count` rows by their class numbers, as many of each class as can be; a small class gives all its rows."""
    order = generator.permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    sizes = np.bincount(labels)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)  # within the class
    turns = np.lexsort((generator.random(len(labels)), rank))  # all first rows of classes, then all second ones, ...
    return np.sort(by_class[turns[:count]])


@dataclass(frozen=True)
class Evaluation:
    """Errors of a classifier."""

    rows: int  # that were evaluated
    wrong: int  # of them, those that were given another class than theirs
    error: float  # share of wrong rows
    interval: tuple[float, float]  # 95 % confidence interval of that share, by Wilson's score
    loss: float  # mean negative log-likelihood in nats, over rows of known classes
    confusion: tuple[tuple[int, ...], ...]  # rows by true class (row) and given class (column), unknown ones left out
    class_error: tuple[float | None, ...]  # share of wrong rows of each class; None for a class without rows
    unknown: int  # rows of a class that was not trained on; all of them are wrong

    def __post_init__(self) -> None:
        num = len(self.class_error)
        if [len(row) for row in self.confusion] != [num] * num:
            raise ValueError(f"the confusion matrix is not {num} by {num}")


@dataclass(frozen=True)
class Mistakes:
    """The wrong rows with the most confident predictions, the most confident first."""

    rows: np.ndarray  # prepared, (mistakes, features)
    number: np.ndarray  # which of the evaluated rows they are, from 0
    true: np.ndarray  # their class numbers; -1 for a class that was not trained on
    given: np.ndarray  # class numbers they were given
    probability: np.ndarray  # of the class given


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
    """Metrics of a layer, or of several together, on validation rows."""

    units: int  # numbers per code
    squared_norm: float  # mean ||J||_F^2, exact, at up to 500 rows
    saturation: float | None  # share of saturated activations; None for activations without bounds
    dead: float  # share of units that hardly vary


@dataclass(frozen=True)
class LayerMetrics:
    """Metrics of a layer after pretraining."""

    layer: int  # its number, from 1
    epochs: int  # of its training
    seconds: float  # of its training
    reconstruction_error: float  # of what it sees: rows of the data, or codes of the layer below
    r2: float  # explained variance of the same
    encoder: EncoderMetrics  # of its own map


@dataclass(frozen=True)
class ClassifierMetrics:
    """Metrics of a finished run, and what happened in training."""

    epochs: int  # of fine-tuning
    best_epoch: int  # whose weights the classifier has
    stopped_early: bool  # true where patience ended the fine-tuning
    seconds: float  # of all epochs, pretraining included
    labels_used: int  # training rows whose labels were used
    test: Evaluation  # errors on test rows
    validation: Evaluation  # errors on validation rows
    train_error: float  # share of wrong labelled training rows in the best epoch
    linear_error: float  # test error of a linear classifier on the features
    components_error: float | None  # on as many principal components as the top layer has units, if below the features
    linear_labels: int  # labels that each was fitted to
    before: EncoderMetrics  # all layers together after pretraining
    after: EncoderMetrics  # all layers together after fine-tuning
    pretraining: tuple[LayerMetrics, ...] = ()  # each layer after its pretraining
    warnings: tuple[str, ...] = ()  # sentences on what collapsed
    collapsed: bool = False  # true where all rows have about the same probabilities


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
    """Return the test error of logistic regression on the features, and the number of its labels, at most 10,000."""
    from sklearn.exceptions import ConvergenceWarning

    chosen = np.linspace(0, len(x) - 1, min(len(x), _LINEAR_ROWS)).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline need not be exact
        fitted = linear_probe(x[torch.from_numpy(chosen)].numpy(), labels[chosen])
    return float(1 - fitted.score(test.numpy(), test_labels)), len(chosen)
