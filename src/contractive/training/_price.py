"""The weight of the penalty as an outcome: the largest one whose price in reconstruction was allowed.

The user says what reconstruction may cost, price = error / error without the penalty - 1. An unpenalised twin is trained
first, in the same budget and from the same seed, and its validation error is noted along the way. Then the weight is
raised where the penalised model is better than the price allows at the same point of training, and lowered where it is
worse: ascent on the logarithm of a Lagrange multiplier, as in GECO (Rezende and Viola 2018, arXiv 1810.00597).
Deviation: the constraint follows the twin instead of a constant, since neither error is final until both are.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from contractive.analysis import spread_rows
from contractive.autoencoder import Autoencoder
from contractive.objectives import Objective
from contractive.training._batches import Rows
from contractive.training._fit import fit
from contractive.training._history import History
from contractive.training._modes import evaluating
from contractive.training._module import Step

NUM_CHECKS = 200
_GAIN = 0.15
_FEW = 256
_FURTHEST = 4.0  # a price further than this factor from the allowed one counts as this far


class Checks(Callback):
    """Notes the validation error at about two hundred points of training."""

    def __init__(self) -> None:
        self.errors: list[float] = []

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

    def checked(self, step: Step) -> None:
        """What follows from the last error; nothing here."""

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"errors": self.errors}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.errors = list(state_dict["errors"])


class Multiplier(Checks):
    """Moves the weights of all penalties together so that the price comes to the allowed one.

    Args:
        price: Allowed, for instance 0.1.
        reference: Validation errors of the unpenalised twin at the same points.
        floor: Error of a perfect reconstruction: 0, but for the cross-entropy.
    """

    def __init__(self, price: float, reference: list[float], floor: float) -> None:
        super().__init__()
        self._price = price
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
        nearest = min(max(self.paid, self._price / _FURTHEST), self._price * _FURTHEST)
        self.factor *= (self._price / nearest) ** _GAIN
        step.objective = scaled(self._base, self.factor)

    def on_row(self, step: Step) -> None:
        """Add weight and price to the epoch's row."""
        step.rows[-1] |= {"weight": step.objective.terms[0].weight, "price": self.paid}

    @property
    def paid(self) -> float:
        """The price at the last check."""
        if not self.errors:
            return float("nan")
        reference = self._reference[min(len(self.errors), len(self._reference)) - 1]
        return (self.errors[-1] - self._floor) / max(reference - self._floor, 1e-30) - 1

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

    A copy of the autoencoder is first trained without the penalties, in the same budget. In the run that follows, the
    weights of all penalties are moved together until the validation error lies `price` above the copy's at the same
    point of training (source and deviation: see the module).

    Args:
        autoencoder: Trained in place.
        data: As in `fit`.
        objective: With at least one penalty; the ratio of the weights matters, not their size.
        validation: Rows on which the price is measured.
        price: Allowed relative increase of the reconstruction error: 0.1 for 10 % more error than without penalty.
        checkpoint: As in `fit`; the copy's lies beside it, with `reference-` before the name.
        resume: As in `fit`.
        callbacks: As in `fit`, for the second run.
        settings: As in `fit`; not `patience`, for totals under changing weights cannot be compared.

    Returns:
        The history of the penalised run with the columns `weight` (of the first penalty) and `price` (paid so far);
        `reference` has the rows of the unpenalised one.

    Raises:
        ValueError: A price not above 0, an objective without penalties, `patience`; and as `fit`.

    Example:
        >>> import contractive as ct
        >>> _ = torch.manual_seed(0)
        >>> x = torch.rand(512, 2) @ torch.rand(2, 8)
        >>> settings = {"validation": x[:128], "max_epochs": 60, "learning_rate": 0.02, "progress": False}
        >>> history = ct.fit_at_price(ct.mlp(8, code=3), x[128:], ct.objectives.contractive(), price=0.5, **settings)
        >>> abs(history["price"][-1] - 0.5) < 0.1
        True
    """
    _check(price, objective, settings)
    twin, checks, bare = copy.deepcopy(autoencoder), Checks(), replace(objective, name="reference", terms=())
    path = None if checkpoint is None else Path(checkpoint)
    beside = None if path is None else path.with_name(f"reference-{path.name}")
    begun = resume and path is not None and path.exists()
    again = resume and beside is not None and beside.exists()
    common = settings | {"validation": validation}
    reference = fit(twin, data, bare, checkpoint=beside, resume=again, callbacks=[checks], **common)
    x = torch.as_tensor(validation).to(next(twin.parameters()))
    start, floor = scaled(objective, _first_guess(twin, objective, x, price)), float(objective.loss(x, x).mean())
    multiplier = Multiplier(price, checks.errors, floor)
    hooks = [multiplier, *callbacks]
    history = fit(autoencoder, data, start, checkpoint=path, resume=begun, callbacks=hooks, **common)
    return replace(history, reference=reference.rows, settings={**history.settings, "price": price})


def _check(price: float, objective: Objective, settings: dict[str, Any]) -> None:
    if not 0 < price < float("inf"):
        raise ValueError(f"price must be above 0 and finite, got {price}. 0.1 allows 10 % more reconstruction error.")
    if not objective.terms or not any(term.weight for term in objective.terms):
        raise ValueError(f"objective must have a penalty with a weight above 0, got {objective.name!r}. Add one.")
    if settings.get("patience") is not None:
        raise ValueError("patience must be left out with a price, got one: the objective changes as it trains.")


@torch.no_grad()
def _first_guess(twin: Autoencoder, objective: Objective, x: Tensor, price: float) -> float:
    """Factor that makes the penalties of the unpenalised twin as large as the allowed increase of its error."""
    few = spread_rows(x, _FEW)
    with evaluating(twin):
        values = objective.exact()(twin, few, generator=torch.Generator().manual_seed(0))
    penalty = sum(term.weight * float(values.penalties[term.name].mean()) for term in objective.terms)
    error = float((values.reconstruction - objective.loss(few, few)).mean())
    return price * error / max(penalty, 1e-30)


def scaled(objective: Objective, factor: float) -> Objective:
    """The objective with all its penalties' weights times `factor`."""
    return replace(objective, terms=tuple(replace(term, weight=term.weight * factor) for term in objective.terms))
