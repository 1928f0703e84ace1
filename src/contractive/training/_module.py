"""One training step and one validation, as Lightning sees them."""

import time
from collections.abc import Callable, Iterable

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from contractive.analysis import spread_rows
from contractive.autoencoder import Autoencoder
from contractive.jacobian import squared_norm
from contractive.objectives import Objective, Values
from contractive.penalties import JacobianNorm
from contractive.training._history import TrainingDiverged
from contractive.training._modes import evaluating

OptimizerFactory = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
Schedule = Callable[[torch.optim.Optimizer, int], torch.optim.lr_scheduler.LRScheduler]

_ROWS_AT_ONCE = 2048
_RUNAWAY = 1e4  # no weight of a healthy net is this large; NaN is not smaller either


class Step(LightningModule):
    """The shared step of every variant: evaluate the objective, keep sums of its parts, check that they are finite.

    Args:
        autoencoder: What is trained, in place.
        objective: What is minimised.
        optimizer: Makes the optimiser from the parameters.
        schedule: Makes a learning-rate schedule, stepped once per epoch, from it and the number of epochs.
        validation: Rows on which every epoch ends, or None.
        generator: Source of noise and probes.
        norm_rows: Validation rows on which exact Jacobian norms are computed.
        gradient_clip: Largest norm of the gradient, or None.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        objective: Objective,
        optimizer: OptimizerFactory,
        schedule: Schedule | None,
        validation: Tensor | None,
        generator: torch.Generator,
        norm_rows: int,
        gradient_clip: float | None,
    ) -> None:
        super().__init__()
        self.autoencoder = autoencoder
        self.objective = objective
        self.rows: list[dict[str, float]] = []
        self.watchers: list[Callable[[Step], None]] = []
        self.automatic_optimization = False  # one call of `training_step` takes the steps of a whole block
        self._make_optimizer = optimizer
        self._make_schedule = schedule
        self._validation = validation
        self._noise = generator
        self._norm_rows = norm_rows
        self._gradient_clip = gradient_clip

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser; its schedule is stepped here, once per epoch."""
        optimizer = self._make_optimizer(self.autoencoder.parameters())
        epochs = self.trainer.max_epochs or 1
        self._schedule = self._make_schedule(optimizer, epochs) if self._make_schedule else None
        return optimizer

    def on_train_epoch_start(self) -> None:
        """Start the clock and the sums."""
        self._began = time.perf_counter()
        self._sums: dict[str, Tensor] = {}
        self._count = self._steps = 0

    def training_step(self, block: list[Tensor], index: int) -> None:
        """One optimiser step for each batch of the block."""
        optimizer = self.trainer.optimizers[0]
        for x in block:
            self._steps += 1
            values = self.objective(self.autoencoder, x, generator=self._noise)
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
        row = {f"train_{name}": float(total) / self._count for name, total in self._sums.items()}
        if self._validation is not None:
            row |= self.validate(self._validation.to(self.device))
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

    def _figures(self, x: Tensor, few: Tensor) -> dict[str, float]:
        exact = self.objective.exact()
        errors = [exact.loss(self.autoencoder(part), part) for part in x.split(_ROWS_AT_ONCE)]
        subset = exact(self.autoencoder, few, generator=torch.Generator().manual_seed(0))
        reconstruction = torch.cat(errors).mean()
        row = {"val_reconstruction": float(reconstruction)}
        row |= {f"val_{name}": float(value.mean()) for name, value in subset.penalties.items()}
        # the subset's objective with the reconstruction error of all rows in place of its own
        row["val_total"] = float(subset.total - subset.reconstruction.mean() + reconstruction)
        row["val_squared_norm"] = self._squared_norm(few, row)
        return row

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
