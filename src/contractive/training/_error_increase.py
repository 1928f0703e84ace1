"""Find the weight of the penalty in training: the largest whose increase of the reconstruction error is allowed.

The user gives the largest error increase = error / error without the penalty - 1. An unpenalised reference is trained
first, and its validation error is noted along the way. The penalised run shares its first half, and takes the second
half again with the penalty: where its error increase is below the allowed one at the same point of training, the weight
is raised, where it is above, lowered. This is ascent on the logarithm of a Lagrange multiplier, as in GECO (Rezende and
Viola 2018, arXiv 1810.00597). Deviations: the constraint follows the reference instead of a constant, since neither
error is final until both are; the allowed increase grows over the first part of the half; and the increase is
extrapolated, since the effect of a weight shows late. Both runs have the same budget, data order and seed.
"""

import copy
import math
import warnings
from collections.abc import Sequence, Sized
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Unpack

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from contractive.analysis import spread_rows
from contractive.core.errors import ContractiveError, InvalidValue, check_positive
from contractive.models import Autoencoder
from contractive.objectives import Objective
from contractive.training._checkpoints import State, begin_anew, in_words, read_checkpoint
from contractive.training._contexts import evaluating
from contractive.training._fit import FIT_DEFAULTS, FitOptions, fit
from contractive.training._history import History
from contractive.training._module import Step
from contractive.training._rows import STEPS_PER_BLOCK, Data, as_tensor, size_of
from contractive.training._settings import FEWEST_SEARCH_EPOCHS, settings_of
from contractive.training._trainer import LibraryCallback, SaveRegularly
from contractive.training._warm_up import refuse_warm_up, scaled

NUM_CHECKS = 100
_SHARED = 0.5  # share of training before the penalty sets in
_RAMP = 0.3  # share of the rest after which the whole increase is allowed
_GAIN = 0.12  # change of the logarithm of the weights per check, for a ratio of e between allowed and actual increase
_LOOK_AHEAD = 0.12  # share of what remains over which the present slope of the increase is taken to hold
_FURTHEST = 4.0  # an increase further than this factor from the allowed one counts as this far
_FEW = 256  # rows for the first guess
_ENOUGH_STEPS = 200  # after which a reference should have learned something


