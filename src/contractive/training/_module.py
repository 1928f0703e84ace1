"""One training step and one validation, as Lightning sees them."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from contractive.analysis import spread_rows
from contractive.core.randomness import share
from contractive.jacobian import squared_norm
from contractive.models import Autoencoder
from contractive.objectives import JacobianNorm, Objective, Values
from contractive.training._batches import Batch, Blocks, Shard, TrainingRows
from contractive.training._history import TrainingDiverged
from contractive.training._modes import evaluating
from contractive.training._settings import Schedule

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]

_ROWS_AT_ONCE = 2048
_MANY_ROWS = 10_000
_RUNAWAY = 1e4  # no weight of a healthy net is this large; NaN is not smaller either


class Step(LightningModule):
    """The shared step of every variant: evaluate the objective, keep sums of its parts, check that they are finite.

    Args:
        autoencoder: What is trained, in place.
        rows: What it learns from and is judged on.
        batch_size: Rows per step and process.
        objective: What is minimised.
        optimizer: Makes the optimiser from the parameters.
        schedule: Makes a learning-rate schedule, stepped once per epoch, from it and the number of epochs.
        seed: Of the order of the rows, and with 1 added of noise and probes.
        norm_rows: Validation rows on which exact Jacobian norms are computed.
        gradient_clip: Largest norm of the gradient, or None.
        settings: What tells this run from another, for its checkpoints.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        rows: TrainingRows,
        batch_size: int,
        objective: Objective,
        optimizer: OptimizerFactory,
        schedule: Schedule | None,
        seed: int,
        norm_rows: int,
        gradient_clip: float | None,
        settings: dict[str, Any],
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.objective = objective
        self.rows: list[dict[str, float]] = []
        self.begun = False  # whether all of a checkpoint was taken back
        self.watchers: list[Callable[[Step], None]] = []
        self.automatic_optimization = False  # one call of `training_step` takes the steps of a whole block
        self._make_optimizer = optimizer
        self._make_schedule = schedule
        self._rows = rows
        self._batch_size = batch_size
        self._order = torch.Generator().manual_seed(seed)
        self._noise = torch.Generator().manual_seed(seed + 1)
        self._restored: dict[str, Any] = {}
        self._norm_rows = norm_rows
        self._gradient_clip = gradient_clip
        self._settings = settings

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser; its schedule is stepped here, once per epoch."""
        optimizer = self._make_optimizer(self.autoencoder.parameters())
        epochs = self.trainer.max_epochs or 1
        self._schedule = self._make_schedule(optimizer, epochs) if self._make_schedule else None
        return optimizer

    def train_dataloader(self) -> Blocks:
        """This process's batches."""
        self._shard = Shard(self.trainer.global_rank, self.trainer.world_size)
        dtype = next(self.autoencoder.parameters()).dtype
        return Blocks(self._rows.train, self._batch_size, self._order, self._shard, dtype, self._rows.weights)

    def on_train_start(self) -> None:
        """Go on where a checkpoint ended."""
        if self._schedule is not None and self._restored:
            self._schedule.load_state_dict(self._restored["schedule"])
        self.begun = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the next epoch depends on beside weights and optimiser: the random generators, the schedule."""
        checkpoint["contractive"] = {
            "settings": self._settings,
            "rows": self.rows,
            "order": self._order.get_state(),
            "noise": self._noise.get_state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
            "schedule": self._schedule.state_dict() if self._schedule is not None else None,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it back."""
        self._restored = checkpoint["contractive"]
        self.rows = list(self._restored["rows"])
        self._order.set_state(self._restored["order"].cpu())
        self._noise.set_state(self._restored["noise"].cpu())
        torch.set_rng_state(self._restored["torch"].cpu())
        if self._restored["cuda"] and self.device.type == "cuda":
            torch.cuda.set_rng_state_all([state.cpu() for state in self._restored["cuda"]])

    def on_train_epoch_start(self) -> None:
        """Start the clock and the sums."""
        self._began = time.perf_counter()
        self._sums: dict[str, Tensor] = {}
        self._count = self._steps = 0

    def training_step(self, block: list[Batch], index: int) -> None:
        """One optimiser step for each batch of the block."""
        optimizer = self.trainer.optimizers[0]
        objective = self.objective.active()
        for x, weights in block:
            self._steps += 1
            with share(self._shard.rank, self._shard.world):
                values = objective(self.autoencoder, x, generator=self._noise, sample_weight=weights)
            if not torch.isfinite(values.total):
                raise TrainingDiverged(self._diagnosis(values))
            optimizer.zero_grad()
            self.manual_backward(values.total)
            if self._gradient_clip is not None:
                nn.utils.clip_grad_norm_(self.autoencoder.parameters(), self._gradient_clip)
            optimizer.step()
            self._keep(values, len(x))

    def on_train_epoch_end(self) -> None:
        """Finish the row of this epoch and show it to the watchers.

        Lightning calls most callbacks before this hook, so that they could not see the row in theirs.
        """
        row = {f"train_{name}": self._mean(total) for name, total in self._sums.items()}
        off = [term.name for term in self.objective.terms if f"train_{term.name}" not in row]
        row |= {f"train_{name}": float("nan") for name in off}
        if self._rows.validation is not None:
            row |= self.validate(self._rows.validation.to(self.device))
        optimizer = self.trainer.optimizers[0]
        head = {
            "epoch": self.current_epoch + 1,
            "seconds": time.perf_counter() - self._began,
            "learning_rate": optimizer.param_groups[0]["lr"],
        }
        if self._schedule is not None:
            self._schedule.step()
        self.rows.append(head | row)
        self.log_dict(row)
        for watch in self.watchers:
            watch(self)

    def validate(self, x: Tensor) -> dict[str, float]:
        """Reconstruction on all rows; penalties and ||J||_F^2 exactly, on `norm_rows` evenly spaced ones."""
        with evaluating(self.autoencoder):
            return self._figures(x, spread_rows(x, self._norm_rows))

    def validation_error(self) -> float:
        """Mean reconstruction error on up to ten thousand validation rows."""
        assert self._rows.validation is not None
        x = spread_rows(self._rows.validation, _MANY_ROWS).to(self.device)
        with evaluating(self.autoencoder):
            return float(self._errors(x).mean())

    def _figures(self, x: Tensor, few: Tensor) -> dict[str, float]:
        exact = self.objective.exact()
        subset = exact(self.autoencoder, few, generator=torch.Generator().manual_seed(0))
        reconstruction = self._errors(x).mean()
        row = {"val_reconstruction": float(reconstruction)}
        row |= {f"val_{name}": float(value.mean()) for name, value in subset.penalties.items()}
        # the subset's objective with the reconstruction error of all rows in place of its own
        row["val_total"] = float(subset.total - subset.reconstruction.mean() + reconstruction)
        row["val_squared_norm"] = self._squared_norm(few, row)
        return row

    def _errors(self, x: Tensor) -> Tensor:
        return torch.cat([self.objective.loss(self.autoencoder(part), part) for part in x.split(_ROWS_AT_ONCE)])

    def _squared_norm(self, few: Tensor, row: dict[str, float]) -> float:
        for term in self.objective.terms:
            if isinstance(term.penalty, JacobianNorm) and term.of == "encoder":
                return row[f"val_{term.name}"]
        return float(squared_norm(self.autoencoder.encoder, few).mean())

    def _keep(self, values: Values, count: int) -> None:
        parts = {"total": values.total.detach() * count, "reconstruction": values.reconstruction.detach().sum()}
        parts |= {name: penalty.detach().sum() for name, penalty in values.penalties.items()}
        for name, amount in parts.items():
            self._sums[name] = self._sums[name] + amount if name in self._sums else amount
        self._count += count

    def _mean(self, total: Tensor) -> float:
        """Over the rows of all processes, which have equally many."""
        return float(self.trainer.strategy.reduce(total / self._count, reduce_op="mean"))

    def _diagnosis(self, values: Values) -> str:
        parts = {"reconstruction": values.reconstruction, **values.penalties}
        guilty = [name for name, part in parts.items() if not bool(torch.isfinite(part).all())]
        source = f"{', '.join(guilty) or 'the sum'} at epoch {self.current_epoch + 1}, step {self._steps}"
        largest = float(torch.stack([p.detach().abs().max() for p in self.autoencoder.parameters()]).max())
        cause = (
            "The term itself overflowed: its weight or the data's scale is too large."
            if largest < _RUNAWAY
            else f"The largest weight had grown to {largest:.3g}: the steps were too large."
        )
        return (
            f"loss must stay finite, got {float(values.total.detach())} from {source}. {cause}"
            " Lower the learning rate or the penalty's weight, set gradient_clip, or scale the data."
        )
