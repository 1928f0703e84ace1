"""What accompanies training: progress bar, best weights, early stopping, checkpoints."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor
from tqdm.auto import tqdm

from contractive.models import Autoencoder
from contractive.training._checkpoints import Checkpoints
from contractive.training._module import Step


class Progress(Callback):
    """One bar over all steps that shows the figures of the last epoch."""

    def __init__(self, title: str) -> None:
        self._title = title

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Open the bar."""
        total = int(trainer.num_training_batches) * (trainer.max_epochs or 1)
        done = int(trainer.num_training_batches) * trainer.current_epoch
        self._bar = tqdm(total=total, initial=done, desc=self._title, unit="block", dynamic_ncols=True, leave=False)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advance."""
        self._bar.update()

    def on_row(self, step: Step) -> None:
        """Show this epoch's figures."""
        row = step.rows[-1]
        shown = {name: f"{value:.4g}" for name, value in row.items() if name.startswith("val_")}
        shown = shown or {name: f"{value:.4g}" for name, value in row.items() if name.startswith("train_")}
        self._bar.set_postfix({"epoch": row["epoch"], **shown})

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Close the bar, whatever happened."""
        if hasattr(self, "_bar"):
            self._bar.close()


class Best(Callback):
    """Keeps a copy of the weights of the epoch with the lowest figure, and puts them back at the end."""

    def __init__(self, monitor: str) -> None:
        self._monitor = monitor
        self._lowest = float("inf")
        self._weights: dict[str, Tensor] = {}
        self.epoch = 0

    def on_row(self, step: Step) -> None:
        """Copy the weights if this epoch is the best so far."""
        row = step.rows[-1]
        if row[self._monitor] < self._lowest:
            self._lowest, self.epoch = row[self._monitor], int(row["epoch"])
            self._weights = copy.deepcopy(step.autoencoder.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"lowest": self._lowest, "epoch": self.epoch, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From a checkpoint."""
        self._lowest, self.epoch, self._weights = (state_dict[key] for key in ("lowest", "epoch", "weights"))

    def restore(self, autoencoder: Autoencoder) -> None:
        """Put the best weights back, if an epoch was finished."""
        if self.epoch:
            autoencoder.load_state_dict(self._weights)


class Stopped(Callback):
    """Trains no further where the stopper had used up its patience before the checkpoint that is resumed.

    Not a kind of `EarlyStopping`: its state would have another name in checkpoints.
    """

    def __init__(self, stopper: EarlyStopping) -> None:
        self._stopper = stopper

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop at once."""
        if self._stopper.wait_count >= self._stopper.patience:
            trainer.should_stop = True


@dataclass(frozen=True)
class Hooks:
    """The callbacks of one call of `fit`.

    Attributes:
        all: In the order in which they are called.
        best: Keeps the best weights, if training may stop early.
        stopper: Stops it.
    """

    all: tuple[Callback, ...]
    best: Best | None
    stopper: EarlyStopping | None

    @classmethod
    def of(
        cls,
        step: Step,
        title: str,
        progress: bool,
        patience: int | None,
        checkpoint: str | Path | None,
        checkpoint_seconds: float,
        further: Sequence[Callback],
    ) -> "Hooks":
        """Those that the settings ask for, listening to the rows of the step."""
        bar = Progress(title) if progress else None
        best = Best("val_total") if patience is not None else None
        stopper = EarlyStopping("val_total", patience=patience, check_finite=False) if patience is not None else None
        saver = Checkpoints(Path(checkpoint), checkpoint_seconds) if checkpoint is not None else None
        stopped = Stopped(stopper) if stopper is not None else None
        step.watchers += [watcher.on_row for watcher in (bar, best) if watcher is not None]
        own = (hook for hook in (bar, best, stopper, stopped, saver) if hook is not None)
        return cls((*own, *further), best, stopper)

    def restore(self, autoencoder: Autoencoder) -> None:
        """Put the best weights back, where they were kept."""
        if self.best is not None:
            self.best.restore(autoencoder)
