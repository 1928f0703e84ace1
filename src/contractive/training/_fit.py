"""`fit`: train an autoencoder on Lightning and return what happened."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from lightning.pytorch import Callback
from lightning.pytorch.loggers import Logger
from torch import Tensor, nn
from torch.utils.data import Dataset

from contractive.analysis import spread_rows
from contractive.core.errors import InvalidType, InvalidValue, check_at_least
from contractive.core.randomness import global_randomness
from contractive.core.settings import checked
from contractive.jacobian import Center, check_independent_rows, plan
from contractive.models import Autoencoder
from contractive.objectives import LOSSES, JacobianNorm, KLSparsity, Objective, code_l1, map_of, num_penalty_rows
from contractive.training import _checkpoints as checkpoints
from contractive.training import _contexts as contexts
from contractive.training._history import CollapseWarning, History, check_reconstruction, collapse
from contractive.training._module import Step
from contractive.training._rows import Data, Loader, TrainingRows, first_part, in_memory, loader_of, size_of
from contractive.training._settings import MACHINE, TrainingOptions, TrainingSettings, check_machine, settings_of
from contractive.training._trainer import (
    BestWeights,
    LibraryCallback,
    ProgressBar,
    SaveRegularly,
    make_trainer,
    report_checkpoint_errors,
)

FIT_DEFAULTS = TrainingSettings(max_epochs=50, batch_size=128, learning_rate=1e-3, schedule="constant")
_COLLAPSE_ROWS = 2048
_BY_STEP = ("on_train_batch_start", "on_train_batch_end", "on_before_optimizer_step")  # hooks that watch every step
# settings that decide on the weights; the schedule, which may be a function, is put into words apart
_DECISIVE = [each.name for each in fields(TrainingSettings) if each.name not in {*MACHINE, "schedule"}]


class FitOptions(TrainingOptions, total=False):
    """Keyword arguments of `fit` beside its parameters: those of `TrainingSettings`, and these.

    Attributes:
        sample_weight: One factor of at least 0 per row of data in memory, brought to mean 1: of its reconstruction
            error and penalties in the objective. In the history only the total is weighted.
        optimizer: Makes another optimiser than Adam from the parameters, also one that evaluates the loss several times
            per step (LBFGS); `learning_rate` is then not used.
        inputs: From a batch of a loader to its inputs (batch, *features); the batch itself or its first part if left
            out.
        labels: From a batch of a loader to what the labelled terms of the objective are given (`Term(labelled=True)`).
        accumulate: Batches per step of the optimiser, 1 by default; the gradient is the mean over their rows. Where
            what a row adds depends on that row alone, it is that of one batch of all these rows: reconstruction,
            `weight_decay`, `l1`, Jacobian norms (with noise, probe vectors or fewer `penalty_rows` on average). Where
            rows of a batch are used together, it is not: `sparse`, `gain_weighted`, `isometric`, `Interpolation` and a
            batch norm in training mode see the rows of one batch at a time.
        progress: Show a progress bar (the default).
        norm_rows: Validation rows on which exact Jacobian norms are computed each epoch; 64 by default.
        checkpoint_seconds: Least time between two checkpoints; 10 by default.
        loggers: Lightning loggers; they get each epoch's row.
    """

    sample_weight: Tensor | np.ndarray | None
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None
    inputs: Callable[[Any], Tensor]
    labels: Callable[[Any], Any]
    accumulate: int
    progress: bool
    norm_rows: int
    checkpoint_seconds: float
    loggers: Sequence[Logger]


def fit(
    autoencoder: Autoencoder,
    data: Data,
    objective: Objective,
    *,
    validation: Data | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    **options: Unpack[FitOptions],
) -> History:
    """Train an autoencoder in place and return what happened, epoch by epoch.

    While it runs, small networks on small batches have one processor thread unless `threads` is given (the log tells),
    and denormal numbers are flushed to zero in the calling thread; the process keeps freed memory for the next step. An
    autoencoder in evaluation mode is put into training mode; in one that is in training mode, parts in evaluation mode
    (a frozen batch norm) stay so. Afterwards it is in evaluation mode, on the device it came from.

    Args:
        autoencoder: Encoder and decoder; keeps the weights of the best epoch with `patience`, else of the last. A
            centred encoder (`mlp(..., center=True)`) that has no mean yet is given that of the rows, for which a loader
            is read once more.
        data: (examples, *features), floating point, in memory; rows read in slices (`training.Rows`), which are
            shuffled by blocks; a torch Dataset; or a DataLoader or any other object that gives the batches of an epoch
            each time it is iterated. A loader of one's own has no state in a checkpoint: a resumed run goes on, but not
            to the same weights, and warns.
        objective: What is minimised, for instance `objectives.contractive(0.1)`.
        validation: Rows on which every epoch is measured, as `data`, all of them brought into memory; never trained on.
        checkpoint: File for the state of training, written after an epoch if `checkpoint_seconds` have passed since
            the last time, and after the last one.
        resume: Resume from `checkpoint`: on a CPU to the same weights, bit for bit, as without the interruption.
        callbacks: Lightning callbacks.
        options: The fields of `TrainingSettings` and what `FitOptions` adds to them. Where they are left out: 50 epochs
            of batches of 128 at a constant rate of 0.001, whatever the data. What is None is chosen by the data.

    Returns:
        The history; see `History`.

    Raises:
        TypeError: Data that are not floating-point numbers, no `Autoencoder` or `Objective`, an unknown option.
        ValueError: Empty or non-finite data, a size that does not fit the encoder, a setting out of range.
        CheckpointError: A checkpoint that is missing, broken or of another run.
        TrainingDiverged: The loss became NaN or infinite, or ended above that of a guess with weights beyond any
            healthy ones; the message names the place and the term.
        KeyboardInterrupt: Ctrl-C, after the checkpoint is written if the epoch ends within five seconds; the
            autoencoder then has the best weights with `patience`, else the latest ones.

    Examples:
        >>> import contractive as ct
        >>> _ = torch.manual_seed(0)
        >>> x = torch.rand(64, 1) @ torch.rand(1, 8)
        >>> objective = ct.objectives.contractive(0.01)
        >>> history = ct.fit(ct.mlp(8, code=3), x, objective, max_epochs=30, learning_rate=0.05, progress=False)
        >>> history["train_total"][-1] < history["train_total"][0]
        True
    """
    settings, schedule = settings_of(fit, options, FitOptions.__annotations__, FIT_DEFAULTS)
    norm_rows = checked("norm_rows", options.get("norm_rows", 64), int, least=1)
    seconds = options.get("checkpoint_seconds", 10.0)
    check_at_least("checkpoint_seconds", seconds, 0)
    if settings.patience is not None and validation is None:
        raise InvalidValue("patience", "come with validation data", "none", "Pass validation=.")
    if resume and checkpoint is None:
        raise InvalidValue("resume", "come with a checkpoint", "none", "Pass checkpoint=.")
    check_machine(settings)
    like = _check_trainable(autoencoder, objective)
    home, order = like.device, torch.Generator().manual_seed(settings.seed)
    settings = settings.completed(*size_of(data))
    assert settings.batch_size is not None and settings.learning_rate is not None
    accumulate = checked("accumulate", options.get("accumulate", 1), int, least=1)
    parts = options.get("inputs", first_part), options.get("labels")
    loaded = loader_of(data, parts, like.dtype, settings.batch_size, order)
    if parts[1] is not None and not isinstance(loaded, Loader):
        raise InvalidValue("labels", "come with a loader or a Dataset", type(data).__name__, "TensorDataset(x, y).")
    if isinstance(loaded, Loader) and settings.devices * settings.num_nodes > 1:
        remedy = "Put the rows into a file that is read in slices."
        raise InvalidValue("data", "be a tensor, an array or Rows with several processes", "a loader", remedy)
    # a loss of the caller's may compare the code of an encoder alone with anything
    alone = isinstance(autoencoder.decoder, nn.Identity) and objective.loss not in LOSSES.values()
    held_out = in_memory(validation, parts[0], like.dtype)
    rows = TrainingRows.of(autoencoder, like, loaded, held_out, options.get("sample_weight"), alone)
    if not resume:  # the checkpoint has it
        _set_mean(autoencoder.encoder, rows)
    identity = {
        **checkpoints.objective_in_words(objective),
        **{name: checkpoints.in_words(getattr(settings, name)) for name in _DECISIVE},
        "schedule": checkpoints.in_words(schedule if callable(options.get("schedule")) else settings.schedule),
        "rows": "of a loader" if isinstance(rows.train, Loader) else str(len(rows.train)),
        "accumulate": str(accumulate),
    }
    source = checkpoint if resume else None
    if source is not None:
        # without a schedule the first epochs are the same however many follow
        fixed = identity if schedule else {name: text for name, text in identity.items() if name != "max_epochs"}
        done = len(checkpoints.read_checkpoint(source, fixed)["contractive"]["rows"])
        check_at_least("max_epochs", settings.max_epochs or 0, done, "The checkpoint holds so many.")
        if isinstance(rows.train, Loader) and not isinstance(data, Dataset):
            warnings.warn("The checkpoint has no state of the loader: its batches may differ.", stacklevel=2)
    make = options.get("optimizer") or partial(torch.optim.Adam, lr=settings.learning_rate, fused=True)
    step = Step(autoencoder, rows, objective, settings, make, schedule, norm_rows, identity, order, accumulate)
    bar = ProgressBar(objective.name) if options.get("progress", True) else None
    best = None if settings.patience is None else BestWeights(settings.patience)
    saver = None if checkpoint is None else SaveRegularly(Path(checkpoint), seconds)
    step.on_progress += [report for report in (bar and bar.show, best and best.update) if report]
    hooks = [*filter(None, (bar, best, saver)), *callbacks]
    others = [callback for callback in callbacks if not isinstance(callback, LibraryCallback)]
    watched = [getattr(callback, name) for callback in others for name in _BY_STEP]
    if any(getattr(hook, "__func__", hook) not in vars(Callback).values() for hook in watched):
        step.steps_per_block = 1
    contexts.keep_freed_memory()
    if not autoencoder.training:
        autoencoder.train()
    try:
        first = rows.first[: settings.batch_size].to(like)
        # a penalty on the codes alone takes no derivative by one row
        terms = [
            t for t in objective.active().terms if t.penalty is not code_l1 and not isinstance(t.penalty, KLSparsity)
        ]
        if terms:
            of_encoder = all(term.of.startswith("encoder") for term in terms)
            of, name = ("encoder", "encoder") if of_encoder else ("reconstruction", "autoencoder")
            check_independent_rows(map_of(autoencoder, of), rows.first.to(like), name, batch_norm=False)
        _penalty_path(step, first)  # refuses what cannot be differentiated before anything is trained
        interrupted = contexts.interruptible()
        threads = contexts.using_threads(settings.threads, autoencoder, first)
        with global_randomness(), contexts.quiet(), interrupted as stop, threads, contexts.flushed_denormals():
            if saver is not None:
                saver.stop = stop
            trainer = make_trainer(settings, hooks, options.get("loggers", ()), validated=rows.validation is not None)
            torch.manual_seed(settings.seed + trainer.global_rank)
            if source is not None:
                report_checkpoint_errors(trainer, source)
            trainer.fit(step, ckpt_path=source, weights_only=True)
        path = _penalty_path(step, first.to(next(autoencoder.parameters()).device))
    finally:
        if best is not None:
            best.restore(step)
        autoencoder.to(home).eval()
    few = spread_rows(rows.first if rows.validation is None else rows.validation, _COLLAPSE_ROWS).to(like)
    check_reconstruction(autoencoder, few)
    penalised = max([objective.weight_decay, *(term.weight for term in objective.terms)]) > 0
    found = collapse(autoencoder, few, penalised=penalised)
    for sentence in found:
        warnings.warn(sentence, CollapseWarning, stacklevel=2)
    return History(
        rows=tuple(step.rows),
        best_epoch=best.epoch if best else len(step.rows),
        stopped_early=best is not None and best.has_stopped(step),
        penalty_path=path,
        warnings=tuple(found),
        settings=identity,
    )


def _check_trainable(autoencoder: Autoencoder, objective: Objective) -> nn.Parameter:
    """Refuse what cannot be trained; return a parameter, whose precision and device the data take."""
    if not isinstance(autoencoder, Autoencoder):
        remedy = "Wrap it: Autoencoder(encoder, decoder)."
        raise InvalidType("autoencoder", "be an Autoencoder", type(autoencoder).__name__, remedy)
    if not isinstance(objective, Objective):
        name = getattr(objective, "__name__", repr(objective))
        raise InvalidType("objective", "be an Objective", name, "For instance objectives.contractive(0.1).")
    for parameter in autoencoder.parameters():
        if parameter.requires_grad:
            return parameter
    raise InvalidValue("autoencoder", "have parameters to train", "none that require a gradient", "Unfreeze some.")


def _set_mean(encoder: nn.Module, rows: TrainingRows) -> None:
    """Give a centred encoder the mean of the rows it learns from, unless it has one."""
    first = next((module for module in encoder.modules() if not list(module.children())), None)
    if isinstance(first, Center) and not bool(first.mean.any()):
        first.mean.copy_(rows.mean())


def _penalty_path(step: Step, x: Tensor) -> str:
    """Describe how the norm is computed, in the modes of training: a dropout leaves no closed form."""
    for term in step.penalty_rows.applied(step.objective.active()).terms:
        penalty = term.penalty
        if isinstance(penalty, JacobianNorm) and term.of == "encoder":
            encoder, rows = step.autoencoder.encoder, num_penalty_rows(penalty.penalty_rows, len(x))
            options: Any = {"num_probes": penalty.num_probes, "batch_statistics": penalty.batch_statistics}
            path = str(plan(encoder, x[:rows], method=penalty.method, **options))
            if penalty.is_squared:  # the way to any other norm is not described
                return path if rows == len(x) else f"{path} on {rows} of {len(x)} rows"
    return ""
