"""Train a residual autoencoder from its principal components on: never further than held-out rows justify.

Some rows are held out. On the others the network begins as their principal components and is trained in the whole
budget, or until the held-out rows are reconstructed no better for a quarter of it; the best check's network is kept. A
training on all rows, a quarter as long, follows, so that the held-out rows are learned, too. Without a penalty the
components are kept unless the gain on held-out rows is more than one standard error. Where the caller gives the
held-out rows, they are not learned.

A weight is found by its error increase between two such runs, of the objective with and without penalty: short trials
from the unpenalised weights bracket it, a whole run measures it. Training with the weight found, the same rows and the
same seed gives the same network, since that is what the search does last.

All of this is the same whenever it is done again. An interrupted call is resumed by doing it again, with every training
continued from its checkpoint: those that were finished cost nothing.
"""

import copy
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contractive.core.errors import InvalidValue, check_positive
from contractive.core.randomness import global_randomness
from contractive.models import Autoencoder
from contractive.objectives import Objective
from contractive.training._contexts import evaluating
from contractive.training._error_increase import check_reference
from contractive.training._fit import fit
from contractive.training._history import CollapseWarning, History, Row, SearchWarning
from contractive.training._principal_components import (
    PrincipalComponents,
    preconditioned,
    principal_components,
    start_at_principal_components,
)
from contractive.training._warm_cosine import WarmCosine
from contractive.training._warm_up import scaled

_FEWEST_STEPS = 30  # per epoch, since few rows are gone through several times in one, and in a trial
_FEWEST_HELD_OUT = 32
_PATIENCE = 0.25  # share of the budget without a better check on held-out rows, after which a run stops
_AGAIN = 0.25  # of the steps up to the best check: so many follow on all rows
_SHORT, _SLOW = 1 / 6, 0.3  # length and rate of a trial
_TRIALS, _TOLERANCE = 5, 0.12  # of them, and by how much of the allowed increase a trial may miss it
_SLOPE = 1.2  # the increase grows like weight^1.2
_WHOLE_RUNS, _CLOSE_ENOUGH, _WITHIN = 5, 0.2, 0.03
_FACTOR, _NEAR = 30.0, 3.0  # most by which a weight differs from its neighbour's, and that of a whole run exceeds it
_LEAST = 0.1  # of the allowed increase: what is smaller, or a gain, is noise
_FEW = 256  # rows for the first guess


@dataclass(frozen=True)
class FromComponents:
    """What `fit_from_components` found.

    Attributes:
        history: Of the last run, on all rows; no rows where the principal components were kept. With `validation` of
            the run on the others, `best_epoch` 0 where the components were kept.
        weight: Of the first penalty; 0 without one.
        error_increase: By which the penalty raised the error of held-out rows; None where the weight was given.
        gain: Share of the principal components' error on held-out rows that training removed; may be negative.
    """

    history: History
    weight: float
    error_increase: float | None
    gain: float


def fit_from_components(
    autoencoder: Autoencoder,
    data: Tensor,
    objective: Objective,
    schedule: WarmCosine,
    *,
    max_error_increase: float | None = None,
    validation: Tensor | None = None,
    validation_fraction: float = 0.1,
    sample_weight: Tensor | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    **options: Any,
) -> FromComponents:
    """Train a network of `models.residual` in place, on rows (rows, features) in memory.

    Args:
        autoencoder: Begins as principal components, whatever its weights are.
        data: All rows.
        objective: With a squared error and without corruption that depends on the data's mean.
        schedule: Length and rate of a whole run.
        max_error_increase: Find the weight with this error increase; None takes the objective as it is.
        validation: Rows that are held out, and never learned; not with `sample_weight`.
        validation_fraction: Else the share of the rows to hold out, at least 32 or a quarter of them.
        sample_weight: How much each row counts, (rows,); in the error of held-out rows, too.
        seed: Of the split, weights, order and probe vectors.
        checkpoint: Each training writes its state beside this path, the first one into `1-` and the name, and so on.
        resume: Continue from those that are there, of a call with the same arguments.
        options: `device`, `threads`, `progress`, `callbacks`, `loggers` and `checkpoint_seconds` of `fit`.

    Raises:
        InvalidValue: No penalty to find a weight for, an increase not above 0, a network that is not a residual one.
        ContractiveError: The reference without penalty is no better than the mean.
        CheckpointError, TrainingDiverged: As `fit`.

    A search that misses the allowed increase by more than a fifth of it and three points gives a `SearchWarning`.
    """
    if validation is not None and sample_weight is not None:
        raise InvalidValue("sample_weight", "be left out with `validation`", "both", "Leave one of them out.")
    saved = _Saved(None if checkpoint is None else Path(checkpoint), resume)
    splitting = (validation, validation_fraction, sample_weight)
    run = _Runs(autoencoder, data, objective, schedule, *splitting, seed, saved, options)
    if max_error_increase is None:
        found, increase = run.whole(objective), None
    else:
        found, increase = _search(run, objective, max_error_increase)
    terms = found.objective.terms
    weight = terms[0].weight if terms else 0.0
    if validation is None:
        history = run.final(autoencoder, found)
    else:
        autoencoder.load_state_dict(found.network.state_dict())
        added = {} if increase is None else {"weight": weight, "error_increase": increase}
        rows = tuple({**row, **added} for row in found.history.rows)
        best = found.history.best_epoch if found.share else 0
        history = replace(found.history, rows=rows, best_epoch=best, reference=run.reference)
    gain = 1 - found.error / run.start_error if run.start_error > 0 else 0.0
    return FromComponents(history, weight, increase, gain)


