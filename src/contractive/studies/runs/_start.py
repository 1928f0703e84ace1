"""Where the training of an autoencoder starts: at random weights, or at the principal components of its rows.

The settings are `AutoencoderSettings`, which import this module.
"""

import warnings
from dataclasses import fields, replace
from typing import Any, Literal

import numpy as np
import torch

from contractive import training
from contractive.core.errors import InvalidValue
from contractive.data import Split
from contractive.models import Autoencoder, NetworkSettings
from contractive.objectives import Gaussian, squared_error
from contractive.studies.runs._folder import HistoryTable
from contractive.studies.runs._task import Job
from contractive.training import CollapseWarning, History, TrainingSettings, WarmCosine

Start = Literal["auto", "pca", "random"]
_FREE = (
    "max_epochs",
    "batch_size",
    "learning_rate",
    "seed",
    "device",
    "threads",
)  # settings of training that suit components


def check_start(settings: Any) -> None:
    """Refuse a start as principal components with a setting that does not suit them."""
    if settings.start == "pca" and (against := _against_components(settings)):
        got = f"pca with {against} {settings.values()[against]}"
        raise InvalidValue("start", "be random, or all else suit principal components", got, "Leave one of them out.")


def starting(settings: Any, split: Split) -> Any:
    """Return the settings with the start that `auto` stands for, and with what follows from it."""
    streamed = not isinstance(split.train, np.ndarray)
    fits = not streamed and len(split.validation) > 1
    if settings.start == "pca" and not fits:
        got = f"pca for {'streamed rows' if streamed else 'data without validation rows'}"
        raise InvalidValue("start", "be random for such data", got, "Leave it out.")
    # a penalty on the encoder alone is evaded by an unbounded code: its network is the paper's
    alone = any(term.of == "encoder" for term in settings.objective.make().terms)
    suits = fits and not alone and not _against_components(settings)
    if settings.start == "random" or (settings.start == "auto" and not suits):
        return replace(settings, start="random")
    given = settings.training
    made = WarmCosine.of(len(split.train), given.batch_size, given.max_epochs, given.learning_rate)
    return replace(
        settings,
        start="pca",
        network=replace(settings.network, model="residual", activation="linear", output="linear"),
        training=replace(
            given, batch_size=made.batch_size, max_epochs=made.max_epochs, learning_rate=made.learning_rate
        ),
    )


def fit_from_components(job: Job[Any], autoencoder: Autoencoder, table: HistoryTable) -> History:
    """Train a residual network from its principal components on; a run that was interrupted begins anew."""
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
            progress=job.progress,
            callbacks=job.callbacks(lambda: "training", table),
        )
    return found.history


def _against_components(settings: Any) -> str:
    """Name the setting that asks for another network, or another training, than one from components on."""
    network, objective = settings.network, settings.objective.make()
    if network.model == "mlp":
        default = replace(NetworkSettings(), code=network.code)
        chosen = [each.name for each in fields(network) if getattr(network, each.name) != getattr(default, each.name)]
    else:
        chosen = [] if network.model == "residual" else ["model"]
    default = TrainingSettings()
    names = [each.name for each in fields(default) if each.name not in _FREE]
    chosen += [name for name in names if getattr(settings.training, name) != getattr(default, name)]
    chosen += ["loss"] if objective.loss is not squared_error else []
    plain = objective.corruption is None or isinstance(objective.corruption, Gaussian)
    chosen += [] if plain and not objective.weight_decay else ["objective"]
    return chosen[0] if chosen else ""
