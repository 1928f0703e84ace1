"""Where training starts, by one rule for estimators, runs and the command line.

From principal components on a network is never worse than these by more than its held-out rows say, so it begins there
wherever it can. It cannot with a penalty on the encoder alone, such as ||J_f||^2 of Rifai et al. (2011): the code of
principal components is unbounded, so that halving it and doubling the decoder's weights quarters the penalty at the
same reconstruction. The bounded code of the paper's network, which keeps that penalty meaningful, is not linear in the
rows, and so not that of principal components.
"""

from dataclasses import fields, replace
from typing import Literal

from contractive.models import NetworkSettings
from contractive.objectives import Gaussian, Objective, squared_error
from contractive.training._settings import TrainingSettings
from contractive.training._warm_cosine import WarmCosine

Start = Literal["auto", "pca", "random"]
_ANY = ("max_epochs", "batch_size", "learning_rate", "seed", "device", "threads")  # settings of training that suit


def chosen_start(start: Start, network: NetworkSettings, objective: Objective, training: TrainingSettings) -> Start:
    """Return `pca` or `random`, whichever the start stands for."""
    if start != "auto":
        return start
    alone = any(term.of == "encoder" for term in objective.terms)
    return "random" if alone or against_components(network, objective, training) else "pca"


def against_components(network: NetworkSettings, objective: Objective, training: TrainingSettings) -> str:
    """Name the setting that asks for another network, or another training, than one from components on."""
    if network.model not in ("mlp", "residual"):
        return "model"
    if network.center:  # principal components are of centred rows
        return "center"
    if network.hidden is not None and len(network.hidden) != 1:
        return "hidden"
    for name in ("activation", "output"):
        if getattr(network, name) not in (None, "linear"):
            return name
    if network.model == "mlp" and network.decoder_activation is not None:  # a residual decoder has its own
        return "decoder_activation"
    default = TrainingSettings()
    for each in fields(default):
        if each.name not in _ANY and getattr(training, each.name) != getattr(default, each.name):
            return each.name
    if objective.loss is not squared_error:
        return "loss"
    plain = objective.corruption is None or isinstance(objective.corruption, Gaussian)
    return "objective" if objective.weight_decay or not plain else ""


def from_components(
    network: NetworkSettings, training: TrainingSettings, rows: int
) -> tuple[NetworkSettings, TrainingSettings]:
    """Return the settings of a network that begins as principal components, and of its training on so many rows."""
    made = WarmCosine.of(rows, training.batch_size, training.max_epochs, training.learning_rate)
    budget = {name: getattr(made, name) for name in ("batch_size", "max_epochs", "learning_rate")}
    return replace(network, model="residual", activation="linear", output="linear"), replace(training, **budget)
