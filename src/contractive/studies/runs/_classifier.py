"""The classifier task: stacked layers, pretrained without labels, fine-tuned on the labels there are."""

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, Self

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from contractive import training
from contractive.core.artifacts import write_arrays
from contractive.core.errors import InvalidValue, check_choice
from contractive.core.settings import check_settings, setting
from contractive.data import Split, check_fits
from contractive.models import Activation, Autoencoder, Classifier, Recipe, StorageError, encoder, stack
from contractive.objectives import OBJECTIVES, LossName, Objective, ObjectiveSettings
from contractive.studies.runs._autoencoder import check_loss, value_range
from contractive.studies.runs._evaluate import (
    EncoderMetrics,
    Evaluation,
    LayerMetrics,
    Mistakes,
    encoder_metrics,
    evaluate,
    layer_metrics,
    linear_baseline,
    mistakes,
)
from contractive.studies.runs._folder import HistoryTable, RunError, read_run_arrays
from contractive.studies.runs._labels import ClassLabels, class_labels
from contractive.studies.runs._task import Fitted, Job, RowFunction, Run, Task, TaskSettings
from contractive.training import CollapseWarning, Device, History, tangent_files

PREDICTED = "predicted"
PRETRAINING, MISTAKES = "pretraining.csv", "mistakes.npz"
_FINE_TUNING, _TANGENTS = "fine-tuning.ckpt", "tangents.npy"
_PENALTY = 0.03  # weight of a penalty, against an error summed over features
_MANY_ROWS = 5000
_MANY_FEATURES = 256
_PRETRAINING_STEPS, _FINE_TUNING_STEPS = (1000, 10), (2500, 20)  # steps and epochs, the least of either
_MOST_EPOCHS = 500
_LAST_RATE = 0.2  # what the decay leaves of the learning rates
_COPIES = 6  # of the weights: pretraining, fine-tuning, best and latest


