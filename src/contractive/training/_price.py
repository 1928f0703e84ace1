"""The weight of the penalty as an outcome: the largest one whose price in reconstruction was allowed.

The user says what reconstruction may cost, price = error / error without the penalty - 1. An unpenalised reference is
trained first, and its validation error is noted along the way. The penalised run shares its first half, and takes the
second half again with the penalty: where it is better than the price allows at the same point of training, the weight
is raised, where it is worse, lowered. This is ascent on the logarithm of a Lagrange multiplier, as in GECO (Rezende and
Viola 2018, arXiv 1810.00597). Deviations: the constraint follows the reference instead of a constant, since neither
error is final until both are; the price allowed grows over the first part of the half, and the price is judged by where
it is going, since what a weight costs shows late. Both runs have the same budget, data order and seed.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from torch import Tensor

from contractive.analysis import spread_rows
from contractive.models import Autoencoder
from contractive.objectives import Objective
from contractive.training._batches import Rows, as_tensor
from contractive.training._checkpoints import begin_anew
from contractive.training._fit import DEFAULT_EPOCHS, fit
from contractive.training._history import History
from contractive.training._modes import evaluating
from contractive.training._module import Step

NUM_CHECKS = 100
_SHARED = 0.5  # share of training before the penalty sets in
_RAMP = 0.3  # share of the rest after which the whole price is allowed
_GAIN = 0.12
_LOOK_AHEAD = 0.12  # share of what remains over which the present slope of the price is taken to hold
_FEW = 256
_FEWEST_EPOCHS = 2
_FURTHEST = 4.0  # a price further than this factor from the allowed one counts as this far


class Checks(Callback):
    """Notes the validation error at about a hundred points of training, and how many they were after each epoch."""

    def __init__(self) -> None:
        self.errors: list[float] = []
        self.by_epoch: list[int] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check, if it is time."""
        assert isinstance(pl_module, Step)
        blocks = int(trainer.num_training_batches)
        stride = max(1, blocks * (trainer.max_epochs or 1) // NUM_CHECKS)
        done = trainer.current_epoch * blocks + batch_idx + 1
        if done % stride == 0:
            self.errors.append(pl_module.validation_error())
            self.checked(pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Count the checks so far."""
        self.by_epoch.append(len(self.errors))

    def checked(self, step: Step) -> None:
        """What follows from the last error; nothing here."""

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"errors": self.errors, "by_epoch": self.by_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.errors, self.by_epoch = list(state_dict["errors"]), list(state_dict["by_epoch"])


class Multiplier(Checks):
    """Moves the weights of all penalties together so that the price comes to the allowed one.

    Args:
        price: Allowed, for instance 0.1.
        reference: Validation errors of the unpenalised run at the same points.
        shared: Number of them before the penalty set in.
        floor: Error of a perfect reconstruction: 0, but for the cross-entropy.
    """

    def __init__(self, price: float, reference: list[float], shared: int, floor: float) -> None:
        super().__init__()
        self.errors = reference[:shared]
        self._price = price
        self._shared = shared
        self._reference = reference
        self._floor = floor
        self.factor = 1.0
        self._base: Objective | None = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the weights the objective has as the first guess."""
        assert isinstance(pl_module, Step)
        self._base = pl_module.objective
        pl_module.objective = scaled(self._base, self.factor)
        pl_module.watchers.insert(0, self.on_row)

    def checked(self, step: Step) -> None:
        """Raise or lower the weights."""
        assert self._base is not None
        own = len(self._reference) - self._shared
        done = (len(self.errors) - self._shared) / own
        allowed = self._price * min(1.0, done / _RAMP)
        expected = self._paid(0) + _LOOK_AHEAD * (1 - done) * self._slope(own)
        nearest = min(max(expected, allowed / _FURTHEST), allowed * _FURTHEST)
        self.factor *= (allowed / nearest) ** (_GAIN * NUM_CHECKS * (1 - _SHARED) / own)
        step.objective = scaled(self._base, self.factor)

    def _slope(self, own: int) -> float:
        """How the price grows, per length of the penalised half, over the last tenth of it."""
        back = min(max(1, own // 10), len(self.errors) - self._shared)
        return (self._paid(0) - self._paid(back)) * own / back

    def _paid(self, back: int) -> float:
        """The price that many checks ago."""
        at = min(len(self.errors), len(self._reference)) - 1 - back
        error, reference = self.errors[at], self._reference[at]
        return (error - self._floor) / max(reference - self._floor, 1e-30) - 1

    def on_row(self, step: Step) -> None:
        """Add weight and price to the epoch's row."""
        step.rows[-1] |= {"weight": step.objective.terms[0].weight, "price": self._paid(0)}

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"errors": self.errors, "factor": self.factor}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.errors, self.factor = list(state_dict["errors"]), state_dict["factor"]


def fit_at_price(
    autoencoder: Autoencoder,
    data: Tensor | np.ndarray | Rows,
    objective: Objective,
    *,
    validation: Tensor | np.ndarray,
    price: float = 0.1,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> History:
    """Train with the largest weight whose price in reconstruction is allowed, and return what happened.

    An unpenalised copy is trained first, in the whole budget. The autoencoder itself shares the first half of that run
    and then trains with the penalties, whose weights are moved together until its validation error lies `price` above
    the copy's at the same point of training. Together that costs about 1.7 plain runs (source and deviations: see the
    module). A schedule that lowers the rate makes it land more closely.

    Args:
        autoencoder: Trained in place.
        data: As in `fit`.
        objective: With at least one penalty; the ratio of the weights matters, not their size.
        validation: Rows on which the price is measured.
        price: Allowed relative increase of the reconstruction error: 0.1 for 10 % more error than without penalty.
        checkpoint: As in `fit`; two of the copy lie beside it, with `reference-` and `half-` before the name.
        resume: As in `fit`.
        callbacks: As in `fit`, for the second run.
        settings: As in `fit`; not `patience`, for totals under changing weights cannot be compared.

    Returns:
        The history of the penalised run with the columns `weight` (of the first penalty) and `price` (paid so far), 0
        in the shared half; `reference` has the rows of the unpenalised run.

    Raises:
        ValueError: A price not above 0, an objective without penalties, `patience`, one epoch only; and as `fit`.

    Example:
        >>> import contractive as ct
        >>> _ = torch.manual_seed(0)
        >>> x = torch.rand(512, 2) @ torch.rand(2, 8)
        >>> settings = {"validation": x[:128], "max_epochs": 40, "batch_size": 16, "schedule": "cosine"}
        >>> settings |= {"learning_rate": 0.01, "progress": False}
        >>> history = ct.fit_at_price(ct.mlp(8, code=3), x[128:], ct.objectives.contractive(), price=0.5, **settings)
        >>> abs(history["price"][-1] - 0.5) < 0.1
        True
    """
    max_epochs = settings.get("max_epochs", DEFAULT_EPOCHS)
    if checkpoint is None and settings.get("devices", 1) * settings.get("num_nodes", 1) > 1:
        raise ValueError("checkpoint must be given with several processes, got none: they share the half-way state.")
    _check(price, objective, max_epochs, settings)
    price = float(price)  # a number of numpy's would not go into a checkpoint
    common: dict[str, Any] = {**settings, "validation": validation}
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "last.ckpt" if checkpoint is None else Path(checkpoint)
        beside, half = path.with_name(f"reference-{path.name}"), path.with_name(f"half-{path.name}")
        twin, checks, branch = copy.deepcopy(autoencoder), Checks(), Branch(half, round(_SHARED * max_epochs))
        again = resume and beside.exists()
        alone = {**common, "loggers": ()}
        hooks = [checks, branch]
        reference = fit(twin, data, scaled(objective, 0.0), checkpoint=beside, resume=again, callbacks=hooks, **alone)
        x = as_tensor(validation).to(next(twin.parameters()))
        start = scaled(objective, _first_guess(twin, objective, x, price))
        if not (resume and path.exists()):
            begin_anew(half, path, start)
        shared = checks.by_epoch[branch.epochs - 1]
        multiplier = Multiplier(price, checks.errors, shared, float(objective.loss(x, x).mean()))
        hooks = [multiplier, *callbacks]
        history = fit(autoencoder, data, start, checkpoint=path, resume=True, callbacks=hooks, **common)
    rows = tuple({**row, "weight": row.get("weight", 0.0), "price": row.get("price", 0.0)} for row in history.rows)
    return replace(history, rows=rows, reference=reference.rows, settings={**history.settings, "price": price})


class Branch(Checkpoint):
    """Keeps the state after so many epochs."""

    def __init__(self, path: Path, epochs: int) -> None:
        self.epochs = epochs
        self._path = path

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write it when it is time."""
        if trainer.current_epoch + 1 == self.epochs:
            trainer.save_checkpoint(self._path)


def _check(price: float, objective: Objective, max_epochs: int, settings: dict[str, Any]) -> None:
    if not 0 < price < float("inf"):
        raise ValueError(f"price must be above 0 and finite, got {price}. 0.1 allows 10 % more reconstruction error.")
    if not objective.terms or not any(term.weight for term in objective.terms):
        raise ValueError(f"objective must have a penalty with a weight above 0, got {objective.name!r}. Add one.")
    if max_epochs < _FEWEST_EPOCHS:
        raise ValueError(f"max_epochs must be at least {_FEWEST_EPOCHS} with a price, got {max_epochs}. Train longer.")
    if settings.get("patience") is not None:
        raise ValueError("patience must be left out with a price, got one: the objective changes as it trains.")


@torch.no_grad()
def _first_guess(twin: Autoencoder, objective: Objective, x: Tensor, price: float) -> float:
    """Factor that makes the penalties of the unpenalised copy as large as the allowed increase of its error."""
    few = spread_rows(x, _FEW).to(next(twin.parameters()).device)
    with evaluating(twin):
        values = objective.exact()(twin, few, generator=torch.Generator().manual_seed(0))
    penalty = sum(term.weight * float(values.penalties[term.name].mean()) for term in objective.terms)
    error = float((values.reconstruction - objective.loss(few, few)).mean())
    return price * error / max(penalty, 1e-30)


def scaled(objective: Objective, factor: float) -> Objective:
    """The objective with all its penalties' weights times `factor`."""
    return replace(objective, terms=tuple(replace(term, weight=term.weight * factor) for term in objective.terms))
