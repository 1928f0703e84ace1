"""Train a residual autoencoder from its principal components on: never further than held-out rows justify.

Some rows are held out. On the others the network begins as their principal components and is trained in the whole
budget, or until the held-out rows are reconstructed no better for a quarter of it; the best check's network is kept. A
training on all rows, a quarter as long, follows, so that the held-out rows are learned, too. Without a penalty the
components are kept unless the gain on held-out rows is more than one standard error. Where the caller gives the
held-out rows, they are not learned.

A weight is found by its error increase between two such runs, of the objective with and without penalty: short trials
from the unpenalised weights bracket it, a whole run measures it. A whole run depends on weight, rows and seed alone, so
that training with the weight found gives the same network.

All of this is the same whenever it is done again. An interrupted call is resumed by doing it again, with every training
continued from its checkpoint: those that were finished cost nothing.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from contractive.core.errors import InvalidValue
from contractive.models import Autoencoder
from contractive.objectives import Objective
from contractive.training._component_runs import SLOW, Runs, Saved, begin_as, train_on
from contractive.training._history import History
from contractive.training._principal_components import principal_components
from contractive.training._warm_cosine import WarmCosine
from contractive.training._weight_search import search_weight


@dataclass(frozen=True)
class FromComponents:
    """What `fit_from_components` found.

    Attributes:
        history: Of the last run, on all rows; no rows where the principal components were kept. With `validation` of
            the run on the others, `best_epoch` 0 where the components were kept.
        weight: Of the first penalty; 0 without one.
        error_increase: By which share the penalty raised the error of held-out rows, and of learned ones as far as they
            agree; None where the weight was given.
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

    A search gives a `SearchWarning` where it misses the allowed increase by more than a fifth of it and by more than
    three percentage points.
    """
    if validation is not None and sample_weight is not None:
        raise InvalidValue("sample_weight", "be left out with `validation`", "both", "Leave one of them out.")
    saved = Saved(None if checkpoint is None else Path(checkpoint), resume)
    splitting = (validation, validation_fraction, sample_weight)
    run = Runs(autoencoder, data, objective, schedule, *splitting, seed, saved, options)
    if max_error_increase is None:
        found, increase = run.whole(objective), None
    else:
        found, increase = search_weight(run, objective, max_error_increase)
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
        begin_as(autoencoder, components, seed)
    if epochs is not None:
        schedule = replace(schedule, max_epochs=epochs, learning_rate=SLOW * schedule.learning_rate, constant=True)
    return train_on(autoencoder, data, sample_weight, components, objective, schedule, seed=seed, **options)