def continue_from_components(
    autoencoder: Autoencoder,
    data: Tensor,
    objective: Objective,
    schedule: WarmCosine,
    *,
    begin: bool = False,
    epochs: int | None = None,
    sample_weight: Tensor | None = None,
    seed: int = 0,
    **options: Any,
) -> History:
    """Train a residual autoencoder on all of these rows in the units of their components, and return the history.

    Args:
        autoencoder: Trained in place from its present weights on.
        data: Rows (rows, features) in memory.
        objective: As in `fit_from_components`.
        schedule: Length and rate.
        begin: Begin as the components of these rows.
        epochs: So many, at a constant 0.3 of the rate; None for the whole schedule.
        sample_weight: As in `fit_from_components`.
        seed: Of the start, order and probe vectors.
        options: As in `fit_from_components`.
    """
    code = autoencoder.encode(data[:1]).shape[1]
    components = principal_components(data, code, weights=sample_weight)
    if begin:
        _begin(autoencoder, components, seed)
    if epochs is not None:
        schedule = replace(schedule, max_epochs=epochs, learning_rate=_SLOW * schedule.learning_rate, constant=True)
    return _train(autoencoder, data, sample_weight, components, objective, schedule, seed=seed, **options)


@dataclass(frozen=True)
class _Found:
    """A network trained without the held-out rows: its objective, error on these, and after what share it was best."""

    network: Autoencoder
    objective: Objective
    error: float
    share: float
    history: History


class _Saved:
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


