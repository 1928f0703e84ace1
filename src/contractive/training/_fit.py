"""`fit`: train an autoencoder on Lightning and return what happened."""

import logging
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from contractive.analysis import spread_rows
from contractive.jacobian import plan
from contractive.models import Autoencoder
from contractive.objectives import JacobianNorm, Objective
from contractive.training import _checks as checks
from contractive.training._batches import Rows, as_tensor
from contractive.training._callbacks import Hooks
from contractive.training._checkpoints import (
    CheckpointError,
    described,
    does_not_belong,
    objective_settings,
    read_checkpoint,
)
from contractive.training._collapse import collapse
from contractive.training._history import CollapseWarning, History
from contractive.training._memory import flushed_denormals, keep_freed_memory
from contractive.training._modes import rehearsing
from contractive.training._module import Step
from contractive.training._schedules import SCHEDULES, Schedule
from contractive.training._trainer import Interrupted, Machine, interruptible, make_trainer, quiet

logger = logging.getLogger(__name__)

DEFAULT_EPOCHS = 50
_COLLAPSE_ROWS = 2048


def fit(
    autoencoder: Autoencoder,
    data: Tensor | np.ndarray | Rows,
    objective: Objective,
    *,
    validation: Tensor | np.ndarray | None = None,
    sample_weight: Tensor | np.ndarray | None = None,
    max_epochs: int = DEFAULT_EPOCHS,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None,
    schedule: str | Schedule | None = None,
    patience: int | None = None,
    gradient_clip: float | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: str = "32",
    devices: int = 1,
    num_nodes: int = 1,
    strategy: str = "auto",
    progress: bool = True,
    norm_rows: int = 64,
    checkpoint: str | Path | None = None,
    checkpoint_seconds: float = 10.0,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    loggers: Sequence[Logger] = (),
) -> History:
    """Train an autoencoder in place and return what happened, epoch by epoch.

    Denormal numbers are flushed to zero in the calling thread while it runs: a strongly contracted encoder produces
    them, and they were seen to slow a step down twenty-fold. From the first call on, the process keeps freed memory for
    the next step. An autoencoder in evaluation mode is put into training mode; in one that is in training mode, parts
    in evaluation mode (a frozen batch norm) stay so. Afterwards it is in evaluation mode, on the device it came from.

    Args:
        autoencoder: Encoder and decoder; keeps the weights of the best epoch with `patience`, else of the last.
        data: (examples, *features), floating point, in memory; or rows read in slices (`training.Rows`), which are
            shuffled by blocks.
        objective: What is minimised, for instance `objectives.contractive(0.1)`.
        validation: Rows on which every epoch is judged, as `data`; never trained on.
        sample_weight: One factor of at least 0 per row of data in memory, brought to mean 1: of its reconstruction
            error and penalties in the objective. In the history only the total is weighted.
        max_epochs: Passes over the data.
        batch_size: Rows per step and process; fewer rows, and a last batch of one row, are fine.
        learning_rate: Of Adam.
        optimizer: Makes another optimiser from the parameters; `learning_rate` is then not used.
        schedule: `cosine`, `exponential` (to 1 %), or (optimiser, epochs) -> scheduler, stepped once per epoch.
        patience: Stop after so many epochs without a lower `val_total`.
        gradient_clip: Largest norm of the gradient.
        seed: Of the order of the data, noise, probes and dropout. Same seed and machine, same weights, on the CPU.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `32`, or `bf16` for mixed precision.
        devices: Processes on this machine, one per device. N processes with batch B take the steps of one with
            batch N * B (`docs/several-machines.md`).
        num_nodes: Machines.
        strategy: Lightning's, for instance `ddp`.
        progress: Whether to show a progress bar.
        norm_rows: Validation rows on which exact Jacobian norms are computed each epoch.
        checkpoint: File for the state of training, written after an epoch if `checkpoint_seconds` have passed since
            the last time, and after the last one.
        checkpoint_seconds: See there.
        resume: Go on from `checkpoint`: on a CPU to the same weights, bit for bit, as without the break.
        callbacks: Lightning callbacks.
        loggers: Lightning loggers; they get each epoch's row.

    Returns:
        The history; see `History`.

    Raises:
        TypeError: Data that are not floating-point numbers; not an `Autoencoder` or not an `Objective`.
        ValueError: Empty or non-finite data, a size that does not fit the encoder, a setting out of range.
        CheckpointError: A checkpoint that is missing, broken or of another run.
        TrainingDiverged: The loss became NaN or infinite; says where and which term.
        KeyboardInterrupt: Ctrl-C; the autoencoder then has the weights of the best epoch so far with `patience`, else
            the latest ones.

    Example:
        >>> import contractive as ct
        >>> _ = torch.manual_seed(0)
        >>> x = torch.rand(64, 1) @ torch.rand(1, 8)
        >>> objective = ct.objectives.contractive(0.01)
        >>> history = ct.fit(ct.mlp(8, code=3), x, objective, max_epochs=30, learning_rate=0.05, progress=False)
        >>> history["train_total"][-1] < history["train_total"][0]
        True
    """
    like = checks.check_what(autoencoder, objective)
    home = like.device
    max_epochs, batch_size, norm_rows, devices, num_nodes = checks.counts(
        max_epochs=max_epochs, batch_size=batch_size, norm_rows=norm_rows, devices=devices, num_nodes=num_nodes
    )
    patience = None if patience is None else checks.whole("patience", patience)
    checks.check_settings(
        learning_rate=learning_rate,
        patience=patience,
        gradient_clip=gradient_clip,
        validation=validation,
    )
    learning_rate = float(learning_rate)  # numbers of numpy's would not go into a checkpoint
    gradient_clip = None if gradient_clip is None else float(gradient_clip)
    checks.check_machine(device, precision, devices, resume, checkpoint)
    checks.check_strategy(strategy)
    checks.check_seconds(checkpoint_seconds)
    checks.check_seed(seed)
    rows = checks.training_rows(autoencoder, like, data, validation, sample_weight)
    settings = objective_settings(objective) | {
        "max_epochs": max_epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": described(schedule),
        "patience": patience,
        "gradient_clip": gradient_clip,
        "seed": seed,
        "rows": len(rows.train),
    }
    if resume:
        _check_same_run(read_checkpoint(str(checkpoint)), settings)
    make = optimizer or partial(torch.optim.Adam, lr=learning_rate, fused=True)
    step = Step(
        autoencoder, rows, batch_size, objective, make, _schedule(schedule), seed, norm_rows, gradient_clip, settings
    )
    hooks = Hooks.of(step, objective.name, progress, patience, checkpoint, checkpoint_seconds, callbacks)
    machine = Machine(device, precision, devices, num_nodes, strategy)
    if not autoencoder.training:
        autoencoder.train()
    try:
        path = _penalty_path(autoencoder, objective, as_tensor(rows.train[:batch_size]).to(like.dtype))
        _run(step, machine, max_epochs, hooks.all, loggers, seed, checkpoint if resume else None)
    finally:
        hooks.restore(autoencoder)
        autoencoder.to(home).eval()
    found = _collapsed(autoencoder, rows.train if rows.validation is None else rows.validation, objective)
    return History(
        rows=tuple(step.rows),
        best_epoch=hooks.best.epoch if hooks.best else len(step.rows),
        stopped_early=bool(hooks.stopper and hooks.stopper.stopped_epoch),
        penalty_path=path,
        warnings=tuple(found),
        settings=settings,
    )


