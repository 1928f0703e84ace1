"""`train`: one run from data to a folder, and on from where it was broken off."""

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from contractive.core.files import write_text
from contractive.data import Split
from contractive.models import Autoencoder, storage
from contractive.studies.metrics import Subject, measure, noise_unit
from contractive.studies.runs._folder import LOGS, Files, check_resumable, describe, write_json
from contractive.studies.runs._settings import Settings
from contractive.training import (
    CollapseWarning,
    History,
    check_device,
    check_seconds,
    check_strategy,
    fit,
    fit_with_max_error_increase,
    is_first_process,
)

_SECONDS_BETWEEN_CHECKPOINTS = 10.0


@dataclass(frozen=True)
class Trained:
    """A finished run.

    Attributes:
        folder: Where its files lie.
        autoencoder: In evaluation mode.
        history: Epoch by epoch.
        metrics: Figures on validation and test rows.
    """

    folder: Path
    autoencoder: Autoencoder
    history: History
    metrics: dict[str, Any]


def train(
    split: Split,
    settings: Settings,
    out: str | Path,
    *,
    command: str = "",
    force: bool = False,
    resume: bool = False,
    progress: bool = True,
    checkpoint_seconds: float = _SECONDS_BETWEEN_CHECKPOINTS,
    callbacks: Sequence[Callback] = (),
) -> Trained:
    """Train one autoencoder into a folder: model, configuration, history, figures, checkpoints and logs.

    Every file is written whole or not at all. The test rows are measured once, at the end.

    Args:
        split: Data.
        settings: Of the run; what is None is chosen by the data.
        out: The folder.
        command: That repeats the run, kept likewise.
        force: Replace a run that is in the folder.
        resume: Go on with the run in the folder, which must have the same settings and data.
        progress: Whether to show a progress bar.
        checkpoint_seconds: Least time between checkpoints.
        callbacks: Lightning callbacks; what one raises ends the training and reaches the caller.

    Raises:
        RunError: A folder that cannot be used so.
        ValueError: Settings that do not fit the data.
        KeyboardInterrupt: Ctrl-C, after the best model so far was saved.
    """
    files, first = Files(Path(out)), is_first_process()
    check_device(settings.device)
    check_strategy(settings.strategy)
    check_seconds(checkpoint_seconds)
    settings = settings.completed(split)
    torch.manual_seed(settings.seed)
    autoencoder = settings.build(split)
    if resume and first:
        check_resumable(files)
        files.sweep()
    elif first:
        files.claim(force=force)
        assert autoencoder.recipe is not None
        describe(files, split, storage.config_of(autoencoder.recipe), settings.to_dict(), command)
    try:
        history = _fit(autoencoder, split, settings, files, resume, progress, checkpoint_seconds, callbacks)
    except KeyboardInterrupt:
        if first and files.checkpoint.exists():
            _save(files, autoencoder)
        raise
    metrics = _metrics(autoencoder, split, settings, history)
    if first:
        _save(files, autoencoder)
        write_text(files.history, history.to_csv())
        write_json(files.metrics, metrics)
    return Trained(files.folder, autoencoder, history, metrics)


def _fit(
    autoencoder: Autoencoder,
    split: Split,
    settings: Settings,
    files: Files,
    resume: bool,
    progress: bool,
    checkpoint_seconds: float,
    callbacks: Sequence[Callback],
) -> History:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollapseWarning)  # the metrics carry the sentence
        common: dict[str, Any] = {
            "validation": split.validation,
            "max_epochs": settings.epochs,
            "batch_size": settings.batch_size,
            "learning_rate": settings.learning_rate,
            "schedule": None if settings.schedule == "constant" else settings.schedule,
            "gradient_clip": settings.gradient_clip,
            "seed": settings.seed,
            "device": settings.device,
            "precision": settings.precision,
            "devices": settings.devices,
            "num_nodes": settings.num_nodes,
            "strategy": settings.strategy,
            "progress": progress,
            "checkpoint": files.checkpoint,
            "checkpoint_seconds": checkpoint_seconds,
            "callbacks": [LiveHistory(files.history, checkpoint_seconds), *callbacks],
            "loggers": [TensorBoardLogger(files.folder, name=LOGS, version="")],
        }
        if settings.max_error_increase is not None:
            return fit_with_max_error_increase(
                autoencoder,
                split.train,
                settings.make_objective(),
                max_error_increase=settings.max_error_increase,
                resume=resume,
                **common,
            )
        again = resume and files.checkpoint.exists()
        objective = settings.make_objective()
        return fit(autoencoder, split.train, objective, patience=settings.patience, resume=again, **common)


class LiveHistory(Callback):
    """Writes `history.csv` while the run goes on."""

    def __init__(self, path: Path, every: float) -> None:
        self._path = path
        self._every = every
        self._written = -math.inf

    @rank_zero_only
    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """The rows of the epochs before this one."""
        if pl_module.rows and time.monotonic() - self._written >= self._every:
            write_text(self._path, History(tuple(pl_module.rows), 0).to_csv())
            self._written = time.monotonic()


def _save(files: Files, autoencoder: Autoencoder) -> None:
    storage.save_weights(autoencoder, files.model)


def _metrics(autoencoder: Autoencoder, split: Split, settings: Settings, history: History) -> dict[str, Any]:
    unit, seed = noise_unit(split), settings.seed
    parts = {"validation": split.validation, "test": split.test}
    return {
        "best_epoch": history.best_epoch,
        "epochs": len(history),
        "stopped_early": history.stopped_early,
        "seconds": history.seconds,
        "penalty_path": history.penalty_path,
        "warnings": list(history.warnings),
        **_found(history, settings),
        "noise_unit": unit,
        **{
            name: measure(Subject(autoencoder, torch.from_numpy(rows), unit, torch.Generator().manual_seed(seed)))
            for name, rows in parts.items()
            if len(rows) > 1
        },
    }


def _found(history: History, settings: Settings) -> dict[str, Any]:
    """The weight that was found, what it cost, and what the unpenalised run came to."""
    if not history.reference:
        return {}
    last, reference = history.rows[-1], history.reference[-1]
    return {
        "weight": last["weight"],
        "max_error_increase": settings.max_error_increase,
        "error_increase": last["error_increase"],
        "reference": dict(reference),
    }
