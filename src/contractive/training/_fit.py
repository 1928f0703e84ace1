"""`fit`: train an autoencoder on Lightning and return what happened."""

import logging
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn

from contractive.analysis import spread_rows
from contractive.core.errors import InvalidValue
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
from contractive.training._settings import (
    TrainingOptions,
    TrainingSettings,
    check_count,
    check_names,
    check_seconds,
    settings_of,
)
from contractive.training._trainer import Interrupted, interruptible, make_trainer, quiet

logger = logging.getLogger(__name__)

FIT_DEFAULTS = TrainingSettings(max_epochs=50, batch_size=128, learning_rate=1e-3, schedule="constant")
_COLLAPSE_ROWS = 2048


class FitOptions(TrainingOptions, total=False):
    """Keyword arguments of `fit` beside its parameters: those of `TrainingSettings`, and these.

    Attributes:
        sample_weight: One factor of at least 0 per row of data in memory, brought to mean 1: of its reconstruction
            error and penalties in the objective. In the history only the total is weighted.
        optimizer: Makes another optimiser than Adam from the parameters; `learning_rate` is then not used.
        progress: Show a progress bar (the default).
        norm_rows: Validation rows on which exact Jacobian norms are computed each epoch; 64 by default.
        checkpoint_seconds: Least time between two checkpoints; 10 by default.
        loggers: Lightning loggers; they get each epoch's row.
    """

    sample_weight: Tensor | np.ndarray | None
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None
    progress: bool
    norm_rows: int
    checkpoint_seconds: float
    loggers: Sequence[Logger]


def fit(
    autoencoder: Autoencoder,
    data: Tensor | np.ndarray | Rows,
    objective: Objective,
    *,
    validation: Tensor | np.ndarray | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    **options: Unpack[FitOptions],
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
        checkpoint: File for the state of training, written after an epoch if `checkpoint_seconds` have passed since
            the last time, and after the last one.
        resume: Go on from `checkpoint`: on a CPU to the same weights, bit for bit, as without the break.
        callbacks: Lightning callbacks.
        options: The fields of `TrainingSettings` (`max_epochs`, `batch_size`, `learning_rate`, `schedule`, `patience`,
            `gradient_clip`, `seed`, `device`, `precision`, `devices`, `num_nodes`, `strategy`) and what `FitOptions`
            adds to them. Without them: 50 epochs of batches of 128 at a constant rate of 0.001, for any data; None is
            for the default by the data.

    Returns:
        The history; see `History`.

    Raises:
        TypeError: Data that are not floating-point numbers; not an `Autoencoder` or not an `Objective`; an option
            that does not exist.
        ValueError: Empty or non-finite data, a size that does not fit the encoder.
        InvalidValue: A setting out of range.
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
    check_names(fit, options, FitOptions.__annotations__)
    chosen, schedule = settings_of(options, FIT_DEFAULTS)
    norm_rows = check_count("norm_rows", options.get("norm_rows", 64))
    checkpoint_seconds = options.get("checkpoint_seconds", 10.0)
    if chosen.patience is not None and validation is None:
        raise InvalidValue("patience", "come with validation data", "none", "Pass validation=.")
    if resume and checkpoint is None:
        raise InvalidValue("resume", "come with a checkpoint", "none", "Pass checkpoint=.")
    checks.check_machine(chosen)
    check_seconds(checkpoint_seconds)
    rows = checks.training_rows(autoencoder, like, data, validation, options.get("sample_weight"))
    chosen = chosen.completed(len(rows.train), math.prod(rows.train.shape[1:]))
    max_epochs, batch_size, learning_rate = chosen.max_epochs, chosen.batch_size, chosen.learning_rate
    assert max_epochs is not None and batch_size is not None and learning_rate is not None
    settings = objective_settings(objective) | {
        "max_epochs": max_epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "schedule": described(options["schedule"]) if callable(options.get("schedule")) else chosen.schedule,
        "patience": chosen.patience,
        "gradient_clip": chosen.gradient_clip,
        "seed": chosen.seed,
        "rows": len(rows.train),
    }
    if resume:
        _check_same_run(read_checkpoint(str(checkpoint)), settings)
    make = options.get("optimizer") or partial(torch.optim.Adam, lr=learning_rate, fused=True)
    clip = chosen.gradient_clip
    step = Step(autoencoder, rows, batch_size, objective, make, schedule, chosen.seed, norm_rows, clip, settings)
    progress, loggers = options.get("progress", True), options.get("loggers", ())
    hooks = Hooks.of(step, objective.name, progress, chosen.patience, checkpoint, checkpoint_seconds, callbacks)
    if not autoencoder.training:
        autoencoder.train()
    try:
        path = _penalty_path(autoencoder, objective, as_tensor(rows.train[:batch_size]).to(like.dtype))
        _run(step, chosen, hooks.all, loggers, checkpoint if resume else None)
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
    settings: TrainingSettings,
    hooks: Sequence[Callback],
    loggers: Sequence[Logger],
    checkpoint: str | Path | None,
) -> None:
    keep_freed_memory()
    try:
        with quiet(), interruptible(), flushed_denormals() as flushed, torch.random.fork_rng():
            said = "flushed to zero" if flushed else "not flushed: the processor cannot"
            logger.info("denormal numbers are %s", said)
            trainer = make_trainer(settings, hooks, loggers)
            torch.manual_seed(settings.seed + trainer.global_rank)
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


def _penalty_path(autoencoder: Autoencoder, objective: Objective, x: Tensor) -> str:
    """How the norm will be computed, in the modes of training: a dropout leaves no closed form."""
    for term in objective.active().terms:
        penalty = term.penalty
        if isinstance(penalty, JacobianNorm) and term.of == "encoder":
            x = x.to(next(autoencoder.parameters()).device)
            with rehearsing(autoencoder.encoder):
                return str(plan(autoencoder.encoder, x, method=penalty.method, num_probes=penalty.num_probes))
    return ""