@dataclass(frozen=True)
class ClassifierSettings(TaskSettings[Classifier, "ClassifierMetrics"]):
    """Layers, pretraining and fine-tuning of one run; None is for a default that depends on the data (`completed`).

    The metadata of each field hold its help. `classes` are those of the data, in order; they are never given.

    Raises:
        InvalidValue: A setting out of range.
        InvalidType: A setting of another type.
    """

    objective: str = setting("contractive", "Objective of pretraining, or none for no pretraining.")
    weight: float | None = setting(
        None, "Weight of its penalty (denoising: sigma of the noise).", by_data="0.03; denoising 0.3", least=0
    )
    hidden: tuple[int, ...] | None = setting(
        None, "Units of each layer, from the data upwards.", by_data="256,256, or 500,500 from 256 features"
    )
    activation: Activation = setting("sigmoid", "Activation of every layer.")
    decoder: Activation | None = setting(
        None, "Activation of the lowest decoder layer.", by_data="sigmoid for data in [0, 1], else linear"
    )
    loss: LossName = setting("squared_error", "Reconstruction loss of pretraining, summed over features.")
    pretraining_epochs: int | None = setting(
        None, "Passes of each layer over all training rows; 0 for none.", least=0,
        by_data="enough for 1000 steps, from 10 to 500",
    )  # fmt: skip
    pretraining_rate: float | None = setting(
        None, "Adam learning rate of pretraining.", by_data="0.003, or 0.001 above 5000 rows", positive=True
    )
    pretraining_batch_size: int | None = setting(
        None, "Rows per step of pretraining.", by_data="32, or 128 above 5000 rows", least=1
    )
    labels_used: int | None = setting(
        None, "Number of training rows that keep their labels, balanced over the classes.", by_data="all", least=1
    )
    output: Literal["softmax", "sigmoid"] | None = setting(
        None, "Output: softmax, or one sigmoid per class.", by_data="softmax; sigmoid with tangents"
    )
    tangents: int = setting(
        0,
        "Directions per row along which the outputs should not change (Rifai et al., NIPS 2011); 0 for none.",
        least=0,
    )
    tangent_weight: float = setting(0.1, "Weight of the term of these directions.", least=0)
    tangents_per_step: int | None = setting(
        None, "Number of these directions that are drawn for each step.", by_data="all", least=1
    )
    jacobian_weight: float = setting(0.0, "Weight of ||J||_F^2 of all layers in fine-tuning.", least=0)
    max_epochs: int | None = setting(
        None, "Passes of fine-tuning over the labelled rows.", by_data="enough for 2500 steps, from 20 to 500", least=1
    )
    batch_size: int = setting(20, "Rows per step of fine-tuning.", least=1)
    learning_rate: float = setting(
        0.5, "Learning rate of the layers in fine-tuning by gradient descent.", positive=True
    )
    output_rate: float | None = setting(
        None, "Learning rate of the output layer.", by_data="that of the layers", positive=True
    )
    decay: float | None = setting(
        None, "Factor of both learning rates after every epoch.", by_data="to a fifth over all epochs", positive=True
    )
    patience: int | None = setting(
        None, "Stop after this many epochs without a lower validation error (or the same error and a lower loss).",
        by_data="train all epochs", least=1,
    )  # fmt: skip
    seed: int = setting(0, "Random seed of weights, row order, noise and the choice of labels.")
    device: Device = setting("auto", "Device: auto, cpu, cuda or mps.")
    classes: tuple[int | str, ...] | None = None

    def __post_init__(self) -> None:
        check_settings(self)
        training.check_seed(self.seed)
        check_choice("objective", self.objective, (*OBJECTIVES, "none"))
        if self.decay is not None and self.decay > 1:
            raise InvalidValue("decay", "be at most 1", self.decay, "1 keeps the learning rates constant.")
        if self.hidden is not None and min(self.hidden, default=0) < 1:
            raise InvalidValue("hidden", "be widths of at least 1", self.hidden, "For instance 1000,1000.")
        changed = self.tangents_per_step is not None or self.tangent_weight != ClassifierSettings.tangent_weight
        if not self.tangents and changed:
            raise InvalidValue("tangents", "be at least 1 for settings of their term", 0, "For instance 15.")

    def completed(self, split: Split) -> Self:
        """Return the settings with the classes and the defaults of the data, checked against the data.

        Raises:
            DataError: Data without classes, on disk, or that do not fit the loss or the memory.
            InvalidValue: More labels or directions than there are.
        """
        split.in_memory()
        found = class_labels(split, self.labels_used, seed=self.seed)
        many, wide = len(split.train) > _MANY_ROWS, split.features >= _MANY_FEATURES
        low, high = value_range(split)
        batch_size = self.pretraining_batch_size or (128 if many else 32)
        max_epochs = self.max_epochs or _epochs(len(found.labelled), self.batch_size, *_FINE_TUNING_STEPS)
        pretraining_epochs = self.pretraining_epochs
        if self.objective == "none":
            weight, pretraining_epochs = 0.0, 0
        else:
            default = OBJECTIVES[self.objective].default
            weight = _PENALTY if default is None else default
            if pretraining_epochs is None:
                pretraining_epochs = _epochs(len(split.train), batch_size, *_PRETRAINING_STEPS)
        made = replace(
            self,
            weight=weight if self.weight is None else self.weight,
            hidden=self.hidden or ((500, 500) if wide else (256, 256)),
            decoder=self.decoder or ("sigmoid" if low >= 0 and high <= 1 else "linear"),
            pretraining_epochs=pretraining_epochs,
            pretraining_rate=self.pretraining_rate or (1e-3 if many else 3e-3),
            pretraining_batch_size=batch_size,
            output=self.output or ("sigmoid" if self.tangents else "softmax"),
            max_epochs=max_epochs,
            decay=self.decay or _LAST_RATE ** (1 / max_epochs),
            classes=found.classes,
        )
        check_loss(made.loss, made.decoder, low, high)
        made._check_size(split.features)
        return made

    def _check_size(self, features: int) -> None:
        if self.loss == "cross_entropy" and len(self.widths) > 1 and self.activation != "sigmoid":
            raise InvalidValue(
                "activation",
                "be sigmoid for more than one layer with the loss cross_entropy",
                repr(self.activation),
                "The codes are the data of the next layer. Or leave `loss` out.",
            )
        most = min(features, *self.widths)
        if self.tangents > most:
            rule = f"be at most {most}, the smallest number of features or units"
            raise InvalidValue("tangents", rule, self.tangents, "Give a smaller number.")
        weights = sum(below * above for below, above in pairwise((features, *self.widths)))
        check_fits("the network", _COPIES * 4 * weights, "Give smaller `hidden` widths.")

    @property
    def is_completed(self) -> bool:
        """True where no default is missing."""
        needed = (self.hidden, self.decoder, self.output, self.max_epochs, self.pretraining_epochs, self.decay)
        return None not in needed and len(self.classes or ()) > 1

    def check_machine(self) -> None:
        """Refuse a device that this machine does not have."""
        training.check_device(self.device)

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer of completed settings."""
        assert self.hidden is not None
        return self.hidden

    def build(self, features: int) -> tuple[Autoencoder, ...]:
        """Return the layers of completed settings with fresh weights."""
        assert self.decoder is not None
        return stack(features, self.widths, activation=self.activation, output=self.decoder, seed=self.seed)

    def classifier(self, layers: tuple[Autoencoder, ...]) -> Classifier:
        """Return copies of the layers' encoders with a fresh output layer."""
        assert self.output is not None and self.classes is not None
        num = len(self.classes)
        return Classifier(encoder(layers), self.widths[-1], num, output=self.output, seed=self.seed)

    def make_objective(self) -> Objective:
        """Return the objective that pretraining minimises."""
        return ObjectiveSettings(self.objective, self.weight, self.loss).make()


