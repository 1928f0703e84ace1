"""One training step and one validation, as Lightning sees them."""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from contractive.analysis import spread_rows
from contractive.core.randomness import rank_context
from contractive.jacobian import squared_norm
from contractive.models import Autoencoder
from contractive.objectives import JacobianNorm, Objective, Values
from contractive.training._checkpoints import State
from contractive.training._contexts import evaluating
from contractive.training._history import TrainingDiverged
from contractive.training._penalty_rows import PenaltyRows
from contractive.training._rows import Batch, Blocks, TrainingRows
from contractive.training._settings import Schedule, TrainingSettings

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
ProgressCallback = Callable[["Step"], None]

_ROWS_AT_ONCE = 2048
_MANY_ROWS = 10_000
_RUNAWAY = 1e4  # no weight of a healthy net is this large; NaN is not smaller either


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
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.objective = objective
        self.rows: list[dict[str, float]] = []
        self.restored = False  # True once all of a checkpoint was restored
        self.on_progress: list[ProgressCallback] = []
        self.automatic_optimization = False  # one call of `training_step` takes the steps of a whole block
        self._data, self._settings, self._norm_rows, self._identity = rows, settings, norm_rows, identity
        self._make_optimizer, self._make_schedule = optimizer, schedule
        # apart, so that a penalty that draws more probe vectors leaves the order of the rows as it is
        self._order = torch.Generator().manual_seed(settings.seed)
        self._noise = torch.Generator().manual_seed(settings.seed + 1)
        self._checkpoint: State = {}
        batch = (settings.batch_size or 1) * settings.devices * settings.num_nodes
        self.penalty_rows = PenaltyRows(rows.train, rows.weights, batch, settings.seed + 2)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer = self._make_optimizer(self.autoencoder.parameters())
        epochs = self.trainer.max_epochs or 1
        self._schedule = self._make_schedule(optimizer, epochs) if self._make_schedule else None
        return optimizer

    def train_dataloader(self) -> Blocks:
        size, place = self._settings.batch_size or 1, (self.trainer.global_rank, self.trainer.world_size)
        dtype = next(self.autoencoder.parameters()).dtype
        return Blocks(self._data.train, size, self._order, *place, dtype, self._data.weights)

    def on_train_start(self) -> None:
        if self._schedule is not None and self._checkpoint:
            self._schedule.load_state_dict(self._checkpoint["schedule"])
        self.restored = True

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
        """One optimiser step for each batch of the block."""
        optimizer = self.trainer.optimizers[0]
        objective = self.penalty_rows.applied(self.objective.active())
        for x, weights in block:
            self._steps += 1
            with rank_context(self.trainer.global_rank, self.trainer.world_size):
                values = objective(self.autoencoder, x, generator=self._noise, sample_weight=weights)
            if not torch.isfinite(values.total):
                raise TrainingDiverged(self._diagnosis(values))
            optimizer.zero_grad()
            self.manual_backward(values.total)
            if self._settings.gradient_clip is not None:
                nn.utils.clip_grad_norm_(self.autoencoder.parameters(), self._settings.gradient_clip)
            optimizer.step()
            sums = {"total": values.total.detach() * len(x), "reconstruction": values.reconstruction.detach().sum()}
            sums |= {name: penalty.detach().sum() for name, penalty in values.penalties.items()}
            for name, amount in sums.items():
                self._sums[name] = self._sums[name] + amount if name in self._sums else amount
            self._count += len(x)

    def on_train_epoch_end(self) -> None:
        """Finish the row of this epoch and report it.

        Lightning calls most callbacks before this hook, so that they could not see the row in theirs.
        """
        mean = partial(self.trainer.strategy.reduce, reduce_op="mean")  # the processes have equally many rows
        row = {f"train_{name}": float(mean(total / self._count)) for name, total in self._sums.items()}
        row = row | {f"train_{term.name}": math.nan for term in self.objective.terms} | row
        if self._data.validation is not None:
            row |= self._validate(self._data.validation.to(self.device))
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        seconds = time.perf_counter() - self._began
        self.penalty_rows.steps += self._steps
        used = self.penalty_rows.used(self.objective)
        row |= {} if used is None else {"penalty_rows": float(used)}
        self.rows.append({"epoch": self.current_epoch + 1, "seconds": seconds, "learning_rate": rate} | row)
        if self._schedule is not None:
            self._schedule.step()
        self.log_dict(row)
        for report in self.on_progress:
            report(self)

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
            terms = self.objective.terms
            norms = [term.name for term in terms if isinstance(term.penalty, JacobianNorm) and term.of == "encoder"]
            known = row[f"val_{norms[0]}"] if norms else squared_norm(self.autoencoder.encoder, few).mean()
            return row | {"val_squared_norm": float(known)}

    def _errors(self, x: Tensor) -> Tensor:
        return torch.cat([self.objective.loss(self.autoencoder(part), part) for part in x.split(_ROWS_AT_ONCE)])

    def _diagnosis(self, values: Values) -> str:
        terms = {"reconstruction": values.reconstruction, **values.penalties}
        names = [name for name, term in terms.items() if not bool(torch.isfinite(term).all())]
        source = f"{', '.join(names) or 'the sum'} at epoch {self.current_epoch + 1}, step {self._steps}"
        largest = float(torch.stack([p.detach().abs().max() for p in self.autoencoder.parameters()]).max())
        cause = (
            "The term itself overflowed: its weight or the data's scale is too large."
            if largest < _RUNAWAY
            else f"The largest weight had grown to {largest:.3g}: the steps were too large."
        )
        return (
            f"loss must stay finite, got {float(values.total.detach())} from {source}. {cause}"
            " Lower the learning rate or the penalty's weight, set `gradient_clip`, or scale the data."
        )
