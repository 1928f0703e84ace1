"""One trial of a sweep: a task that any process can run, and what comes of it."""

import math
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import Callback

from contractive.data import Split
from contractive.objectives import LOSSES
from contractive.studies.compare._workers import shared
from contractive.studies.metrics import probe_accuracies
from contractive.studies.runs import Settings as RunSettings
from contractive.studies.runs import Trained, train
from contractive.studies.sweep._sweep_settings import SweepSettings
from contractive.training import TrainingDiverged

_FIGURES = {
    "error": "reconstruction_error",
    "sensitivity": "scale_free_sensitivity",
    "squared_norm": "squared_norm",
    "r2": "r2",
}


@dataclass(frozen=True)
class Task:
    """Train one weight; give up early only where the yardstick had learned something by then."""

    number: int
    weight: float
    may_give_up: bool


@dataclass(frozen=True)
class Outcome:
    """What came of it: JSON-able facts, or the reason why it was given up."""

    task: Task
    reason: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class GivenUp(Exception):
    """A fit that is no better than the mean when it should be."""


class GiveUp(Callback):
    """Ends a fit whose validation error after `epochs` epochs is no better than `limit`."""

    def __init__(self, epochs: int, limit: float) -> None:
        self._epochs = epochs
        self._limit = limit

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Look at the rows of the epochs before this one.

        Raises:
            GivenUp: It was time, and no better.
        """
        if len(pl_module.rows) == self._epochs:
            error = pl_module.rows[-1]["val_reconstruction"]
            if not error < self._limit:
                raise GivenUp(
                    f"collapsed: after epoch {self._epochs} the validation error {error:.4g} was no better than the"
                    f" mean's, {self._limit:.4g}"
                )


def run_trial(task: Task) -> Outcome:
    """Train every seed: the first into the trial's folder, of the others only the figures are kept."""
    split, settings, folder = shared["split"], shared["settings"], Path(shared["folder"])
    found: list[dict[str, Any]] = []
    for at in range(settings.seeds):
        run = _settings_of(task, settings, at)
        try:
            if at == 0:
                trained = _train(split, run, folder / f"{task.number:04d}", task)
            else:
                with tempfile.TemporaryDirectory() as scratch:
                    trained = _train(split, run, Path(scratch) / "run", task)
        except GivenUp as error:
            return Outcome(task, _of_seed(str(error), run, settings))
        except TrainingDiverged as error:
            if not task.weight:
                raise
            return Outcome(task, _of_seed(f"diverged: {error}", run, settings))
        facts = _facts(trained, split, run, settings)
        lost = _not_finite(facts)
        if lost and not task.weight:
            raise TrainingDiverged(f"the model without a penalty must have finite figures, got {lost}.")
        reason = (lost or _collapse(facts)) if task.weight else ""
        if reason:
            return Outcome(task, _of_seed(reason, run, settings))
        found.append(facts)
    return Outcome(task, facts=_together(found))


def _of_seed(reason: str, run: RunSettings, settings: SweepSettings) -> str:
    return reason if settings.seeds == 1 else f"seed {run.seed} {reason}"


def _settings_of(task: Task, settings: SweepSettings, at: int) -> RunSettings:
    run = settings.run if task.weight else replace(settings.run, objective="standard", method="auto")
    return replace(run, weight=task.weight, seed=settings.run.seed + at)


def _train(split: Split, run: RunSettings, folder: Path, task: Task) -> Trained:
    callbacks = [GiveUp(quarter(run), error_of_the_mean(split, run.loss))] if task.may_give_up else []
    return train(
        split,
        run,
        folder,
        command=shared["command"],
        force=True,
        progress=False,
        callbacks=callbacks,
    )


def quarter(run: RunSettings) -> int:
    """The epochs after which a fit should be better than the mean."""
    assert run.epochs is not None
    return max(1, math.ceil(run.epochs / 4))


def error_of_the_mean(split: Split, loss: str) -> float:
    """Validation error of always reconstructing the mean of the validation rows."""
    x = torch.from_numpy(split.validation)
    return float(LOSSES[loss](x.mean(0, keepdim=True).expand_as(x), x).mean())


def _facts(trained: Trained, split: Split, run: RunSettings, settings: SweepSettings) -> dict[str, Any]:
    metrics = trained.metrics
    parts = {
        part: {name: metrics[part][key] for name, key in _FIGURES.items()}
        for part in ("validation", "test")
        if part in metrics
    }
    if settings.accuracy:
        for part, accuracy in zip(parts, probe_accuracies(trained.autoencoder, split), strict=False):
            parts[part]["accuracy"] = accuracy
    early = trained.history.rows[min(quarter(run), len(trained.history)) - 1]["val_reconstruction"]
    return {
        **parts,
        "seconds": metrics["seconds"],
        "warnings": metrics["warnings"],
        "noise_unit": metrics["noise_unit"],
        "learned_early": early < error_of_the_mean(split, run.loss),
        "lost": trained.history.rows[-1]["val_reconstruction"] - _least_error(split, run.loss),
    }


def _least_error(split: Split, loss: str) -> float:
    """Of a perfect reconstruction: 0, but for the cross-entropy."""
    x = torch.from_numpy(split.validation)
    return float(LOSSES[loss](x, x).mean())


def _not_finite(facts: dict[str, Any]) -> str:
    lost = [(name, figure) for name, figure in facts["validation"].items() if not math.isfinite(figure)]
    return f"diverged: its {lost[0][0].replace('_', ' ')} is {lost[0][1]}" if lost else ""


def _collapse(facts: dict[str, Any]) -> str:
    text = facts["warnings"][0] if facts["warnings"] else ""
    return text[:1].lower() + text[1:]


def _together(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over seeds and their spread."""
    columns = {
        part: {name: [seed[part][name] for seed in found] for name in found[0][part]}
        for part in ("validation", "test")
        if part in found[0]
    }
    means = {part: {name: float(np.mean(each)) for name, each in rows.items()} for part, rows in columns.items()}
    several = len(found) > 1
    return {
        "figures": means["validation"],
        "spread": {name: float(np.std(each, ddof=1)) for name, each in columns["validation"].items()}
        if several
        else {},
        "test": means.get("test", {}),
        "seconds": sum(seed["seconds"] for seed in found),
        "warnings": sorted({text for seed in found for text in seed["warnings"]}),
        "noise_unit": found[0]["noise_unit"],
        "learned_early": all(seed["learned_early"] for seed in found),
        "lost": found[0]["lost"],
    }
