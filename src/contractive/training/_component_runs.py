"""Trainings of a residual network on the same rows, all from the same principal components on."""

import copy
import math
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contractive.core.randomness import global_randomness
from contractive.models import Autoencoder
from contractive.objectives import Objective
from contractive.training._contexts import evaluating
from contractive.training._fit import fit
from contractive.training._history import CollapseWarning, History, Row
from contractive.training._principal_components import (
    PrincipalComponents,
    preconditioned,
    principal_components,
    start_at_principal_components,
)
from contractive.training._warm_cosine import WarmCosine

FEWEST_STEPS = 30  # per epoch, since few rows are gone through several times in one, and in a trial
SHORT, SLOW = 1 / 6, 0.3  # length and rate of a trial
_FEWEST_HELD_OUT = 32
_PATIENCE = 0.25  # share of the budget without a better check on held-out rows, after which a run stops
_AGAIN = 0.25  # of the steps up to the best check: so many follow on all rows


@dataclass(frozen=True)
class Found:
    """A network trained without the held-out rows: its objective, error on these, and after what share it was best."""

    network: Autoencoder
    objective: Objective
    error: float
    share: float
    history: History


class Saved:
    """Where each of several trainings, which always come in the same order, keeps its state."""

    def __init__(self, path: Path | None, resume: bool) -> None:
        self._path, self._resume, self._count = path, resume, 0

    def next(self) -> dict[str, Any]:
        """Return the options of `fit` for the next training."""
        self._count += 1
        if self._path is None:
            return {}
        path = self._path.with_name(f"{self._count}-{self._path.name}")
        return {"checkpoint": path, "resume": self._resume and path.exists()}