def _epochs(rows: int, batch_size: int, steps: int, least: int) -> int:
    """Epochs that make so many steps, within bounds."""
    return min(_MOST_EPOCHS, max(least, math.ceil(steps / math.ceil(rows / batch_size))))


@dataclass(frozen=True)
class ClassifierMetrics:
    """Metrics of a finished run, and what happened in training.

    Attributes:
        epochs: Of fine-tuning.
        best_epoch: Whose weights the classifier has.
        stopped_early: True where patience ended the fine-tuning.
        seconds: Of all epochs, pretraining included.
        labels_used: Training rows whose labels were used.
        test: Errors on test rows.
        validation: Errors on validation rows.
        train_error: Share of wrong labelled training rows in the best epoch.
        linear_error: Test error of a linear classifier on the features.
        linear_labels: Labels that it was fitted to.
        before: All layers together after pretraining.
        after: All layers together after fine-tuning.
        pretraining: Each layer after its pretraining.
        warnings: Sentences on what collapsed.
    """

    epochs: int
    best_epoch: int
    stopped_early: bool
    seconds: float
    labels_used: int
    test: Evaluation
    validation: Evaluation
    train_error: float
    linear_error: float
    linear_labels: int
    before: EncoderMetrics
    after: EncoderMetrics
    pretraining: tuple[LayerMetrics, ...] = ()
    warnings: tuple[str, ...] = ()


class Probabilities(nn.Module):
    """A classifier whose result is the probabilities of its classes, (rows, classes)."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to prepared rows (rows, features)."""
        return self.classifier.probabilities(self.classifier(x))


