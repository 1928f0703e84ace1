"""One trial of a sweep: a task that any process can do, and what comes of it."""

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from contractive.data import Split
from contractive.models import Autoencoder
from contractive.objectives import LOSSES, Reference
from contractive.studies.metrics import METRICS, probe_accuracies
from contractive.studies.runs import AutoencoderMetrics, AutoencoderSettings, Trained, train
from contractive.studies.sweep._results import SweepTrial
from contractive.studies.sweep._settings import SweepSettings
from contractive.training import TrainingDiverged

_FINITE = ("reconstruction_error", "scale_free_sensitivity", "squared_norm", "r2")


@dataclass(frozen=True)
class Task:
    """Train one weight; prune it early only where the baseline had learned something by then."""

    number: int
    weight: float
    may_prune: bool


def run_trial(task: Task, split: Split, settings: SweepSettings, folder: Path, command: str) -> SweepTrial:
    """Train every seed: the first into the trial's folder, of the others only the metrics are kept."""
    # with Lightning, which a page of a sweep does not need
    from contractive.studies.sweep._pruning import Pruned, PruneEarly

    found: list[SweepTrial] = []
    for at in range(settings.seeds):
        objective = settings.objective if task.weight else "standard"
        run = settings.run.changed(objective=objective, weight=task.weight, seed=settings.run.training.seed + at)
        limit = error_of_the_mean(split, run.objective.loss)
        callbacks = [PruneEarly(quarter(run), limit)] if task.may_prune else []
        trial = SweepTrial(task.number, task.weight)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                place = Path(scratch) / "run" if at else folder / trial.folder
                trained = train(split, run, place, command=command, force=True, progress=False, callbacks=callbacks)
            trial = _measured(trial, trained, split, run, limit, accuracy=settings.accuracy)
        except Pruned as error:
            trial = replace(trial, reason=str(error))
        except TrainingDiverged as error:
            trial = replace(trial, reason=f"diverged: {error}")
        if not task.weight and trial.reason.startswith("diverged"):
            reason = trial.reason.rstrip(".")
            raise TrainingDiverged(f"The model without a penalty {reason}. Give a smaller `learning_rate`.")
        if task.weight and trial.reason:
            of_seed = "" if settings.seeds == 1 else f"seed {run.training.seed} "
            return SweepTrial(task.number, task.weight, of_seed + trial.reason)
        found.append(trial)
    return _together(found)


def quarter(run: AutoencoderSettings) -> int:
    """Return the epochs after which a fit should be better than the mean."""
    assert run.training.max_epochs is not None
    return max(1, math.ceil(run.training.max_epochs / 4))


def error_of_the_mean(split: Split, loss: str) -> float:
    """Validation error of always reconstructing the mean of the validation rows."""
    x = torch.from_numpy(split.validation)
    return float(LOSSES[loss](x.mean(0, keepdim=True).expand_as(x), x).mean())


def _measured(
    trial: SweepTrial,
    trained: Trained[Autoencoder, AutoencoderMetrics],
    split: Split,
    run: AutoencoderSettings,
    limit: float,
    *,
    accuracy: bool,
) -> SweepTrial:
    """The trial with the metrics of one seed, and the reason why it is pruned at its end, if it is."""
    found, rows = trained.metrics, trained.history.rows
    assert found.validation is not None
    metrics, test = dict(found.validation), dict(found.test or {})
    if accuracy:
        for values, value in zip((metrics, test), probe_accuracies(trained.model, split), strict=True):
            if values:
                values["probe_accuracy"] = value
    infinite = [key for key in _FINITE if not math.isfinite(metrics[key])]
    warning = next(iter(trained.history.warnings), "")
    reason = warning[:1].lower() + warning[1:]
    if infinite:
        reason = f"diverged: its {METRICS[infinite[0]].label} is {metrics[infinite[0]]}"
    x = torch.from_numpy(split.validation)
    least = float(LOSSES[run.objective.loss](x, x).mean())  # of a perfect reconstruction: 0, but for the cross-entropy
    return replace(
        trial,
        reason=reason,
        metrics=metrics,
        test=test,
        seconds=found.seconds,
        warnings=found.warnings,
        learned_early=rows[min(quarter(run), len(rows)) - 1]["val_reconstruction"] < limit,
        reference=Reference(rows[-1]["val_reconstruction"] - least, metrics["squared_norm"], found.noise_unit),
    )


def _together(seeds: list[SweepTrial]) -> SweepTrial:
    """One trial with the means over its seeds and their spread."""
    first = seeds[0]
    values = {key: tuple(seed.metrics[key] for seed in seeds) for key in first.metrics}
    metrics = {key: float(np.mean(each)) for key, each in values.items()}
    assert first.reference is not None
    return replace(
        first,
        reason="",
        metrics=metrics,
        by_seed=values,
        test={key: float(np.mean([seed.test[key] for seed in seeds])) for key in first.test},
        seconds=sum(seed.seconds for seed in seeds),
        warnings=tuple(sorted({text for seed in seeds for text in seed.warnings})),
        learned_early=all(seed.learned_early for seed in seeds),
        reference=replace(first.reference, squared_norm=metrics["squared_norm"]),
    )
