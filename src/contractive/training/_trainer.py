"""Lightning's trainer as `fit` uses it, and its callbacks: progress bar, best weights, checkpoints."""

import copy
import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.callbacks import ProgressBar as LightningBar
from lightning.pytorch.loggers import Logger
from torch import Tensor
from tqdm.auto import tqdm

from contractive.training._checkpoints import State, read_checkpoint, restored, write_checkpoint
from contractive.training._contexts import Stop
from contractive.training._module import Step
from contractive.training._settings import TrainingSettings

_PATIENCE = 5.0  # seconds that a signal waits for the end of an epoch, before which there is nothing to resume from


def make_trainer(
    settings: TrainingSettings, callbacks: Sequence[Callback], loggers: Sequence[Logger], *, validated: bool
) -> Trainer:
    """Lightning's trainer without what `fit` does itself."""
    return Trainer(
        accelerator="gpu" if settings.device == "cuda" else settings.device,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=settings.strategy,
        precision={"32": "32-true", "bf16": "bf16-mixed"}[settings.precision],  # pyright: ignore[reportArgumentType]
        max_epochs=settings.max_epochs,
        callbacks=list(callbacks),
        logger=list(loggers) or False,
        plugins=[SafeIO()],
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_progress_bar=any(isinstance(callback, LightningBar) for callback in callbacks),
        limit_val_batches=1 if validated else 0,
        num_sanity_val_steps=0,
        inference_mode=False,  # the exact norms of validation need derivatives
        enable_model_summary=False,
    )


def report_checkpoint_errors(trainer: Trainer, path: str | Path) -> None:
    """Make what fails in restoring this checkpoint an error of the checkpoint, but for callbacks of the caller's."""
    connector: Any = trainer._checkpoint_connector
    steps = [(connector, name) for name in ("resume_start", "restore_model", "restore_training_state")]
    callbacks: list[Callback] = trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
    steps += [(callback, "load_state_dict") for callback in callbacks if isinstance(callback, LibraryCallback)]
    for owner, name in steps:
        setattr(owner, name, partial(restored, path, getattr(owner, name)))


class LibraryCallback(Callback):
    """A callback of the library: it does the same whether it is called after each step or after each block of them."""


class SafeIO(TorchCheckpointIO):
    """Lightning's reading and writing of checkpoints, made atomic and restricted to tensors and plain values."""

    def save_checkpoint(self, checkpoint: State, path: Any, storage_options: Any = None) -> None:
        write_checkpoint(checkpoint, Path(path))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> State:
        return read_checkpoint(path, device=map_location)


class SaveRegularly(LibraryCallback, Checkpoint):
    """Write the state after an epoch, but not more often than every so many seconds, and after the last epoch.

    With `epoch` it is written once, after that one. A signal to stop waits until the epoch is over and written.

    Attributes:
        stop: The handler of signals.
    """

    stop: Stop | None = None

    def __init__(self, path: Path, seconds: float = math.inf, epoch: int | None = None) -> None:
        self._path, self._seconds, self._epoch, self._written = path, seconds, epoch, time.monotonic()
        self._stopped = False  # True once written after a signal

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.stop:
            self.stop.wait(_PATIENCE)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.stop:
            self.stop.check(saved=self._stopped)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.stop:
            self.stop.check(saved=False)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        done = trainer.current_epoch + 1
        if self._epoch is None:
            last = trainer.should_stop or done >= (trainer.max_epochs or 0) or (self.stop and self.stop.number)
            due = bool(last) or time.monotonic() - self._written >= self._seconds
        else:
            due = done == self._epoch
        # all processes take part in saving, but their clocks differ: the first process decides
        if trainer.strategy.broadcast(due):
            trainer.save_checkpoint(self._path)
            self._written = time.monotonic()
            self._stopped = bool(self.stop and self.stop.number)


class ProgressBar(LibraryCallback):
    """One bar over all steps that shows the metrics of the last epoch."""

    def __init__(self, title: str) -> None:
        self._title = title

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        blocks = trainer.num_training_batches
        total = None if blocks == math.inf else int(blocks) * (trainer.max_epochs or 1)  # a loader may have no length
        done = 0 if total is None else int(blocks) * trainer.current_epoch
        self._bar = tqdm(total=total, initial=done, desc=self._title, unit="block", dynamic_ncols=True, leave=False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._bar.update()

    def show(self, step: Step) -> None:
        """Show the metrics of the last row: those on validation data, where there are any."""
        row = step.rows[-1]
        prefix = "val_" if "val_total" in row else "train_"
        shown = {name: f"{value:.4g}" for name, value in row.items() if name.startswith(prefix)}
        self._bar.set_postfix({"epoch": row["epoch"], **shown})

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if hasattr(self, "_bar"):
            self._bar.close()


class BestWeights(LibraryCallback):
    """Keep the weights of the epoch with the lowest validation objective, and stop `patience` epochs after it."""

    def __init__(self, patience: int) -> None:
        self._patience, self._weights, self.epoch = patience, dict[str, Tensor](), 0

    def update(self, step: Step) -> None:
        """Copy the weights if the last epoch is the best so far."""
        if step.rows[-1]["val_total"] < (step.rows[self.epoch - 1]["val_total"] if self.epoch else math.inf):
            self.epoch, self._weights = len(step.rows), copy.deepcopy(step.autoencoder.state_dict())
        self._stop(step)

    def has_stopped(self, step: Step) -> bool:
        """Return True if there were that many epochs since the best one."""
        return len(step.rows) - self.epoch >= self._patience

    def _stop(self, step: Step) -> None:
        # processes round differently on different processors: all stop as soon as one has reason to
        stop = step.trainer.strategy.reduce_boolean_decision(self.has_stopped(step), all=False)
        step.trainer.should_stop = step.trainer.should_stop or stop

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop at once where the checkpoint that is resumed was written after the last epoch."""
        assert isinstance(pl_module, Step)
        if pl_module.rows:
            self._stop(pl_module)

    def state_dict(self) -> State:
        return {"epoch": self.epoch, "weights": self._weights}

    def load_state_dict(self, state_dict: State) -> None:
        self.epoch, self._weights = state_dict["epoch"], state_dict["weights"]

    def restore(self, step: Step) -> None:
        """Put the best weights back, if an epoch was finished."""
        if self.epoch:
            step.autoencoder.load_state_dict(self._weights)
