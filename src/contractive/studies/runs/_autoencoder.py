"""The autoencoder task: one network trained with one objective, whose weight may be found in training."""

import math
import warnings
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from torch import nn

from contractive import analysis, training
from contractive.core.errors import InvalidValue, first_line
from contractive.core.settings import check_settings, setting
from contractive.data import DataError, Split, check_fits
from contractive.models import Autoencoder, NetworkSettings, Recipe, storage
from contractive.objectives import ObjectiveSettings
from contractive.studies.metrics import Subject, components_of, first_rows, measure, measure_components, noise_unit
from contractive.studies.runs._folder import HistoryTable, RunError
from contractive.studies.runs._start import check_start, fit_from_components, starting
from contractive.studies.runs._task import Job, RowFunction, Run, Task, TaskSettings, Trained
from contractive.training import FEWEST_SEARCH_EPOCHS, CollapseWarning, Start, TrainingSettings, principal_components

DEFAULT_MAX_ERROR_INCREASE = 0.1
_PARTS: Any = {"network": NetworkSettings, "objective": ObjectiveSettings, "training": TrainingSettings}
_JUDGED = 2048  # rows
_COPIES = 4  # of the weights in training: themselves, their gradient, and two of Adam


@dataclass(frozen=True)
class AutoencoderSettings(TaskSettings[Autoencoder, "AutoencoderMetrics"]):
    """Network, objective and training of one run; None is for a default that depends on the data (`completed`).

    An objective whose weight is None gets the largest weight that `max_error_increase` allows, found in training.

    Raises:
        InvalidValue: A `max_error_increase` together with a weight, or with an objective that has none to be found; a
            start as principal components with a setting that does not suit them.
    """

    by_data = (
        *("hidden", "code", "activation", "output", "decoder_activation", "center"),
        *("max_epochs", "batch_size", "learning_rate"),
    )

    network: NetworkSettings = field(default_factory=NetworkSettings)
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    start: Start = setting(
        "auto",
        "Where training starts: random weights, or pca, the principal components of the data, with a residual network"
        " that learns what they leave unexplained. auto is pca where the objective has no penalty on the encoder alone"
        " (gain_weighted, standard, denoising) and no other network, loss or schedule is asked for.",
    )
    max_error_increase: float | None = setting(
        None,
        "Allowed increase of the reconstruction error over a run without penalty, where the weight is found.",
        by_data="0.1, ten per cent",
        positive=True,
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.max_error_increase is not None and not self.objective.searches:
            raise InvalidValue(
                "max_error_increase",
                "come with a weight that is found in training",
                f"the objective {self.objective.objective} with weight {self.objective.weight}",
                "Leave it out, or leave `weight` out and choose an `objective` with a penalty.",
            )
        check_start(self)

    @classmethod
    def of(cls, *, start: Start = "auto", max_error_increase: float | None = None, **values: Any) -> Self:
        """Return the settings with these values of the fields of network, objective and training.

        Examples:
            >>> AutoencoderSettings.of(code=3, weight=0.1, max_epochs=20).network.code
            3
        """
        parts = {
            name: kind(**{f.name: values.pop(f.name) for f in fields(kind) if f.name in values})
            for name, kind in _PARTS.items()
        }
        if values:
            raise TypeError(f"AutoencoderSettings has no field {next(iter(values))!r}. Check the spelling.")
        return cls(**parts, start=start, max_error_increase=max_error_increase)

    def changed(self, **values: Any) -> Self:
        """Return the settings with other values of some fields, as in `of`."""
        return self.of(**{**self.values(), **values})

    def completed(self, split: Split) -> Self:
        """Return the settings with the defaults that depend on the data, checked against the data.

        Raises:
            DataError: Data that do not fit the loss or the memory.
            InvalidValue: Settings that do not fit together.
        """
        low, high = value_range(split)
        increase = self.max_error_increase
        if increase is None and self.objective.searches:
            increase = DEFAULT_MAX_ERROR_INCREASE
        begun = starting(self, split)
        made = replace(
            begun,
            network=completed_network(begun.network, split),
            objective=self.objective.completed(),
            training=begun.training.completed(len(split.train), split.features),
            max_error_increase=increase,
        )
        check_loss(made.objective.loss, made.network.output, low, high)
        if increase is not None and self.training.patience is not None:
            rule, remedy = "be left out where the weight is found in training", "Or give `weight`, for instance 0.1."
            raise InvalidValue("patience", rule, self.training.patience, remedy)
        if increase is not None and made.start != "pca" and (made.training.max_epochs or 0) < FEWEST_SEARCH_EPOCHS:
            rule = f"be at least {FEWEST_SEARCH_EPOCHS} where the weight is found in training"
            raise InvalidValue("max_epochs", rule, made.training.max_epochs, "Or give `weight`, for instance 0.1.")
        remedy = "Give a smaller `code` or `hidden`."
        try:
            with torch.device("meta"):  # the network is refused before it takes memory
                weights = sum(parameter.numel() for parameter in made.build(split).parameters())
        except RuntimeError as error:
            raise DataError(f"The network must fit into memory, got one beyond any. {remedy}") from error
        check_fits("the network", _COPIES * 4 * weights, remedy)
        return made

    def check_machine(self) -> None:
        """Refuse a device or a strategy that this machine does not have."""
        training.check_machine(self.training)

    def build(self, split: Split) -> Autoencoder:
        """Return the network of completed settings with fresh weights."""
        return self.network.build(split.features, split.image_shape)


@dataclass(frozen=True)
class AutoencoderMetrics:
    """Metrics of a finished run, and what happened in training."""

    epochs: int  # that were trained
    best_epoch: int  # whose weights the model has
    stopped_early: bool  # true where patience ended the training
    seconds: float  # of all epochs
    warnings: tuple[str, ...] = ()  # sentences on what collapsed or falls short
    collapsed: bool = False  # true where all rows have about the same reconstruction
    penalty_path: str = ""  # how the Jacobian norm was computed in training
    noise_unit: float = 1.0  # what noise of level 1 is
    validation: dict[str, float] | None = None  # metrics on validation rows, by key
    test: dict[str, float] | None = None  # metrics on test rows, by key
    components: dict[str, float] | None = None  # the same of as many principal components as the code has numbers
    weight: float | None = None  # that was found in training
    max_error_increase: float | None = None  # that was allowed for it
    error_increase: float | None = None  # over the unpenalised run, as the search measured it
    reference: dict[str, float] | None = None  # last row of the history of the unpenalised run


@dataclass(frozen=True)
class AutoencoderRun(Run[Autoencoder, AutoencoderMetrics]):
    """A run on disk: an autoencoder. Its attributes are those of `Run`."""

    settings: AutoencoderSettings

    @property
    def num_units(self) -> int:
        """Numbers per code."""
        return self.settings.network.size

    def model(self) -> Autoencoder:
        """Return the trained autoencoder, in evaluation mode.

        Raises:
            RunError: Training has not come as far as to have one, or it does not fit the data.
            StorageError: Broken files.
        """
        self.check_trained()
        autoencoder = storage.load(self.folder)
        row = torch.zeros(1, self.preparation.features)
        try:
            with torch.no_grad():
                sizes = autoencoder.encode(row).flatten(1).shape[1], autoencoder(row).shape[1]
            if sizes != (self.num_units, self.preparation.features):
                raise RuntimeError(f"codes and rows of {sizes[0]} and {sizes[1]} numbers")
        except RuntimeError as error:
            raise RunError(
                f"The model in {self.folder} does not fit the {self.preparation.features} features of its data:"
                f" {first_line(error)}. One of its files was changed; train again."
            ) from error
        return autoencoder

    def parts(self) -> dict[str, nn.Module]:
        """Return `encoder`, `decoder` and `autoencoder`."""
        autoencoder = self.model()
        return {"encoder": autoencoder.encoder, "decoder": autoencoder.decoder, "autoencoder": autoencoder}

    def row_functions(self, parts: dict[str, nn.Module]) -> dict[str, RowFunction]:
        """Return `encode`, and `reconstruct` in the user's units."""
        names, inverse = self.preparation.column_names(), self.preparation.inverse
        return super().row_functions(parts) | {"reconstruct": RowFunction(parts["autoencoder"], names, inverse)}


class AutoencoderTask(Task[AutoencoderSettings, Autoencoder, AutoencoderMetrics]):
    """Train an autoencoder; where the weight is left out, find the largest one that the error increase allows."""

    name, command = "autoencoder", "contractive train"
    uses = "contractive encode, reconstruct, analyze, projector and export"
    settings, metrics, run = AutoencoderSettings, AutoencoderMetrics, AutoencoderRun

    def keeps_checkpoints(self, settings: AutoencoderSettings) -> bool:
        """Return whether the run is one training, rather than those of a search from principal components."""
        return settings.start != "pca"

    def recipe(self, settings: AutoencoderSettings, split: Split) -> Recipe:
        """Return the architecture of the network."""
        with torch.device("meta"):
            recipe = settings.build(split).recipe
        assert recipe is not None
        return recipe

    def fit(self, job: Job[AutoencoderSettings]) -> Trained[Autoencoder, AutoencoderMetrics]:
        """Train the network; Ctrl-C leaves the model so far in the folder."""
        from lightning.pytorch.loggers import TensorBoardLogger

        settings, split, checkpoint = job.settings, job.split, job.files.checkpoint
        torch.manual_seed(settings.training.seed)
        autoencoder = settings.build(split)
        table = HistoryTable(job.files.history, job.checkpoint_seconds)
        if settings.start == "pca":
            return Trained(job.files.folder, autoencoder, fit_from_components(job, autoencoder, table))
        fit: Any = partial(training.fit, resume=job.resume and checkpoint.exists())
        if (allowed := settings.max_error_increase) is not None:
            fit = partial(training.fit_with_max_error_increase, max_error_increase=allowed, resume=job.resume)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", CollapseWarning)  # the metrics carry the sentence
                history = fit(
                    autoencoder,
                    split.train,
                    settings.objective.make(),
                    validation=split.validation,
                    progress=job.progress,
                    checkpoint=checkpoint,
                    checkpoint_seconds=job.checkpoint_seconds,
                    callbacks=job.callbacks(lambda: "training", table),
                    loggers=[TensorBoardLogger(job.files.folder, name="logs", version="")],
                    **settings.training.options(),
                )
        except KeyboardInterrupt:
            if training.is_first_process() and checkpoint.exists():
                storage.save_weights(autoencoder, job.files.model)
            raise
        return Trained(job.files.folder, autoencoder, history)

    def measure(
        self, job: Job[AutoencoderSettings], trained: Trained[Autoencoder, AutoencoderMetrics]
    ) -> AutoencoderMetrics:
        """Return the metrics on validation and test rows."""
        history, unit, split = trained.history, noise_unit(job.split), job.split
        last, size, seed = history.rows[-1], job.settings.network.size, job.settings.training.seed
        linear = components_of(split, size)

        def measured(rows: np.ndarray) -> dict[str, float] | None:
            generator = torch.Generator().manual_seed(seed)
            subject = Subject(trained.model, torch.from_numpy(rows), unit, generator)
            return measure(subject) if len(rows) > 1 else None

        judged = split.validation if len(split.validation) > 1 else split.test
        judged = analysis.spread_rows(torch.from_numpy(judged), _JUDGED)
        errors = [row.get("val_reconstruction", math.inf) for row in history.rows]
        found = training.shortcomings(trained.model, judged, linear, errors) if len(judged) > 1 else []
        return AutoencoderMetrics(
            epochs=len(history),
            best_epoch=history.best_epoch,
            stopped_early=history.stopped_early,
            seconds=history.seconds,
            warnings=(*history.warnings, *found),
            collapsed=job.is_constant(trained.model),
            penalty_path=history.penalty_path,
            noise_unit=unit,
            validation=measured(split.validation),
            test=measured(split.test),
            components=measure_components(linear, split, split.test, seed=seed) or None,
            weight=last["weight"] if history.reference else None,
            max_error_increase=job.settings.max_error_increase,
            error_increase=last["error_increase"] if history.reference else None,
            reference=dict(history.reference[-1]) if history.reference else None,
        )


def completed_network(network: NetworkSettings, split: Split) -> NetworkSettings:
    """Return the settings of a network with the defaults for these data."""
    low, high = value_range(split)
    if network.code == "auto":
        network = replace(network, code=principal_components(first_rows(split), 1).number())
    unit_range = low >= 0 and high <= 1
    return network.completed(features=split.features, unit_range=unit_range, image_shape=split.image_shape)


def value_range(split: Split) -> tuple[float, float]:
    """Return the smallest and the largest prepared number; of streamed training rows one block is looked at."""
    train = split.train if isinstance(split.train, np.ndarray) else split.train[: split.train.block]
    parts = [part for part in (train, split.validation, split.test) if len(part)]
    return min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)


def check_loss(loss: str, output: str | None, low: float, high: float) -> None:
    """Refuse the cross-entropy for data beyond [0, 1], from `low` to `high`, or another output than a sigmoid.

    Raises:
        DataError: The loss is the cross-entropy, and these are.
    """
    if loss == "cross_entropy" and (low < 0 or high > 1 or output != "sigmoid"):
        raise DataError(
            field="data",
            rule="lie between 0 and 1 for the loss cross_entropy",
            got=f"{low:.3g} to {high:.3g} after scaling",
            remedy="Leave `loss` out, or scale the data with `scale`='minmax'.",
        )
