"""Where the training of an autoencoder starts: at random weights, or at the principal components of its rows.

The settings are `AutoencoderSettings`, which import this module.
"""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from contractive import training
from contractive.core.errors import InvalidValue
from contractive.data import Split
from contractive.models import Autoencoder, NetworkSettings
from contractive.objectives import Objective
from contractive.studies.runs._folder import HistoryTable
from contractive.studies.runs._task import Job
from contractive.training import CollapseWarning, History, TrainingSettings, WarmCosine


def check_start(settings: Any) -> None:
    """Refuse a start as principal components with a setting that does not suit them."""
    if settings.start == "pca" and (against := training.against_components(*_parts(settings))):
        got = f"pca with {against} {settings.values()[against]}"
        raise InvalidValue("start", "be random, or all else suit principal components", got, "Leave one of them out.")


def starting(settings: Any, split: Split) -> Any:
    """Return the settings with the start that `auto` stands for, and with what follows from it."""
    streamed = not isinstance(split.train, np.ndarray)
    fits = not streamed and len(split.validation) > 1
    if settings.start == "pca" and not fits:
        got = f"pca for {'streamed rows' if streamed else 'data without validation rows'}"
        raise InvalidValue("start", "be random for such data", got, "Leave it out.")
    if not fits or training.chosen_start(settings.start, *_parts(settings)) == "random":
        return replace(settings, start="random")
    network, given = training.from_components(settings.network, settings.training, len(split.train))
    return replace(settings, start="pca", network=network, training=given)


def _parts(settings: Any) -> tuple[NetworkSettings, Objective, TrainingSettings]:
    return settings.network, settings.objective.make(), settings.training


def fit_from_components(job: Job[Any], autoencoder: Autoencoder, table: HistoryTable) -> History:
    """Train a residual network from its principal components on; every training of the search has its checkpoint."""
    settings, split, given = job.settings, job.split, job.settings.training
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)  # the metrics carry the sentence
        found = training.fit_from_components(
            autoencoder,
            torch.from_numpy(np.asarray(split.train)),
            settings.objective.make(),
            WarmCosine.of(len(split.train), given.batch_size, given.max_epochs, given.learning_rate),
            max_error_increase=settings.max_error_increase,
            validation=torch.from_numpy(split.validation),
            seed=given.seed,
            device=given.device,
            threads=given.threads,
            checkpoint=job.files.checkpoint,
            checkpoint_seconds=job.checkpoint_seconds,
            resume=job.resume,
            progress=job.progress,
            callbacks=job.callbacks(lambda: "training", table),
        )
    return found.history