@dataclass(frozen=True)
class ClassifierRun(Run[Classifier, ClassifierMetrics]):
    """A run on disk: a classifier. Its attributes are those of `Run`."""

    settings: ClassifierSettings

    @property
    def num_units(self) -> int:
        """Numbers per code: units of the highest layer."""
        return self.settings.widths[-1]

    @property
    def classes(self) -> tuple[int | str, ...]:
        """The labels by class number: whole numbers or texts."""
        return self.settings.classes or ()

    @property
    def names(self) -> tuple[str, ...]:
        """The classes as texts."""
        return tuple(map(str, self.classes))

    def model(self) -> Classifier:
        """Return the classifier, in evaluation mode; it takes prepared rows and gives logits.

        Raises:
            RunError: Training has not come to its end.
            StorageError: Broken files.
        """
        self.check_trained()
        path = self.files.model
        try:
            weights = load_file(path)
        except (OSError, ValueError, SafetensorError) as error:
            raise StorageError(f"{path} cannot be read: {str(error).rstrip('.')}. Train again.") from error
        # shapes are compared before anything is made, since a changed file may ask for too much
        shapes: dict[str, tuple[int, ...]] = {}
        for layer, (below, above) in enumerate(pairwise((self.preparation.features, *self.settings.widths))):
            at = f"encoder.{2 * layer}"  # an activation between any two
            shapes |= {f"{at}.weight": (above, below), f"{at}.bias": (above,)}
        shapes |= {"linear.weight": (len(self.classes), self.num_units), "linear.bias": (len(self.classes),)}
        if {name: tuple(part.shape) for name, part in weights.items()} != shapes:
            raise StorageError(f"{path} does not hold the weights that config.json describes. Train again.")
        classifier = self.settings.classifier(self.settings.build(self.preparation.features))
        classifier.load_state_dict(weights)
        return classifier.eval()

    def parts(self) -> dict[str, nn.Module]:
        """Return `encoder`, the fine-tuned layers, and `classifier`, the probabilities."""
        classifier = self.model()
        return {"encoder": classifier.encoder, "classifier": Probabilities(classifier).eval()}

    def row_functions(self) -> dict[str, RowFunction]:
        """Return `encode`, and `predict`: the class and the probability of each class."""
        columns, classes = (PREDICTED, *(f"p_{name}" for name in self.names)), np.asarray(self.classes)

        def finish(chances: np.ndarray) -> dict[str, np.ndarray]:
            return dict(zip(columns, (classes[chances.argmax(1)], *chances.T), strict=True))

        return super().row_functions() | {"predict": RowFunction(self.parts()["classifier"], columns, finish)}

    def metrics(self) -> ClassifierMetrics | None:
        """Return the metrics; None while training is not finished.

        Raises:
            RunError: A broken file, or one of other classes.
        """
        found = super().metrics()
        if found and any(len(part.class_error) != len(self.classes) for part in (found.test, found.validation)):
            raise RunError(f"{self.files.metrics} does not fit the {len(self.classes)} classes. It was changed.")
        return found

    def pretraining(self) -> list[dict[str, float]]:
        """Return the history of each layer's pretraining, with the column `layer` from 1."""
        return HistoryTable(self.folder / PRETRAINING).read()

    def mistakes(self) -> Mistakes:
        """Return the wrong test rows with the most confident predictions.

        Raises:
            RunError: A broken file.
        """
        path = self.folder / MISTAKES
        found = Mistakes(**read_run_arrays(path, *Mistakes.__dataclass_fields__))
        lengths = {array.shape[:1] for array in vars(found).values()}
        inside = [bool(((array < len(self.classes)) & (array >= -1)).all()) for array in (found.true, found.given)]
        if len(lengths) > 1 or found.rows.shape[1:] != (self.preparation.features,) or not all(inside):
            raise RunError(f"{path} does not hold rows of the data. It was changed; train again.")
        return found


class ClassifierTask(Task[ClassifierSettings, Classifier, ClassifierMetrics]):
    """Pretrain layer upon layer on all training rows, then train all of them on the labels that are used."""

    name, command = "classifier", "contractive classify"
    uses = "contractive predict, encode, projector, export and info"
    settings, metrics, run = ClassifierSettings, ClassifierMetrics, ClassifierRun
    own_files = (PRETRAINING, MISTAKES)

    def recipe(self, settings: ClassifierSettings, split: Split) -> Recipe:
        """Return the architecture of the classifier."""
        arguments = {name: getattr(settings, name) for name in ("hidden", "activation", "output")}
        return Recipe(self.name, {"features": split.features, "classes": len(settings.classes or ()), **arguments})

    def fit(self, job: Job[ClassifierSettings]) -> Fitted[Classifier]:
        """Train the layers, then the classifier; each stage resumes at its checkpoint."""
        layers = job.settings.build(job.split.features)
        histories = _pretrain(job, layers)
        classifier = job.settings.classifier(layers)
        return Fitted(classifier, _fine_tune(job, classifier), layers, histories)

    def measure(self, job: Job[ClassifierSettings], fitted: Fitted[Classifier]) -> ClassifierMetrics:
        """Return the metrics on validation and test rows; the most confident mistakes go into a file."""
        classifier, history, layers, histories = fitted
        labels, labelled, classes = _labelled(job)
        validation, test = (torch.from_numpy(rows) for rows in (job.split.validation, job.split.test))
        _, of_validation, of_test = labels.numbers
        write_arrays(job.files.folder / MISTAKES, vars(mistakes(classifier, test, of_test)))
        linear_error, linear_labels = linear_baseline(labelled, classes, test, of_test)
        return ClassifierMetrics(
            epochs=len(history),
            best_epoch=history.best_epoch,
            stopped_early=history.stopped_early,
            seconds=history.seconds + sum(each.seconds for each in histories),
            labels_used=len(labelled),
            test=evaluate(classifier, test, of_test),
            validation=evaluate(classifier, validation, of_validation),
            train_error=history["train_error"][history.best_epoch - 1],
            linear_error=linear_error,
            linear_labels=linear_labels,
            before=encoder_metrics(encoder(layers), validation),
            after=encoder_metrics(classifier.encoder, validation),
            pretraining=layer_metrics(layers, histories, validation),
            warnings=tuple(f"Layer {i}: {text}" for i, each in enumerate(histories, 1) for text in each.warnings),
        )


