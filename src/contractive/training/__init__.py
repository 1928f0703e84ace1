"""Training on Lightning behind one function, `fit`."""

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor, nn

from contractive.analysis import spread_rows
from contractive.autoencoder import Autoencoder
from contractive.jacobian import plan
from contractive.objectives import Objective
from contractive.penalties import JacobianNorm
from contractive.training._batches import Blocks
from contractive.training._callbacks import Best, Progress
from contractive.training._collapse import collapse
from contractive.training._history import CollapseWarning, History, TrainingDiverged
from contractive.training._memory import flushed_denormals, keep_freed_memory
from contractive.training._modes import evaluating
from contractive.training._module import Schedule, Step

__all__ = [
    "fit",
    "History",
    # what can go wrong
    "CollapseWarning",
    "TrainingDiverged",
    "collapse",
]

logger = logging.getLogger(__name__)

_COLLAPSE_ROWS = 2048
DEVICES = ("auto", "cpu", "cuda", "mps")

SCHEDULES: dict[str, Schedule] = {
    "cosine": lambda optimizer, epochs: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs),
    "exponential": lambda optimizer, epochs: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.01 ** (1 / epochs)),
}


def fit(
    autoencoder: Autoencoder,
    data: Tensor | np.ndarray,
    objective: Objective,
    *,
    validation: Tensor | np.ndarray | None = None,
    max_epochs: int = 50,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer] | None = None,
    schedule: str | Schedule | None = None,
    patience: int | None = None,
    gradient_clip: float | None = None,
    seed: int = 0,
    device: str = "auto",
    progress: bool = True,
    norm_rows: int = 64,
    callbacks: Sequence[Callback] = (),
) -> History:
    """Train an autoencoder in place and return what happened, epoch by epoch.

    Denormal numbers are flushed to zero in the calling thread while it runs: a strongly contracted encoder produces
    them, and they were seen to slow a step down twenty-fold. From the first call on, the process keeps freed memory for
    the next step. An autoencoder in evaluation mode is put into training mode; in one that is in training mode, parts
    in evaluation mode (a frozen batch norm) stay so. Afterwards it is in evaluation mode, on the device it came from.

    Args:
        autoencoder: Encoder and decoder; keeps the weights of the best epoch with `patience`, else of the last.
        data: (examples, *features), floating point, in memory.
        objective: What is minimised, for instance `objectives.contractive(0.1)`.
        validation: Rows on which every epoch is judged, as `data`; never trained on.
        max_epochs: Passes over the data.
        batch_size: Rows per step; fewer rows, and a last batch of one row, are fine.
        learning_rate: Of Adam.
        optimizer: Makes another optimiser from the parameters; `learning_rate` is then not used.
        schedule: `cosine`, `exponential` (to 1 %), or (optimiser, epochs) -> scheduler, stepped once per epoch.
        patience: Stop after so many epochs without a lower `val_total`.
        gradient_clip: Largest norm of the gradient.
        seed: Of the order of the data, noise, probes and dropout. Same seed and machine, same weights, on the CPU.
        device: `auto`, `cpu`, `cuda` or `mps`.
        progress: Whether to show a progress bar.
        norm_rows: Validation rows on which exact Jacobian norms are computed each epoch.
        callbacks: Lightning callbacks.

    Returns:
        The history; see `History`.

    Raises:
        TypeError: Data that are not floating-point numbers; not an `Autoencoder` or not an `Objective`.
        ValueError: Empty or non-finite data, a size that does not fit the encoder, a setting out of range.
        TrainingDiverged: The loss became NaN or infinite; says where and which term.

    Example:
        >>> import contractive as ct
        >>> x = torch.rand(64, 1) @ torch.rand(1, 8)
        >>> objective = ct.objectives.contractive(0.01)
        >>> history = ct.fit(ct.mlp(8, code=3), x, objective, max_epochs=30, learning_rate=0.05, progress=False)
        >>> history["train_total"][-1] < history["train_total"][0]
        True
    """
    reference = _check_what(autoencoder, objective, device)
    home = reference.device
    _check_settings(max_epochs, batch_size, learning_rate, patience, gradient_clip, validation, norm_rows)
    train = _rows(data, "data", reference)
    held_out = None if validation is None else _rows(validation, "validation", reference)
    schedule = _schedule(schedule)
    _check_fit(autoencoder, train, "data")
    if held_out is not None:
        _check_fit(autoencoder, held_out, "validation")
    if not autoencoder.training:
        autoencoder.train()

    def default_optimizer(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.Adam(parameters, learning_rate, fused=True)

    order, noise = torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed + 1)
    make = optimizer or default_optimizer
    step = Step(autoencoder, objective, make, schedule, held_out, noise, norm_rows, gradient_clip)
    bar = Progress(objective.name) if progress else None
    best = Best("val_total") if patience is not None else None
    step.watchers += [watcher.on_row for watcher in (bar, best) if watcher is not None]
    stopper = EarlyStopping("val_total", patience=patience, check_finite=False) if patience is not None else None
    hooks = [hook for hook in (bar, best, stopper, *callbacks) if hook is not None]
    keep_freed_memory()
    with _quiet(), flushed_denormals() as flushed, torch.random.fork_rng():
        logger.info("denormal numbers are %s", "flushed to zero" if flushed else "not flushed: the processor cannot")
        torch.manual_seed(seed)
        trainer = Trainer(
            accelerator="gpu" if device == "cuda" else device,
            devices=1,
            max_epochs=max_epochs,
            callbacks=hooks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(step, Blocks(train, batch_size, order))  # pyright: ignore[reportArgumentType]
    autoencoder.to(home).eval()
    judged = spread_rows(train if held_out is None else held_out, _COLLAPSE_ROWS).to(home)
    weights = [objective.weight_decay, *(term.weight for term in objective.terms)]
    found = collapse(autoencoder, judged, penalised=max(weights) > 0)
    for sentence in found:
        warnings.warn(sentence, CollapseWarning, stacklevel=2)
    return History(
        rows=tuple(step.rows),
        best_epoch=best.epoch if best else len(step.rows),
        stopped_early=bool(stopper and stopper.stopped_epoch),
        penalty_path=_penalty_path(autoencoder, objective, train[:batch_size]),
        warnings=tuple(found),
        settings={
            "objective": objective.name,
            "max_epochs": max_epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "patience": patience,
            "gradient_clip": gradient_clip,
            "seed": seed,
        },
    )


def _rows(data: Any, what: str, like: Tensor) -> Tensor:
    """The data as a tensor in the precision of the weights, or a clear error."""
    if not isinstance(data, Tensor | np.ndarray):
        kind = type(data).__name__
        raise TypeError(f"{what} must be a tensor or an array, got {kind}. A data frame: df.to_numpy('float32').")
    x = torch.as_tensor(data)
    if not x.is_floating_point():
        raise TypeError(f"{what} must be floating-point numbers, got {x.dtype}. Convert and scale them first.")
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"{what} must have the shape (examples, *features), got {tuple(x.shape)}. Give it rows.")
    x = x.to(like.dtype)
    bad = int((~torch.isfinite(x)).sum())
    if bad:
        raise ValueError(f"{what} must be finite, got {bad} NaN or infinite entries. Impute or drop them.")
    return x


