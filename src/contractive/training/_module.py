"""One training step and one validation, as Lightning sees them."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from contractive.analysis import spread_rows
from contractive.core.errors import InvalidType, InvalidValue
from contractive.core.randomness import rank_context
from contractive.jacobian import squared_norm
from contractive.models import Autoencoder
from contractive.objectives import Objective, Values
from contractive.training._checkpoints import State, restored
from contractive.training._contexts import evaluating
from contractive.training._history import RUNAWAY, TrainingDiverged, largest_weight
from contractive.training._penalty_rows import PenaltyRows
from contractive.training._rows import STEPS_PER_BLOCK, Batch, Blocks, Loader, TrainingRows, WholeBatch
from contractive.training._settings import Schedule, TrainingSettings, is_by_step

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
ProgressCallback = Callable[["Step"], None]

_NEEDS_TWO = (nn.BatchNorm1d, nn.SyncBatchNorm)  # rows, where a row has one number per feature
_ROWS_AT_ONCE = 2048
_MANY_ROWS = 10_000


class Step(LightningModule):
    """The step of training that all objectives share: evaluate, sum up the terms, check that they are finite.

    The settings are completed ones; `identity` is what distinguishes this run from others, for its checkpoints.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        rows: TrainingRows,
        objective: Objective,
        settings: TrainingSettings,
        optimizer: OptimizerFactory,
        schedule: Schedule | None,
        norm_rows: int,
        identity: Mapping[str, str],
        order: torch.Generator,
        accumulate: int,
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.objective = objective
        self.rows: list[dict[str, float]] = []
        self.on_progress: list[ProgressCallback] = []
        self.automatic_optimization = False  # one call of `training_step` takes the steps of a whole block
        self._data, self._settings, self._norm_rows, self._identity = rows, settings, norm_rows, identity
        self._make_optimizer, self._make_schedule, self._by_step = optimizer, schedule, is_by_step(schedule)
        self._accumulate = accumulate
        self.steps_per_block = STEPS_PER_BLOCK  # for Lightning a batch; 1 where callbacks watch every step
        # apart from the order, so that a penalty that draws more probe vectors leaves the order of the rows as it is
        self._order = order
        self._noise = torch.Generator().manual_seed(settings.seed + 1)
        self._checkpoint: State = {}
        batch, data = (settings.batch_size or 1) * settings.devices * settings.num_nodes, rows.train
        if isinstance(data, Loader):
            batch, data = len(rows.first), rows.first  # one of its batches
        self.penalty_rows = PenaltyRows(data, rows.weights, batch, settings.seed + 2)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer = self._make_optimizer(self.autoencoder.parameters())
        if not isinstance(optimizer, torch.optim.Optimizer):
            remedy = "Give groups of parameters rates of their own: Adam([{'params': ..., 'lr': ...}, ...])."
            raise InvalidType("optimizer", "make one optimiser of torch", type(optimizer).__name__, remedy)
        epochs, steps = self.trainer.max_epochs or 1, ()
        if self._by_step:
            try:
                steps = (epochs * -(-self.train_dataloader().num_batches // self._accumulate),)
            except TypeError as error:
                rule = "go by epochs for data without a length"
                raise InvalidValue(
                    "schedule", rule, "one by steps", "Take a function of optimizer and epochs."
                ) from error
        self._schedule = self._make_schedule(optimizer, epochs, *steps) if self._make_schedule else None
        return optimizer

    def train_dataloader(self) -> Blocks | Loader:
        # batch norm has no variance of one row: a last batch of one is left out
        fewest = 1 + any(isinstance(part, _NEEDS_TWO) and part.training for part in self.autoencoder.modules())
        per_block, train = self.steps_per_block * self._accumulate, self._data.train
        if isinstance(train, Loader):
            return replace(train, fewest=fewest, per_block=per_block)
        size, place = self._settings.batch_size or 1, (self.trainer.global_rank, self.trainer.world_size)
        dtype = next(self.autoencoder.parameters()).dtype
        blocks = Blocks(train, size, self._order, *place, dtype, self._data.weights, fewest, per_block)
        if not blocks.num_batches:
            got = f"{len(train)} rows in batches of {size}"
            raise InvalidValue("batch_size", f"leave {fewest} rows to a batch for batch norm", got, "Use larger ones.")
        return blocks

    def val_dataloader(self) -> WholeBatch | list[Any]:
        return [] if self._data.validation is None else WholeBatch(self._data.validation)

    def on_train_start(self) -> None:
        if self._schedule is not None and self._checkpoint:
            restored(self.trainer.ckpt_path, self._schedule.load_state_dict, self._checkpoint.get("schedule"))
        self._all_parameters = list(self.autoencoder.parameters())  # to ask in each step takes as long as some products
        for logger in self.trainer.loggers:
            logger.log_hyperparams(dict(self._identity))

    def on_save_checkpoint(self, checkpoint: State) -> None:
        """Add what the next epoch depends on beside weights and optimiser: the random generators, the schedule."""
        checkpoint["contractive"] = {
            "settings": dict(self._identity),
            "rows": self.rows,
            "order": self._order.get_state(),
            "noise": self._noise.get_state(),
            "penalty_rows": self.penalty_rows.state(),
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
            "schedule": self._schedule.state_dict() if self._schedule is not None else None,
        }

    def on_load_checkpoint(self, checkpoint: State) -> None:
        """Restore random generators and rows; the schedule is made later and restored when training starts."""
        self._checkpoint = ours = checkpoint["contractive"]
        self.rows = list(ours["rows"])
        self._order.set_state(ours["order"].cpu())
        self._noise.set_state(ours["noise"].cpu())
        self.penalty_rows.restore(ours["penalty_rows"])
        torch.set_rng_state(ours["torch"].cpu())
        if ours["cuda"] and self.device.type == "cuda":
            torch.cuda.set_rng_state_all([state.cpu() for state in ours["cuda"]])

    def on_train_epoch_start(self) -> None:
        self._began = time.perf_counter()
        self._sums: dict[str, Tensor] = {}
        self._count = self._steps = 0
        self.penalty_rows.renew(self.autoencoder, self.objective)
        self.penalty_rows.agree(self.trainer.strategy.broadcast)

    def training_step(self, block: list[Batch], index: int) -> None:
        """One optimiser step for each batch of the block; at the last one of an epoch the means over its rows."""
        optimizer: Any = self.optimizers()  # through Lightning, which counts the steps for its callbacks
        objective = self.penalty_rows.applied(self.objective.active())
        for start in range(0, len(block), self._accumulate):
            self._steps += 1
            sums: dict[str, Tensor] = {}
            states = self._noise.get_state(), torch.get_rng_state()
            batches = block[start : start + self._accumulate]
            optimizer.step(closure=partial(self._evaluate, objective, batches, states, sums))
            for name, amount in sums.items():
                self._sums[name] = self._sums[name] + amount if name in self._sums else amount
            self._count += sum(len(batch.x) for batch in batches)
            if self._schedule is not None and self._by_step:
                self._schedule.step()
        if self.trainer.is_last_batch and self._data.validation is None:
            self._finish({})

    def _evaluate(
        self, objective: Objective, batches: list[Batch], states: tuple[Tensor, ...], sums: dict[str, Tensor]
    ) -> Tensor:
        """Loss and gradient of one step, as often as the optimiser asks: each time for the same noise and dropout."""
        if sums:
            self._noise.set_state(states[0])
            torch.set_rng_state(states[1])
        again, count, loss = bool(sums), sum(len(batch.x) for batch in batches), 0.0
        for parameter in self._all_parameters:
            parameter.grad = None
        for x, weights, labels in batches:
            given: Any = {"generator": self._noise, "sample_weight": weights, "labels": labels}
            with rank_context(self.trainer.global_rank, self.trainer.world_size):
                values = objective(self.autoencoder, x, **given)
            if not torch.isfinite(values.total):
                raise TrainingDiverged(self._diagnosis(values))
            share = values.total if len(batches) == 1 else values.total * (len(x) / count)
            self.manual_backward(share)
            loss = loss + share.detach()
            found = {"reconstruction": values.reconstruction, **values.penalties}
            found = {"total": values.total * len(x)} | {name: part.sum() for name, part in found.items()}
            for name, amount in {} if again else found.items():
                sums[name] = sums[name] + amount.detach() if name in sums else amount.detach()
        if self._settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.autoencoder.parameters(), self._settings.gradient_clip)
        return torch.as_tensor(loss)

    def validation_step(self, x: Tensor, index: int) -> None:
        """Measure the validation rows with the weights that callbacks have put in place, such as averaged ones."""
        self._finish(self._validate(x))

    def _finish(self, measured: dict[str, float]) -> None:
        """Finish the row of this epoch and report it, before the hooks of callbacks at the end of the epoch."""
        mean = partial(self.trainer.strategy.reduce, reduce_op="mean")  # the processes have equally many rows
        row = {f"train_{name}": float(mean(total / self._count)) for name, total in self._sums.items()}
        row = row | {f"train_{term.name}": math.nan for term in self.objective.terms} | row | measured
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        head = {"epoch": self.current_epoch + 1, "seconds": time.perf_counter() - self._began, "learning_rate": rate}
        self.penalty_rows.steps += self._steps
        used = self.penalty_rows.used(self.objective)
        self.rows.append(head | row | ({} if used is None else {"penalty_rows": float(used)}))
        for report in self.on_progress:
            report(self)
        # for callbacks; `log_dict` does the same and much beside it, which took half the time of an epoch of few rows
        row = {name: torch.tensor(value) for name, value in self.rows[-1].items() if name != "epoch"}
        self.trainer.callback_metrics.update(row)

    def on_train_epoch_end(self) -> None:
        """Log the row and take the step of a schedule by epochs."""
        if not self.rows or self.rows[-1]["epoch"] <= self.current_epoch:
            self._finish({})  # a callback has ended the epoch early
        row = self.rows[-1]
        if isinstance(self._schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self._schedule.step(row.get("val_total", row["train_total"]))
        elif self._schedule is not None and not self._by_step:
            self._schedule.step()
        for logger in self.trainer.loggers:
            logger.log_metrics(dict(row), step=self.trainer.global_step)
            logger.save()

    def validation_error(self) -> float:
        """Mean reconstruction error on up to ten thousand validation rows."""
        assert self._data.validation is not None
        x = spread_rows(self._data.validation, _MANY_ROWS).to(self.device)
        with evaluating(self.autoencoder):
            return float(self._errors(x).mean())

    def _validate(self, x: Tensor) -> dict[str, float]:
        """Reconstruction on all rows; penalties and ||J||_F^2 exactly, on `norm_rows` evenly spaced ones."""
        few = spread_rows(x, self._norm_rows)
        with evaluating(self.autoencoder):
            # a fixed generator: where a penalty draws random numbers, epochs differ by the weights alone
            subset = self.objective.exact()(self.autoencoder, few, generator=torch.Generator().manual_seed(0))
            reconstruction = self._errors(x).mean()
            row = {"val_reconstruction": float(reconstruction)}
            row |= {f"val_{name}": float(value.mean()) for name, value in subset.penalties.items()}
            # the subset's objective with the reconstruction error of all rows in place of its own
            row["val_total"] = float(subset.total - subset.reconstruction.mean() + reconstruction)
            norms = [term.name for term in self.objective.terms if term.is_squared_norm]
            known = row[f"val_{norms[0]}"] if norms else squared_norm(self.autoencoder.encoder, few).mean()
            return row | {"val_squared_norm": float(known)}

    def _errors(self, x: Tensor) -> Tensor:
        return torch.cat([self.objective.loss(self.autoencoder(part), part) for part in x.split(_ROWS_AT_ONCE)])

    def _diagnosis(self, values: Values) -> str:
        terms = {"reconstruction": values.reconstruction, **values.penalties}
        names = [name for name, term in terms.items() if not bool(torch.isfinite(term).all())]
        source = f"{', '.join(names) or 'the sum'} at epoch {self.current_epoch + 1}, step {self._steps}"
        largest = largest_weight(self.autoencoder)
        cause = (
            "The term itself overflowed: its weight or the data's scale is too large."
            if largest < RUNAWAY
            else f"The largest weight had grown to {largest:.3g}: the steps were too large."
        )
        return (
            f"loss must stay finite, got {float(values.total.detach())} from {source}. {cause}"
            " Lower the learning rate or the penalty's weight, set `gradient_clip`, or scale the data."
        )
