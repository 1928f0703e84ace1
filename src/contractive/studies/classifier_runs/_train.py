"""`train`: from data with labels to a folder with a classifier, and on from where it was broken off."""

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from contractive.core.files import write_text
from contractive.data import Split
from contractive.models import Autoencoder, Classifier, Recipe, encoder, storage
from contractive.studies.classifier_runs._figures import encoder_figures, layer_figures, linear_figures
from contractive.studies.classifier_runs._judge import judge, mistakes
from contractive.studies.classifier_runs._settings import Settings
from contractive.studies.classifier_runs._task import Task, task_of
from contractive.studies.runs._folder import (
    CLASSIFIER,
    Files,
    RunError,
    check_resumable,
    describe,
    read_run_config,
    write_arrays,
    write_json,
)
from contractive.studies.runs._open import read_table
from contractive.training import (
    CollapseWarning,
    FineTuning,
    History,
    Regularisation,
    check_device,
    check_seconds,
    fine_tune,
    place_of,
    pretrain,
    tangent_files,
)

Watch = Callable[[str, int, int], None]
_FINE_TUNING, _TANGENTS = "fine-tuning.ckpt", "tangents.npy"
_SECONDS_BETWEEN_CHECKPOINTS = 10.0


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Attributes:
        folder: Where its files lie.
        classifier: In evaluation mode.
        pretraining: A history of each layer; none without pretraining.
        fine_tuning: Epoch by epoch.
        metrics: Figures on validation and test rows.
    """

    folder: Path
    classifier: Classifier
    pretraining: tuple[History, ...]
    fine_tuning: FineTuning
    metrics: dict[str, Any]


def train(
    split: Split,
    settings: Settings,
    out: str | Path,
    *,
    command: str = "",
    force: bool = False,
    resume: bool = False,
    checkpoint_seconds: float = _SECONDS_BETWEEN_CHECKPOINTS,
    watch: Watch = lambda stage, done, total: None,
) -> Trained:
    """Pretrain layer upon layer on all training rows, fine-tune on labels, test once; everything into a folder.

    The epoch of fine-tuning is chosen on the validation rows and their labels. Every file is written whole or not at
    all; the test rows are measured once, at the end.

    Args:
        split: Data with labels, in memory.
        settings: Of the run; what is None is chosen by the data.
        out: The folder.
        command: That repeats the run, kept likewise.
        force: Replace a run that is in the folder.
        resume: Go on with the run in the folder, which must have the same settings and data.
        checkpoint_seconds: Least time between checkpoints.
        watch: Called after every step with the name of the stage, how much of it is done, and how much there is.

    Raises:
        RunError: A folder that cannot be used so.
        ValueError: Settings that do not fit the data; data without classes.
        TrainingDiverged: The loss became NaN or infinite.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
    """
    files = Files(Path(out))
    check_device(settings.device)
    check_seconds(checkpoint_seconds)
    split = split.in_memory()
    task = task_of(split, settings.labels_used, seed=settings.seed)
    settings = settings.completed(split, task)
    if resume:
        check_resumable(files)
        before = Settings.from_dict(read_run_config(files.folder, CLASSIFIER)["settings"])
        _check_same(settings, before.completed(split, task))
        files.sweep()
    else:
        files.claim(force=force)
        head = storage.config_of(Recipe(CLASSIFIER, _architecture(settings, split, task)))
        describe(files, split, head, settings.to_dict(), command, classes=list(task.classes))
    run = _Run(split, settings, task, files, checkpoint_seconds, watch)
    layers = settings.build(split.features)
    histories = run.pretrain(layers)
    classifier, fine_tuning = run.fine_tune(layers)
    metrics = run.metrics(layers, histories, classifier, fine_tuning)
    storage.save_weights(classifier, files.model)
    write_json(files.metrics, metrics)
    files.forget()
    return Trained(files.folder, classifier, histories, fine_tuning, metrics)


def _architecture(settings: Settings, split: Split, task: Task) -> dict[str, Any]:
    names = ("hidden", "activation", "output")
    return {"features": split.features, "classes": len(task.classes)} | {n: getattr(settings, n) for n in names}


def _check_same(settings: Settings, before: Settings) -> None:
    """Refuse to go on with other settings than those of the run; it may go on elsewhere."""
    stored = before.to_dict()
    for name, value in settings.to_dict().items():
        if name != "device" and value != stored[name]:
            raise RunError(
                f"resume must go on with the settings of the run, got {name} {value} instead of {stored[name]}."
                " Set it back, or start the run anew."
            )


class _Run:
    """The stages of a run, each of which goes on where its checkpoint is."""

    def __init__(
        self, split: Split, settings: Settings, task: Task, files: Files, checkpoint_seconds: float, watch: Watch
    ) -> None:
        self.settings, self.task, self.files = settings, task, files
        self.seconds, self.watch = checkpoint_seconds, watch
        self.x = {name: torch.from_numpy(getattr(split, name)) for name in ("train", "validation", "test")}
        self.labels = dict(zip(self.x, task.labels, strict=True))
        self.labelled = self.x["train"][torch.from_numpy(task.labelled)]
        self.labelled_classes = self.labels["train"][task.labelled]

    def pretrain(self, layers: tuple[Autoencoder, ...]) -> tuple[History, ...]:
        settings, done = self.settings, []
        if not settings.pretraining_epochs:
            return ()
        epochs = _Epochs(self.watch, len(layers))

        def keep(layer: int, history: History) -> None:
            done.extend({"layer": layer + 1, **row} for row in history.rows)
            self._write(self.files.pretraining, done)
            epochs.layer = layer + 1

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CollapseWarning)  # the metrics carry the sentence
            return pretrain(
                layers,
                self.x["train"],
                settings.make_objective(),
                validation=self.x["validation"],
                seed=settings.seed,
                checkpoints=self.files.checkpoints,
                on_layer=keep,
                max_epochs=settings.pretraining_epochs,
                batch_size=settings.pretraining_batch_size,
                learning_rate=settings.pretraining_rate,
                schedule="cosine",
                device=settings.device,
                progress=False,
                checkpoint_seconds=self.seconds,
                callbacks=[epochs],
            )

    def fine_tune(self, layers: tuple[Autoencoder, ...]) -> tuple[Classifier, FineTuning]:
        settings = self.settings
        classifier = settings.classifier(layers, len(self.task.classes))
        rule = Regularisation(settings.jacobian_weight, *self._tangents(classifier), settings.tangents_per_step)
        assert settings.epochs is not None and settings.decay is not None
        rows: list[Mapping[str, float]] = self._written()
        written = time.monotonic()

        def keep(row: Mapping[str, float]) -> None:
            nonlocal written
            same = [one for one in rows if one.keys() == row.keys()]
            rows[:] = [*(one for one in same if one["epoch"] < row["epoch"]), row]
            if time.monotonic() - written >= self.seconds:
                self._write(self.files.history, rows)
                written = time.monotonic()
            self.watch("fine-tuning", int(row["epoch"]), settings.epochs or 0)

        found = fine_tune(
            classifier,
            self.labelled,
            self.labelled_classes,
            validation=(self.x["validation"], self.labels["validation"]),
            max_epochs=settings.epochs,
            batch_size=settings.batch_size,
            learning_rate=settings.learning_rate,
            output_rate=settings.output_rate,
            decay=settings.decay,
            patience=settings.patience,
            regularisation=rule,
            seed=settings.seed,
            device=settings.device,
            checkpoint=self.files.checkpoints / _FINE_TUNING,
            checkpoint_seconds=self.seconds,
            on_epoch=keep,
        )
        self._write(self.files.history, found.rows)
        return classifier, found

    def _written(self) -> list[Mapping[str, float]]:
        """The rows of fine-tuning that were written before the run was broken off."""
        try:
            return list(read_table(self.files.history))
        except RunError:
            return []

    def _tangents(self, classifier: Classifier) -> tuple[float, np.ndarray | None]:
        """(weight, directions of every labelled row), which lie in a file: they need not fit into memory."""
        num, path = self.settings.tangents, self.files.checkpoints / _TANGENTS
        if not num:
            return 0.0, None
        path.parent.mkdir(exist_ok=True)
        if not path.exists():  # a whole one is of this run: a new run removes it
            tangent_files.write(
                path,
                classifier.encoder,
                self.labelled,
                num,
                device=place_of(self.settings.device),
                on_rows=lambda done: self.watch("directions", done, len(self.labelled)),
            )
        return self.settings.tangent_weight, tangent_files.read(path)

    def metrics(
        self,
        layers: tuple[Autoencoder, ...],
        histories: tuple[History, ...],
        classifier: Classifier,
        found: FineTuning,
    ) -> dict[str, Any]:
        """Figures of the finished run; the mistakes go into a file of their own."""
        x, labels = self.x, self.labels
        write_arrays(self.files.mistakes, **vars(mistakes(classifier, x["test"], labels["test"])))
        return {
            "epochs": len(found.rows),
            "best_epoch": found.best_epoch,
            "stopped_early": found.stopped_early,
            "seconds": sum(row["seconds"] for row in found.rows) + sum(history.seconds for history in histories),
            "labels_used": len(self.task.labelled),
            "test": judge(classifier, x["test"], labels["test"]).to_dict(),
            "validation": judge(classifier, x["validation"], labels["validation"]).to_dict(),
            "train_error": found.best["train_error"],
            **linear_figures(self.labelled, self.labelled_classes, x["test"], labels["test"]),
            "pretraining": layer_figures(layers, histories, x["validation"]),
            "encoder": {
                "before": encoder_figures(encoder(layers), x["validation"]),
                "after": encoder_figures(classifier.encoder, x["validation"]),
            },
            "warnings": [
                f"Layer {layer}: {text}" for layer, history in enumerate(histories, 1) for text in history.warnings
            ],
        }

    @staticmethod
    def _write(path: Path, rows: Any) -> None:
        write_text(path, History(tuple(rows), 0).to_csv())


class _Epochs(Callback):
    """Tells how far the pretraining of a layer is."""

    def __init__(self, watch: Watch, layers: int) -> None:
        self._watch, self._layers = watch, layers
        self.layer = 0

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """After every epoch."""
        stage = f"layer {self.layer + 1} of {self._layers}"
        self._watch(stage, trainer.current_epoch + 1, trainer.max_epochs)