def _run(
    step: Step,
    machine: Machine,
    max_epochs: int,
    hooks: Sequence[Callback],
    loggers: Sequence[Logger],
    seed: int,
    checkpoint: str | Path | None,
) -> None:
    keep_freed_memory()
    try:
        with quiet(), interruptible(), flushed_denormals() as flushed, torch.random.fork_rng():
            said = "flushed to zero" if flushed else "not flushed: the processor cannot"
            logger.info("denormal numbers are %s", said)
            trainer = make_trainer(machine, max_epochs, hooks, loggers)
            torch.manual_seed(seed + trainer.global_rank)
            trainer.fit(step, ckpt_path=checkpoint, weights_only=True)
    except Interrupted:
        raise KeyboardInterrupt from None
    except (LookupError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        if checkpoint is None or step.begun or isinstance(error, CheckpointError):
            raise
        raise does_not_belong(checkpoint, error) from error


def _collapsed(autoencoder: Autoencoder, rows: Tensor | Rows, objective: Objective) -> list[str]:
    """What collapsed, in plain words, which are also warned of."""
    like = next(autoencoder.parameters())
    few = spread_rows(rows, _COLLAPSE_ROWS) if isinstance(rows, Tensor) else as_tensor(rows[:_COLLAPSE_ROWS])
    weights = [objective.weight_decay, *(term.weight for term in objective.terms)]
    found = collapse(autoencoder, few.to(like.device, like.dtype), penalised=max(weights) > 0)
    for sentence in found:
        warnings.warn(sentence, CollapseWarning, stacklevel=3)
    return found


def _check_same_run(checkpoint: dict[str, Any], settings: dict[str, Any]) -> None:
    before = checkpoint["contractive"]["settings"]
    # an older checkpoint knows fewer settings
    changed = next((name for name in settings if name in before and before[name] != settings[name]), None)
    if changed:
        raise CheckpointError(
            f"resume must go on with the settings of the checkpoint, got {changed} {settings[changed]}"
            f" instead of {before[changed]}. Set it back, or start the run anew."
        )


def _schedule(schedule: str | Schedule | None) -> Schedule | None:
    if isinstance(schedule, str):
        if schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, got {schedule!r}. Or pass a function.")
        return SCHEDULES[schedule]
    return schedule


def _penalty_path(autoencoder: Autoencoder, objective: Objective, x: Tensor) -> str:
    """How the norm will be computed, in the modes of training: a dropout leaves no closed form."""
    for term in objective.active().terms:
        penalty = term.penalty
        if isinstance(penalty, JacobianNorm) and term.of == "encoder":
            x = x.to(next(autoencoder.parameters()).device)
            with rehearsing(autoencoder.encoder):
                return str(plan(autoencoder.encoder, x, method=penalty.method, num_probes=penalty.num_probes))
    return ""