def _check_what(autoencoder: Autoencoder, objective: Objective, device: str) -> nn.Parameter:
    """Refuse what cannot be trained; returns a parameter, whose precision and device the data take."""
    if not isinstance(autoencoder, Autoencoder):
        kind = type(autoencoder).__name__
        raise TypeError(f"autoencoder must be an Autoencoder, got {kind}. Wrap it: Autoencoder(encoder, decoder).")
    if not isinstance(objective, Objective):
        kind = getattr(objective, "__name__", repr(objective))
        raise TypeError(f"objective must be an Objective, got {kind}. For instance objectives.contractive(0.1).")
    if device not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(DEVICES)}, got {device!r}. Leave it out to choose itself.")
    trained = [parameter for parameter in autoencoder.parameters() if parameter.requires_grad]
    if not trained:
        raise ValueError("autoencoder must have parameters to train, got none that require a gradient. Unfreeze some.")
    return trained[0]


def _check_fit(autoencoder: Autoencoder, x: Tensor, what: str) -> None:
    """Run one row through, so that a wrong width is one clear line and not an error from deep inside."""
    row = x[:1].to(next(autoencoder.parameters()).device)
    try:
        with evaluating(autoencoder):
            shape = tuple(autoencoder(row).shape[1:])
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{what} must fit the autoencoder, got rows of shape {tuple(x.shape[1:])}: {reason}."
            " Build it for this number of features."
        ) from error
    if shape != tuple(x.shape[1:]):
        raise ValueError(
            f"reconstructions must have the shape of the data {tuple(x.shape[1:])}, got {shape}."
            " Let the decoder end with the number of features."
        )


def _schedule(schedule: str | Schedule | None) -> Schedule | None:
    if isinstance(schedule, str):
        if schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, got {schedule!r}. Or pass a function.")
        return SCHEDULES[schedule]
    return schedule


def _check_settings(
    max_epochs: int,
    batch_size: int,
    learning_rate: float,
    patience: int | None,
    gradient_clip: float | None,
    validation: Any,
    norm_rows: int,
) -> None:
    for name, value in (("max_epochs", max_epochs), ("batch_size", batch_size), ("norm_rows", norm_rows)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}. Leave it out for the default.")
    if not 0 < learning_rate < float("inf"):
        raise ValueError(f"learning_rate must be above 0 and finite, got {learning_rate}. Try 1e-3.")
    if gradient_clip is not None and not gradient_clip > 0:
        raise ValueError(f"gradient_clip must be above 0, got {gradient_clip}. Leave it out for no clipping.")
    if patience is not None and patience < 1:
        raise ValueError(f"patience must be at least 1, got {patience}. Leave it out to train all epochs.")
    if patience is not None and validation is None:
        raise ValueError("patience must come with validation data, got none. Pass validation=.")


def _penalty_path(autoencoder: Autoencoder, objective: Objective, x: Tensor) -> str:
    for term in objective.terms:
        penalty = term.penalty
        if isinstance(penalty, JacobianNorm) and term.of == "encoder":
            x = x.to(next(autoencoder.parameters()).device)
            return str(plan(autoencoder.encoder, x, method=penalty.method, num_probes=penalty.num_probes))
    return ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Lightning says about things that are as they should be here."""
    lightning_logger = logging.getLogger("lightning.pytorch")
    level = lightning_logger.level
    lightning_logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # Lightning 2.6 on torch 2.13 uses a deprecated pytree class
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
        warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
        try:
            yield
        finally:
            lightning_logger.setLevel(level)
