"""The classifier task: stacked layers, pretrained without labels, fine-tuned on the labels there are."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from contractive import analysis, training
from contractive.core.artifacts import read_arrays, write_arrays
from contractive.data import Split
from contractive.models import Autoencoder, Classifier, Recipe, StorageError, encoder, storage, unroll
from contractive.studies.metrics import components_of
from contractive.studies.runs._classes import (
    ClassifierMetrics,
    ClassLabels,
    Mistakes,
    class_labels,
    encoder_metrics,
    evaluate,
    layer_metrics,
    linear_baseline,
    mistakes,
)
from contractive.studies.runs._classifier_settings import ClassifierSettings
from contractive.studies.runs._folder import HistoryTable, RunError, as_run_errors
from contractive.studies.runs._task import Job, RowFunction, Run, Task, Trained
from contractive.training import CollapseWarning, History, tangent_files

PREDICTED = "predicted"
PRETRAINING, MISTAKES = "pretraining.csv", "mistakes.npz"
_FINE_TUNING, _TANGENTS = "fine-tuning.ckpt", "tangents.npy"
_OF_FINE_TUNING = ("max_epochs", "batch_size", "learning_rate", "output_rate", "decay", "patience", "seed", "device")


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
        with torch.device("meta"):  # shapes only: what a changed file asks for takes no memory before it is compared
            classifier = self.settings.classifier(self.settings.build(self.preparation.features))
        try:
            classifier.load_state_dict(storage.read_weights(path), assign=True)
        except RuntimeError as error:
            raise StorageError(f"{path} does not hold the weights that config.json describes. Train again.") from error
        return classifier.eval()

    def parts(self) -> dict[str, nn.Module]:
        """Return `encoder`, the fine-tuned layers, and `classifier`, the probabilities."""
        classifier = self.model()
        return {"encoder": classifier.encoder, "classifier": Probabilities(classifier).eval()}

    def row_functions(self, parts: dict[str, nn.Module]) -> dict[str, RowFunction]:
        """Return `encode`, and `predict`: the class and the probability of each class."""
        columns, classes = (PREDICTED, *(f"p_{name}" for name in self.names)), np.asarray(self.classes)

        def finish(chances: np.ndarray) -> dict[str, np.ndarray]:
            return dict(zip(columns, (classes[chances.argmax(1)], *chances.T), strict=True))

        return super().row_functions(parts) | {"predict": RowFunction(parts["classifier"], columns, finish)}

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
        with as_run_errors(path):
            found = Mistakes(**read_arrays(path, 2**16 + 1024 * (self.preparation.features + 16)))
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

    def fit(self, job: Job[ClassifierSettings]) -> Trained[Classifier, ClassifierMetrics]:
        """Train the layers, then the classifier; each stage resumes at its checkpoint."""
        layers = job.settings.build(job.split.features)
        histories = _pretrain(job, layers)
        classifier = job.settings.classifier(layers)
        return Trained(job.files.folder, classifier, _fine_tune(job, classifier, unroll(layers)), layers, histories)

    def measure(
        self, job: Job[ClassifierSettings], trained: Trained[Classifier, ClassifierMetrics]
    ) -> ClassifierMetrics:
        """Return the metrics on validation and test rows; the most confident mistakes go into a file."""
        classifier, history, histories = trained.model, trained.history, trained.pretraining
        labels, labelled, classes = _labelled(job)
        validation, test = (torch.from_numpy(rows) for rows in (job.split.validation, job.split.test))
        _, of_validation, of_test = labels.numbers
        write_arrays(job.files.folder / MISTAKES, vars(mistakes(classifier, test, of_test)))
        linear_error, linear_labels = linear_baseline(labelled, classes, test, of_test)
        components_error, units = None, job.settings.widths[-1]
        if units < job.split.features:
            scores = components_of(job.split, units).encoder
            codes = (analysis.apply(scores, rows) for rows in (labelled, test))
            components_error, _ = linear_baseline(next(codes), classes, next(codes), of_test)
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
            components_error=components_error,
            linear_labels=linear_labels,
            before=encoder_metrics(encoder(trained.layers), validation),
            after=encoder_metrics(classifier.encoder, validation),
            pretraining=layer_metrics(trained.layers, histories, validation),
            collapsed=job.is_constant(classifier),
            warnings=tuple(f"Layer {i}: {text}" for i, each in enumerate(histories, 1) for text in each.warnings),
        )


def _labelled(job: Job[ClassifierSettings]) -> tuple[ClassLabels, Tensor, np.ndarray]:
    """(labels of all rows, training rows whose labels are used, their class numbers)."""
    labels = class_labels(job.split, job.settings.labels_used, seed=job.settings.seed)
    rows = torch.from_numpy(job.split.train)[torch.from_numpy(labels.labelled)]
    return labels, rows, labels.numbers[0][labels.labelled]


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


def _fine_tune(job: Job[ClassifierSettings], classifier: Classifier, layers: Autoencoder) -> History:
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

    rule = training.Regularisation(settings.jacobian_weight)
    unlabelled = None
    if settings.tangents and settings.tangent_rows == "all":
        unlabelled = torch.from_numpy(np.delete(job.split.train, labels.labelled, axis=0))
    if settings.tangents:  # they lie in a file: they need not fit into memory
        path, place = job.files.checkpoints / _TANGENTS, training.place_of(settings.device)
        points = labelled if unlabelled is None else torch.cat([labelled, unlabelled])
        path.parent.mkdir(exist_ok=True)
        if not path.exists():  # a whole one is of this run: a new run removes it
            tangent_files.write(
                path,
                layers,
                points,
                settings.tangents,
                of=settings.tangents_of,
                device=place,
                on_rows=lambda done: job.on_progress("directions", done, len(points)),
            )
        tangents = tangent_files.read(path)
        rule = replace(
            rule,
            tangent_weight=settings.tangent_weight,
            tangents=tangents,
            tangents_per_step=settings.tangents_per_step,
        )
    found = training.fine_tune(
        classifier,
        labelled,
        classes,
        validation=(job.split.validation, labels.numbers[1]),
        regularisation=rule,
        unlabelled=unlabelled,
        checkpoint=job.files.checkpoints / _FINE_TUNING,
        checkpoint_seconds=job.checkpoint_seconds,
        on_epoch=keep,
        **{name: getattr(settings, name) for name in _OF_FINE_TUNING},
    )
    return History(found.rows, found.best_epoch, found.stopped_early)