class _Runs:
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
        saved: _Saved,
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
        _begin(self.start, self.components, seed)
        self.start_errors = self.errors(self.start, objective)
        self.start_error = self.mean(self.start_errors)
        centre = self.components.mean.to(data).expand(len(self.held), -1)
        self.mean_error = self.mean(objective.loss(centre, data[self.held]))

    def _components(self, rows: Tensor) -> PrincipalComponents:
        weights = None if self.weights is None else self.weights[rows]
        return principal_components(self.data[rows], self.code, weights=weights)

    def errors(self, network: Autoencoder, objective: Objective) -> Tensor:
        """Reconstruction error of each held-out row."""
        x = self.data[self.held]
        with evaluating(network):
            return objective.loss(network(x), x)

    def mean(self, errors: Tensor) -> float:
        """Mean over held-out rows, in double precision."""
        if self.weights is None:
            return float(errors.double().mean())
        weights = self.weights[self.held].double()
        return float(weights @ errors.double() / weights.sum())

    def whole(self, objective: Objective) -> _Found:
        """Train in the whole budget on the rows that are not held out, and return the best epoch's network."""
        network = copy.deepcopy(self.start)
        history = self._fit(network, self.learned, self.components, objective, self.schedule, select=True)
        share = history.best_epoch / _passes(self.schedule, len(self.learned))[1]
        found = _Found(network, objective, self.mean(self.errors(network, objective)), share, history)
        if not _penalised(objective):
            gains = (self.start_errors - self.errors(network, objective)).double()
            if float(gains.mean()) <= float(gains.std()) / math.sqrt(len(gains)):
                return replace(found, network=self.start, error=self.start_error, share=0.0)
        return found

    def trial(self, base: Autoencoder, objective: Objective) -> _Found:
        """Train on for a short time from these weights."""
        network, schedule = copy.deepcopy(base), self.schedule
        short = replace(
            schedule,
            max_epochs=max(1, round(_SHORT * schedule.max_epochs)),
            learning_rate=_SLOW * schedule.learning_rate,
        )
        history = self._fit(network, self.learned, self.components, objective, short)
        return _Found(network, objective, self.mean(self.errors(network, objective)), 1.0, history)

    def final(self, autoencoder: Autoencoder, found: _Found) -> History:
        """Learn the held-out rows, too: by a short training on all rows, which begins as the network that was found."""
        everything = torch.arange(len(self.data))
        components = self._components(everything)
        if not found.share:
            _begin(autoencoder, components, self.seed)
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
            return _train(
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


def _begin(network: Autoencoder, components: PrincipalComponents, seed: int) -> None:
    with global_randomness(seed, devices=[]):
        start_at_principal_components(network, components)


def _train(
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
    shift(network, mean)
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
        shift(network, -mean)


def _passes(schedule: WarmCosine, rows: int) -> tuple[int, int]:
    """Return how often each of so many rows is in an epoch, which is checked at its end, and the number of epochs."""
    batches = -(-rows // min(schedule.batch_size, rows))
    times = min(max(1, _FEWEST_STEPS // batches), schedule.max_epochs)
    return times, max(1, round(schedule.max_epochs / times))


def shift(network: Autoencoder, mean: Tensor) -> None:
    """Make a residual autoencoder of rows x one of rows x - mean."""
    with torch.no_grad():
        encoder: Any = network.encoder
        decoder: Any = network.decoder
        first, last = encoder[0], decoder[2]
        first.bias.add_(first.weight @ mean)
        last.bias.sub_(mean)


def _penalised(objective: Objective) -> bool:
    return bool(objective.weight_decay or objective.corruption or any(term.weight for term in objective.terms))


def _search(run: _Runs, objective: Objective, allowed: float) -> tuple[_Found, float]:
    """Return the whole run with the weight whose error increase comes nearest to the allowed one, and that increase."""
    check_positive("max_error_increase", allowed, "0.1 allows 10 % more reconstruction error.")
    if not any(term.weight for term in objective.terms):
        raise InvalidValue("objective", "have a penalty with a weight above 0", repr(objective.name), "Add one.")
    reference = run.whole(scaled(objective, 0.0))
    run.reference = reference.history.rows
    check_reference(reference.error, run.mean_error)
    error = max(reference.error, 1e-6 * run.mean_error)  # of a perfect reconstruction no share can be spent
    weight = _by_trials(run, objective, reference, error, allowed)
    tried: list[tuple[float, float, _Found]] = []
    for _ in range(_WHOLE_RUNS):
        found = run.whole(scaled(objective, weight))
        increase = (found.error - reference.error) / error
        tried.append((weight, increase, found))
        if abs(increase - allowed) <= _CLOSE_ENOUGH * allowed:
            break
        weight = _next_weight([(w, i) for w, i, _ in tried], allowed, _NEAR)
    _, increase, found = min(tried, key=lambda entry: abs(entry[1] - allowed))
    if abs(increase - allowed) > max(_CLOSE_ENOUGH * allowed, _WITHIN):
        warnings.warn(_missed(tried, increase, allowed), SearchWarning, stacklevel=3)
    return found, increase


def _missed(tried: Sequence[tuple[float, float, _Found]], increase: float, allowed: float) -> str:
    """Say by how much whole runs missed the allowed increase, and whether on one side only."""
    weights = [found.objective.terms[0].weight for _, _, found in tried]
    increases = [each for _, each, _ in tried]
    if max(increases) < allowed:
        what = f"no weight up to {max(weights):.3g} cost more than {100 * increase:.3g} %"
    elif min(increases) > allowed:
        what = f"no weight down to {min(weights):.3g} cost less than {100 * increase:.3g} %"
    else:
        what = f"the nearest of {len(tried)} runs, whose weights lie on both sides, cost {100 * increase:.3g} %"
    advice = "Train longer, hold more rows out, or give a weight."
    return f"An error increase of {100 * allowed:.3g} % was allowed, and {what}. {advice}"


def _by_trials(run: _Runs, objective: Objective, reference: _Found, error: float, allowed: float) -> float:
    """Return a factor of the weights whose short trial has about the allowed increase."""
    steps = _SHORT * run.schedule.max_epochs * -(-len(run.learned) // run.schedule.batch_size)
    is_short = steps < _FEWEST_STEPS  # in so few steps no weight shows its effect: whole runs begin at the first guess
    base = reference if is_short else run.trial(reference.network, scaled(objective, 0.0))
    few = run.data[run.held][:_FEW]
    with evaluating(base.network):
        values = objective.exact()(base.network, few, generator=torch.Generator().manual_seed(run.seed))
    penalty = sum(term.weight * float(values.penalties[term.name].mean()) for term in objective.terms)
    weight = 10 * allowed * error / max(penalty, 1e-30)
    if is_short:
        return weight
    tried: list[tuple[float, float]] = []
    networks = {0.0: base.network}
    for _ in range(_TRIALS):
        nearest = min(networks, key=lambda known: abs(math.log(max(known, 1e-30) / weight)))
        found = run.trial(networks[nearest], scaled(objective, weight))
        networks[weight] = found.network
        increase = (found.error - base.error) / error
        tried.append((weight, increase))
        if abs(increase - allowed) <= _TOLERANCE * allowed:
            break
        weight = _next_weight(tried, allowed, _FACTOR)
    return weight


def _next_weight(tried: Sequence[tuple[float, float]], allowed: float, most: float) -> float:
    """Interpolate the increase, linear in weight^1.2, between the nearest ones below and above; else follow this slope.

    An increase may be negative: a small weight can reconstruct held-out rows better than none. Beyond the weights that
    were tried the step upwards is at most a factor of `most`.
    """
    below = max((entry for entry in tried if entry[1] < allowed), default=None)
    above = min((entry for entry in tried if entry[1] >= allowed), default=None)
    if below and above and below[0] < above[0]:
        share = min(max((allowed - below[1]) / (above[1] - below[1]), 0.1), 0.9)
        return ((1 - share) * below[0] ** _SLOPE + share * above[0] ** _SLOPE) ** (1 / _SLOPE)
    weight, increase = below or above or tried[-1]
    ratio = (allowed / max(increase, _LEAST * allowed)) ** (1 / _SLOPE)
    return weight * min(max(ratio, 1 / _FACTOR), most)