class Runs:
    """Runs on the same rows from the same start."""

    def __init__(
        self,
        autoencoder: Autoencoder,
        data: Tensor,
        objective: Objective,
        schedule: WarmCosine,
        validation: Tensor | None,
        validation_fraction: float,
        sample_weight: Tensor | None,
        seed: int,
        saved: Saved,
        options: dict[str, Any],
    ) -> None:
        self.weights, self.schedule, self.seed = sample_weight, schedule, seed
        self.saved, self.options = saved, options
        self.reference: tuple[Row, ...] = ()  # of the history without penalty, where the weight is searched
        self.code = autoencoder.encode(data[:1]).shape[1]
        if validation is None:
            count = max(round(validation_fraction * len(data)), min(len(data) // 4, _FEWEST_HELD_OUT), 1)
            order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
        else:
            count, order = len(validation), torch.arange(len(data) + len(validation)).roll(len(validation))
            data = torch.cat([data, validation])
        self.data = data
        self.held, self.learned = order[:count].sort().values, order[count:].sort().values
        self.components = self._components(self.learned)
        self.start = copy.deepcopy(autoencoder)
        begin_as(self.start, self.components, seed)
        self.start_errors = self.errors(self.start, objective)
        self.start_error = self.mean(self.start_errors)
        centre = self.components.mean.to(data).expand(len(self.held), -1)
        self.mean_error = self.mean(objective.loss(centre, data[self.held]))

    def _components(self, rows: Tensor) -> PrincipalComponents:
        weights = None if self.weights is None else self.weights[rows]
        return principal_components(self.data[rows], self.code, weights=weights)

    def errors(self, network: Autoencoder, objective: Objective, rows: Tensor | None = None) -> Tensor:
        """Reconstruction error of each of these rows, by default the held-out ones."""
        x = self.data[self.held if rows is None else rows]
        with evaluating(network):
            return objective.loss(network(x), x)

    def mean(self, errors: Tensor) -> float:
        """Mean over held-out rows, in double precision."""
        if self.weights is None:
            return float(errors.double().mean())
        weights = self.weights[self.held].double()
        return float(weights @ errors.double() / weights.sum())

    def _standard_error(self, values: Tensor) -> float:
        """Standard error of `mean`; infinite for one row."""
        weights = torch.ones(len(values)).double() if self.weights is None else self.weights[self.held].double()
        spread = float((weights * (values - self.mean(values))).norm() / weights.sum())
        return spread * math.sqrt(len(values) / (len(values) - 1)) if len(values) > 1 else math.inf

    def whole(self, objective: Objective) -> Found:
        """Train in the whole budget on the rows that are not held out, and return the best epoch's network."""
        network = copy.deepcopy(self.start)
        history = self._fit(network, self.learned, self.components, objective, self.schedule, select=True)
        share = history.best_epoch / _passes(self.schedule, len(self.learned))[1]
        found = Found(network, objective, self.mean(self.errors(network, objective)), share, history)
        if not (objective.weight_decay or objective.corruption or any(term.weight for term in objective.terms)):
            gains = (self.start_errors - self.errors(network, objective)).double()
            if not self.mean(gains) > self._standard_error(gains):
                return replace(found, network=self.start, error=self.start_error, share=0.0)
        return found

    def trial(self, base: Autoencoder, objective: Objective) -> Found:
        """Train on for a short time from these weights."""
        network, schedule = copy.deepcopy(base), self.schedule
        short = replace(
            schedule,
            max_epochs=max(1, round(SHORT * schedule.max_epochs)),
            learning_rate=SLOW * schedule.learning_rate,
        )
        history = self._fit(network, self.learned, self.components, objective, short)
        return Found(network, objective, self.mean(self.errors(network, objective)), 1.0, history)

    def final(self, autoencoder: Autoencoder, found: Found) -> History:
        """Learn the held-out rows, too: by a short training on all rows, which begins as the network that was found."""
        everything = torch.arange(len(self.data))
        components = self._components(everything)
        if not found.share:
            begin_as(autoencoder, components, self.seed)
            return History((), 0)
        autoencoder.load_state_dict(found.network.state_dict())
        short = replace(self.schedule, max_epochs=max(1, round(_AGAIN * found.share * self.schedule.max_epochs)))
        return self._fit(autoencoder, everything, components, found.objective, short, quiet=False)

    def _fit(
        self,
        network: Autoencoder,
        rows: Tensor,
        components: PrincipalComponents,
        objective: Objective,
        schedule: WarmCosine,
        *,
        select: bool = False,
        quiet: bool = True,
    ) -> History:
        """Train on these rows."""
        weights = None if self.weights is None else self.weights[rows]
        held_out = self.data[self.held] if select else None
        with warnings.catch_warnings():
            if quiet:
                warnings.simplefilter("ignore", CollapseWarning)
            return train_on(
                network,
                self.data[rows],
                weights,
                components,
                objective,
                schedule,
                held_out=held_out,
                seed=self.seed,
                **self.saved.next(),
                **self.options,
            )


def begin_as(network: Autoencoder, components: PrincipalComponents, seed: int) -> None:
    """Make a network its principal components, with hidden units by the seed."""
    with global_randomness(seed, devices=[]):
        start_at_principal_components(network, components)


def train_on(
    network: Autoencoder,
    x: Tensor,
    weights: Tensor | None,
    components: PrincipalComponents,
    objective: Objective,
    schedule: WarmCosine,
    *,
    held_out: Tensor | None = None,
    **options: Any,
) -> History:
    """Train in the units of the components; keep the epoch that is best on held-out rows, where there are any.

    The rows are centred meanwhile: with a mean in the way, the inputs of a layer would not be whitened.
    """
    mean = components.mean.to(x)
    size, (times, max_epochs) = min(schedule.batch_size, len(x)), _passes(schedule, len(x))
    rows = (x - mean).repeat(times, 1)
    _shift(network, mean)
    try:
        with preconditioned(network, replace(components, mean=torch.zeros_like(components.mean))):
            return fit(
                network,
                rows,
                objective,
                validation=None if held_out is None else held_out - mean,
                optimizer=partial(schedule.optimizer, steps=max_epochs * -(-len(rows) // size)),
                max_epochs=max_epochs,
                patience=None if held_out is None else max(1, round(_PATIENCE * max_epochs)),
                batch_size=size,
                schedule=None,
                sample_weight=None if weights is None else weights.repeat(times),
                **options,
            )
    finally:
        _shift(network, -mean)


def _passes(schedule: WarmCosine, rows: int) -> tuple[int, int]:
    """Return how often each of so many rows is in an epoch, which is checked at its end, and the number of epochs."""
    batches = -(-rows // min(schedule.batch_size, rows))
    times = min(max(1, FEWEST_STEPS // batches), schedule.max_epochs)
    return times, max(1, round(schedule.max_epochs / times))


def _shift(network: Autoencoder, mean: Tensor) -> None:
    """Make a residual autoencoder of rows x one of rows x - mean."""
    with torch.no_grad():
        encoder: Any = network.encoder
        decoder: Any = network.decoder
        first, last = encoder[0], decoder[2]
        first.bias.add_(first.weight @ mean)
        last.bias.sub_(mean)
