"""One trial of a sweep: a task that any process can do, and what comes of it."""

import math
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from contractive.data import Split
from contractive.models import Autoencoder
from contractive.objectives import LOSSES, Reference
from contractive.studies.metrics import METRICS, probe_accuracies
from contractive.studies.runs import AutoencoderMetrics, AutoencoderSettings, Trained, train
from contractive.studies.sweep._results import TRIALS, SweepTrial
from contractive.studies.sweep._settings import SweepSettings
from contractive.training import TrainingDiverged

_PARTS = ("validation", "test")
_FINITE = ("reconstruction_error", "scale_free_sensitivity", "squared_norm", "r2")


@dataclass(frozen=True)
class Task:
    """Train one weight; prune it early only where the baseline had learned something by then."""

    number: int
    weight: float
    may_prune: bool


@dataclass(frozen=True)
class Study:
    """What all trials of a sweep need."""

    split: Split
    settings: SweepSettings
    folder: Path
    command: str = ""


class Pruned(Exception):
    """A fit that is no better than the mean when it should be."""


class PruneEarly(Callback):
    """Ends a fit whose validation error after `epochs` epochs is no better than `limit`."""

    def __init__(self, epochs: int, limit: float) -> None:
        self._epochs = epochs
        self._limit = limit

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Look at the rows of the epochs before this one.

        Raises:
            Pruned: It was time, and the error no better.
        """
        if len(pl_module.rows) == self._epochs:
            error = pl_module.rows[-1]["val_reconstruction"]
            if not error < self._limit:
                raise Pruned(
                    f"collapsed: after epoch {self._epochs} the validation error {error:.4g} was no better than the"
                    f" mean's, {self._limit:.4g}"
                )


@dataclass(frozen=True)
class _Seed:
    """What one seed gave."""

    metrics: dict[str, dict[str, float]]
    seconds: float
    warnings: tuple[str, ...]
    learned_early: bool
    reference: Reference


def run_trial(task: Task, study: Study) -> SweepTrial:
    """Train every seed: the first into the trial's folder, of the others only the metrics are kept."""
    settings, found = study.settings, list[_Seed]()
    for at in range(settings.seeds):
        objective = settings.objective if task.weight else "standard"
        run = settings.run.changed(objective=objective, weight=task.weight, seed=settings.run.training.seed + at)
        try:
            with tempfile.TemporaryDirectory() as scratch:
                place = Path(scratch) / "run" if at else study.folder / TRIALS / f"{task.number:04d}"
                seed = _measured(_trained(study, run, place, task), study, run)
        except (Pruned, TrainingDiverged) as error:
            reason = str(error) if isinstance(error, Pruned) else f"diverged: {error}"
        else:
            reason = _reason(seed)
            found.append(seed)
        if not task.weight and reason.startswith("diverged"):
            raise TrainingDiverged(f"The model without a penalty {reason.rstrip('.')}. Give a smaller `learning_rate`.")
        if task.weight and reason:
            of_seed = "" if settings.seeds == 1 else f"seed {run.training.seed} "
            return SweepTrial(task.number, task.weight, of_seed + reason)
    values = {
        part: {key: [seed.metrics[part][key] for seed in found] for key in keys}
        for part, keys in found[0].metrics.items()
    }
    means = {part: {key: float(np.mean(each)) for key, each in columns.items()} for part, columns in values.items()}
    first, metrics = found[0], means["validation"]
    return SweepTrial(
        task.number,
        task.weight,
        metrics=metrics,
        spread={key: float(np.std(each, ddof=1)) for key, each in values["validation"].items() if len(found) > 1},
        test=means.get("test", {}),
        seconds=sum(seed.seconds for seed in found),
        warnings=tuple(sorted({text for seed in found for text in seed.warnings})),
        learned_early=all(seed.learned_early for seed in found),
        reference=replace(first.reference, squared_norm=metrics["squared_norm"]),
    )


def _trained(
    study: Study, run: AutoencoderSettings, folder: Path, task: Task
) -> Trained[Autoencoder, AutoencoderMetrics]:
    callbacks = [PruneEarly(quarter(run), error_of_the_mean(study.split, run.objective.loss))] if task.may_prune else []
    return train(study.split, run, folder, command=study.command, force=True, progress=False, callbacks=callbacks)


def quarter(run: AutoencoderSettings) -> int:
    """Return the epochs after which a fit should be better than the mean."""
    assert run.training.max_epochs is not None
    return max(1, math.ceil(run.training.max_epochs / 4))


def error_of_the_mean(split: Split, loss: str) -> float:
    """Validation error of always reconstructing the mean of the validation rows."""
    x = torch.from_numpy(split.validation)
    return float(LOSSES[loss](x.mean(0, keepdim=True).expand_as(x), x).mean())


def _measured(trained: Trained[Autoencoder, AutoencoderMetrics], study: Study, run: AutoencoderSettings) -> _Seed:
    found, split = trained.metrics, study.split
    metrics = {part: dict(values) for part in _PARTS if (values := getattr(found, part)) is not None}
    if study.settings.accuracy:
        for part, accuracy in zip(metrics, probe_accuracies(trained.model, split), strict=False):
            metrics[part]["probe_accuracy"] = accuracy
    x, rows = torch.from_numpy(split.validation), trained.history.rows
    least = float(LOSSES[run.objective.loss](x, x).mean())  # of a perfect reconstruction: 0, but for the cross-entropy
    early = rows[min(quarter(run), len(rows)) - 1]["val_reconstruction"]
    return _Seed(
        metrics,
        found.seconds,
        found.warnings,
        early < error_of_the_mean(split, run.objective.loss),
        Reference(rows[-1]["val_reconstruction"] - least, metrics["validation"]["squared_norm"], found.noise_unit),
    )


def _reason(seed: _Seed) -> str:
    """Why a fit is pruned at its end; empty where it is not."""
    for key in _FINITE:
        value = seed.metrics["validation"][key]
        if not math.isfinite(value):
            return f"diverged: its {METRICS[key].label} is {value}"
    text = seed.warnings[0] if seed.warnings else ""
    return text[:1].lower() + text[1:]