def _labelled(job: Job[ClassifierSettings]) -> tuple[ClassLabels, Tensor, np.ndarray]:
    """(labels of all rows, training rows whose labels are used, their class numbers)."""
    labels = class_labels(job.split, job.settings.labels_used, seed=job.settings.seed)
    return (
        labels,
        torch.from_numpy(job.split.train)[torch.from_numpy(labels.labelled)],
        labels.numbers[0][labels.labelled],
    )


def _pretrain(job: Job[ClassifierSettings], layers: tuple[Autoencoder, ...]) -> tuple[History, ...]:
    settings = job.settings
    if not settings.pretraining_epochs:
        return ()
    rows: list[Mapping[str, float]] = []
    finished = 0

    def keep(layer: int, history: History) -> None:
        nonlocal finished
        finished = layer + 1
        rows.extend({"layer": finished, **row} for row in history.rows)
        HistoryTable(job.files.folder / PRETRAINING).write(rows)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)  # the metrics carry the sentence
        return training.pretrain(
            layers,
            job.split.train,
            settings.make_objective(),
            validation=job.split.validation,
            seed=settings.seed,
            checkpoints=job.files.checkpoints,
            on_layer=keep,
            max_epochs=settings.pretraining_epochs,
            batch_size=settings.pretraining_batch_size,
            learning_rate=settings.pretraining_rate,
            schedule="cosine",
            device=settings.device,
            progress=False,
            checkpoint_seconds=job.checkpoint_seconds,
            callbacks=job.callbacks(lambda: f"layer {finished + 1} of {len(layers)}"),
        )


def _fine_tune(job: Job[ClassifierSettings], classifier: Classifier) -> History:
    settings = job.settings
    labels, labelled, classes = _labelled(job)
    table = HistoryTable(job.files.history, job.checkpoint_seconds)
    try:
        rows: list[Mapping[str, float]] = [*table.read()]  # that were written before the run was interrupted
    except RunError:
        rows = []

    def keep(row: Mapping[str, float]) -> None:
        rows[:] = [*(old for old in rows if old.keys() == row.keys() and old["epoch"] < row["epoch"]), row]
        table.update(rows)
        job.on_progress("fine-tuning", int(row["epoch"]), settings.max_epochs or 0)

    assert settings.max_epochs is not None and settings.decay is not None
    tangents = _tangents(job, classifier, labelled) if settings.tangents else None
    found = training.fine_tune(
        classifier,
        labelled,
        classes,
        validation=(job.split.validation, labels.numbers[1]),
        max_epochs=settings.max_epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        output_rate=settings.output_rate,
        decay=settings.decay,
        patience=settings.patience,
        regularisation=training.Regularisation(
            settings.jacobian_weight,
            settings.tangent_weight if settings.tangents else 0.0,
            tangents,
            settings.tangents_per_step,
        ),
        seed=settings.seed,
        device=settings.device,
        checkpoint=job.files.checkpoints / _FINE_TUNING,
        checkpoint_seconds=job.checkpoint_seconds,
        on_epoch=keep,
    )
    return History(found.rows, found.best_epoch, found.stopped_early)


def _tangents(job: Job[ClassifierSettings], classifier: Classifier, rows: Tensor) -> np.ndarray:
    """Directions of every labelled row, which lie in a file: they need not fit into memory."""
    path = job.files.checkpoints / _TANGENTS
    path.parent.mkdir(exist_ok=True)
    if not path.exists():  # a whole one is of this run: a new run removes it
        tangent_files.write(
            path,
            classifier.encoder,
            rows,
            job.settings.tangents,
            device=training.place_of(job.settings.device),
            on_rows=lambda done: job.on_progress("directions", done, len(rows)),
        )
    return tangent_files.read(path)