class Checks(LibraryCallback):
    """Note the validation error at about a hundred points of training, and in which epoch each of them is.

    With a reference the weights of all penalties are moved at each of them, together, so that the error increase comes
    to the allowed one.

    Args:
        reference: Validation errors of the unpenalised run at the same points.
        max_error_increase: Allowed, for instance 0.1.
        shared: Number of points before the penalty set in.
        floor: Error of a perfect reconstruction: 0, but for the cross-entropy.
    """

    column = "error_increase"  # of the history

    def __init__(
        self, reference: Sequence[float] = (), max_error_increase: float = 0.0, shared: int = 0, floor: float = 0.0
    ) -> None:
        self.errors, self.epochs, self.factor = list(reference[:shared]), list[int](), 1.0
        self._reference, self._allowed, self._shared, self._floor = reference, max_error_increase, shared, floor

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the weights the objective has as the first guess."""
        assert isinstance(pl_module, Step)
        self._base = pl_module.objective
        if self._allowed:
            pl_module.objective = scaled(self._base, self.factor)
            pl_module.on_progress.insert(0, self._add_columns)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check, if it is time."""
        assert isinstance(pl_module, Step)
        # in blocks of the usual size, counted from the beginning of the run: a resumed run and the penalised one, whose
        # callbacks may watch every step, check at the same steps
        if trainer.num_training_batches == math.inf:
            raise InvalidValue(
                "data", "have a length with `max_error_increase`", "a loader without one", "Give it one."
            )
        size, last = STEPS_PER_BLOCK // pl_module.steps_per_block, int(trainer.num_training_batches)
        blocks, block = -(-last // size), -(-(batch_idx + 1) // size)
        steps = blocks * (trainer.max_epochs or 1)
        stride = max(1, steps // NUM_CHECKS)
        whole = (batch_idx + 1) % size == 0 or batch_idx + 1 == last
        if whole and (trainer.current_epoch * blocks + block) % stride == 0:
            self.errors.append(self.measured(pl_module))
            self.epochs.append(trainer.current_epoch)
            self.checked(pl_module, steps // stride - self._shared)

    def measured(self, step: Step) -> float:
        """Return the error that is checked."""
        return step.validation_error()

    def checked(self, step: Step, own: int) -> None:
        """Raise or lower the weights: one step of the multiplier.

        `own` is the number of checks under the penalty. With a = allowed and d = expected increase, log(weight) += gain
        * log(a / d). In logarithms, since neither the weight nor its effect has a known scale.
        """
        if not self._allowed:
            return
        done = (len(self.errors) - self._shared) / own
        # allowing all of it at once would drive the weight up as long as the network has not yet reacted to it
        allowed = self._allowed * min(1.0, done / _RAMP)
        # the network reacts with a delay: without extrapolation the increase swings about the allowed one
        back = min(max(1, own // 10), len(self.errors) - self._shared)
        slope = (self.increase() - self.increase(back)) * own / back  # per length of the penalised half
        expected = self.increase() + _LOOK_AHEAD * (1 - done) * slope
        nearest = min(max(expected, allowed / _FURTHEST), allowed * _FURTHEST)  # it may be negative, or huge
        # shorter runs have fewer checks, and take larger steps
        self.factor *= (allowed / nearest) ** (_GAIN * NUM_CHECKS * (1 - _SHARED) / own)
        step.objective = scaled(self._base, self.factor)

    def increase(self, back: int = 0) -> float:
        """Error increase that many checks ago, against the reference at the same step."""
        at = min(len(self.errors), len(self._reference)) - 1 - back
        error, reference = self.errors[at], self._reference[at]
        return (error - self._floor) / max(reference - self._floor, 1e-30) - 1

    def _add_columns(self, step: Step) -> None:
        step.rows[-1] |= {"weight": step.objective.terms[0].weight, self.column: self.increase()}

    def state_dict(self) -> State:
        return {"errors": self.errors, "epochs": self.epochs, "factor": self.factor}

    def load_state_dict(self, state_dict: State) -> None:
        self.errors, self.epochs, self.factor = (state_dict[name] for name in ("errors", "epochs", "factor"))


def fit_with_max_error_increase(
    autoencoder: Autoencoder,
    data: Data,
    objective: Objective,
    *,
    validation: Tensor | np.ndarray,
    max_error_increase: float = 0.1,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    **options: Unpack[FitOptions],
) -> History:
    """Train with the largest weight whose increase of the reconstruction error is allowed, and return what happened.

    An unpenalised copy is trained first, in the whole budget. The autoencoder itself shares the first half of that run
    and then trains with the penalties, whose weights are moved together until its validation error lies
    `max_error_increase` above the copy's at the same point of training. Together that costs 2.2 to 2.5 plain runs
    (source and deviations: see the module). A schedule that lowers the rate brings the error increase closer to it.

    Args:
        autoencoder: Trained in place.
        data: As in `fit`.
        objective: With at least one penalty; the ratio of the weights matters, not their size.
        validation: Rows on which the error increase is measured.
        max_error_increase: Allowed relative increase of the reconstruction error: 0.1 for 10 % more.
        checkpoint: As in `fit`; two of the copy lie beside it, with `reference-` and `half-` before the name.
        resume: As in `fit`.
        callbacks: As in `fit`, for the second run.
        options: As in `fit`; not `patience`, for totals under changing weights cannot be compared.

    Returns:
        The history of the penalised run with the columns `weight` (of the first penalty) and `error_increase` (so far),
        both 0 in the shared half; `reference` has the rows of the unpenalised run.

    Raises:
        ValueError: An increase not above 0, an objective without penalties, `patience`, one epoch only; and as `fit`.
        ContractiveError: After 200 steps or more, the unpenalised copy is no better than the mean.

    Examples:
        >>> import contractive as ct
        >>> _ = torch.manual_seed(0)
        >>> x = torch.rand(256, 2) @ torch.rand(2, 8)
        >>> settings = {"max_epochs": 20, "batch_size": 16, "schedule": "cosine", "learning_rate": 0.02}
        >>> settings |= {"validation": x[:128], "progress": False, "max_error_increase": 0.5}
        >>> net, objective = ct.mlp(8, code=3), ct.objectives.contractive()
        >>> history = ct.fit_with_max_error_increase(net, x[128:], objective, **settings)
        >>> abs(history["error_increase"][-1] - 0.5) < 0.1
        True
    """
    check_positive("max_error_increase", max_error_increase, "0.1 allows 10 % more reconstruction error.")
    settings, _ = settings_of(fit_with_max_error_increase, options, FitOptions.__annotations__, FIT_DEFAULTS)
    max_epochs = settings.max_epochs or settings.completed(*size_of(data)).max_epochs
    assert max_epochs is not None
    if checkpoint is None and settings.devices * settings.num_nodes > 1:
        remedy = "The processes share the state at half of training."
        raise InvalidValue("checkpoint", "be given with several processes", "none", remedy)
    if not any(term.weight for term in objective.terms):
        raise InvalidValue("objective", "have a penalty with a weight above 0", repr(objective.name), "Add one.")
    if max_epochs < FEWEST_SEARCH_EPOCHS:
        rule = f"be at least {FEWEST_SEARCH_EPOCHS} with `max_error_increase`"
        raise InvalidValue("max_epochs", rule, max_epochs, "Train longer.")
    if settings.patience is not None:
        remedy = "The objective changes during training."
        raise InvalidValue("patience", "be left out with `max_error_increase`", settings.patience, remedy)
    refuse_warm_up(callbacks, "max_error_increase")
    train: Any = partial(fit, data=data, validation=validation, **options)
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "last.ckpt" if checkpoint is None else Path(checkpoint)
        beside, half = path.with_name(f"reference-{path.name}"), path.with_name(f"half-{path.name}")
        twin, checks, shared = copy.deepcopy(autoencoder), Checks(), round(_SHARED * max_epochs)
        hooks, goal = [checks, SaveRegularly(half, epoch=shared)], scaled(objective, 0.0)
        # stopped between the two checkpoints of the same epoch, the first would go on without the second
        goes_on = resume and beside.exists() and (half.exists() or read_checkpoint(beside)["epoch"] + 1 < shared)
        reference = train(twin, objective=goal, checkpoint=beside, resume=goes_on, callbacks=hooks, loggers=())
        x = as_tensor(validation).to(next(twin.parameters()))
        rows, _ = size_of(data)  # 0 of a loader, which has its length in batches, or none
        batches = -(-rows // (settings.batch_size or rows)) if rows else len(data) if isinstance(data, Sized) else 0
        if max_epochs * batches >= _ENOUGH_STEPS:
            check_reference(
                reference["val_reconstruction"][-1], float(objective.loss(x.mean(0).expand_as(x), x).mean())
            )
        start = scaled(objective, _first_guess(twin, objective, x, float(max_error_increase)))
        if not (resume and path.exists()):
            begin_anew(half, path, start)
        before = sum(epoch < shared for epoch in checks.epochs)
        mover = Checks(checks.errors, float(max_error_increase), before, float(objective.loss(x, x).mean()))
        hooks = [mover, *callbacks]
        with warnings.catch_warnings():
            if not resume:  # the second half goes on with any batches of a loader
                warnings.filterwarnings("ignore", "The checkpoint has no state of the loader")
            history = train(autoencoder, objective=start, checkpoint=path, resume=True, callbacks=hooks)
    added = {"weight": 0.0, "error_increase": 0.0}
    rows = tuple({**row, **{name: row.get(name, none) for name, none in added.items()}} for row in history.rows)
    words = {**history.settings, "max_error_increase": in_words(max_error_increase)}
    return replace(history, rows=rows, reference=reference.rows, settings=words)


def check_reference(error: float, of_mean: float) -> None:
    """Refuse a search whose reference without penalty has learned nothing: no increase of its error means anything."""
    if not error < of_mean:
        raise ContractiveError(
            "The weight cannot be found by its error increase: without penalty, held-out rows are reconstructed with an"
            f" error of {error:.4g}, no better than their mean's {of_mean:.4g}. Train longer or at another rate, scale"
            " the rows, or give a weight."
        )


@torch.no_grad()
def _first_guess(twin: Autoencoder, objective: Objective, x: Tensor, max_error_increase: float) -> float:
    """Factor that makes the penalties of the unpenalised copy as large as the allowed increase of its error."""
    few = spread_rows(x, _FEW).to(next(twin.parameters()).device)
    with evaluating(twin):
        values = objective.exact()(twin, few, generator=torch.Generator().manual_seed(0))
    penalty = sum(term.weight * float(values.penalties[term.name].mean()) for term in objective.terms)
    error = float((values.reconstruction - objective.loss(few, few)).mean())
    return max_error_increase * error / max(penalty, 1e-30)
