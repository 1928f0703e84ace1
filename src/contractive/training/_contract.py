"""Fine-tune a pretrained encoder to a small Jacobian, as far as its code may change."""

import copy
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

from contractive.analysis import spread_rows
from contractive.core.errors import InvalidType, InvalidValue, check_positive
from contractive.models import Autoencoder
from contractive.objectives import JacobianNorm, Objective, Penalty, Term
from contractive.training._checkpoints import in_words
from contractive.training._contexts import evaluating
from contractive.training._error_increase import Checks
from contractive.training._fit import FitOptions, fit
from contractive.training._history import History, SearchWarning
from contractive.training._module import Step
from contractive.training._rows import Data, as_tensor
from contractive.training._warm_up import refuse_warm_up

_DEFAULTS = FitOptions(max_epochs=10, batch_size=64, learning_rate=1e-4, schedule="cosine", norm_rows=4)
_ROWS, _AT_ONCE = 256, 32  # rows that the change is measured on; together in one pass, since encoders may be large
_MISSED = 0.3  # relative deviation from the allowed change that is reported


class ChangeFromBefore:
    """||f(x) - f_0(x)||^2 per example, f_0 the encoder as it was."""

    def __init__(self, encoder: nn.Module) -> None:
        self._before = copy.deepcopy(encoder).requires_grad_(False)

    def __call__(self, code: Tensor, x: Tensor) -> Tensor:
        with torch.no_grad():
            before = self._before.to(x.device)(x)
        return (code - before).square().flatten(1).sum(1)


class CodeChange(Checks):
    """Move the weight so that the change of the code, as a share of its variance, comes to the allowed one."""

    column = "code_change"

    def __init__(self, allowed: float, rows: Tensor, variance: float) -> None:
        super().__init__(max_error_increase=allowed)
        self._rows, self._variance = rows, variance

    def measured(self, step: Step) -> float:
        """Mean squared distance to the code before."""
        net = step.autoencoder
        with evaluating(net):
            parts = self._rows.to(step.device).split(_AT_ONCE)
            return float(torch.cat([step.objective.loss(net.encoder(part), part) for part in parts]).mean())

    def increase(self, back: int = 0) -> float:
        """The change that many checks ago; it begins at 0."""
        return [0.0, *self.errors][-1 - back] / self._variance


def contract(
    encoder: nn.Module,
    data: Data,
    *,
    max_code_change: float = 0.05,
    penalty: Penalty | None = None,
    validation: Tensor | np.ndarray | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    **options: Unpack[FitOptions],
) -> History:
    """Fine-tune a pretrained encoder in place: the smallest Jacobian within an allowed change of its code.

    Minimises E ||f(x) - f_0(x)||^2 + weight * E ||J_f(x)||_F^2, f_0 being the encoder as it was. The weight is moved
    during training until the first term comes to `max_code_change` times the total variance of f_0's code. What was
    trained on the old code (a probe, a head) can be kept. No labels and no decoder are needed. The encoder is in
    evaluation mode throughout: batch norms keep their statistics, and dropout is off. Parameters that do not require a
    gradient stay as they are.

    Args:
        encoder: Any module from (batch, *features) to one tensor (batch, *code); its parameters are trained.
        data: As in `fit`.
        max_code_change: Allowed mean squared change of the code, as a share of its variance: 0.05 for 5 %.
        penalty: Another penalty on the encoder than `objectives.JacobianNorm()`.
        validation: Rows on which the change is measured (at most 256 of them), and every epoch. Without them it is
            measured on rows of `data`.
        checkpoint: As in `fit`. A resumed run must begin with the encoder as it was before, too.
        resume: As in `fit`.
        callbacks: As in `fit`.
        options: As in `fit`; by default 10 epochs, batches of 64, a cosine schedule from 0.0001, and `norm_rows` of 4,
            since an exact norm of a large encoder takes as many passes as its code has numbers.

    Returns:
        The history with the columns `weight` and `code_change`, 0.05 for a change of 5 %. `reference` has one row: the
        penalty of the encoder as it was, under the name it has in training, `train_penalty`.

    Raises:
        TypeError: No module.
        ValueError: A change that is not above 0, a code that does not vary, data in batches without `validation`; and
            as `fit`.

    Examples:
        >>> import contractive as ct
        >>> _ = torch.manual_seed(0)
        >>> encoder, x = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 4)), torch.rand(256, 8)
        >>> settings = {"max_epochs": 20, "batch_size": 32, "learning_rate": 0.02, "progress": False}
        >>> history = ct.contract(encoder, x, max_code_change=0.05, **settings)
        >>> history["train_penalty"][-1] < history.reference[0]["train_penalty"]
        True
        >>> abs(history["code_change"][-1] - 0.05) < 0.02
        True
    """
    check_positive("max_code_change", max_code_change, "0.05 allows a change of 5 % of the code's variance.")
    if not isinstance(encoder, nn.Module):
        raise InvalidType("encoder", "be a torch module", type(encoder).__name__, "Wrap a function in a module.")
    refuse_warm_up(callbacks, "max_code_change")
    rows = _rows(data if validation is None else validation, next(encoder.parameters()))
    net = Autoencoder(encoder.eval(), nn.Identity())  # itself in training mode, so that `fit` leaves the encoder's
    with evaluating(encoder):
        code = torch.cat([encoder(part) for part in rows.split(_AT_ONCE)]).flatten(1)
        variance = float((code - code.mean(0)).square().sum(1).mean())
        rounding = torch.finfo(code.dtype).eps * float(code.square().sum(1).mean())
    if not variance > rounding:
        raise InvalidValue("encoder", "have a code that varies with the data", "one that does not", "Train it first.")
    term = Term("penalty", 1.0, penalty or JacobianNorm())
    objective = Objective("contract", ChangeFromBefore(encoder), terms=(term,))
    generator = torch.Generator().manual_seed(0)
    with evaluating(net):
        parts = (objective(net, part, generator=generator) for part in rows.split(_AT_ONCE))
        before = float(torch.cat([values.penalties["penalty"] for values in parts]).mean())
    objective = replace(objective, terms=(replace(term, weight=max_code_change * variance / max(before, 1e-30)),))
    mover = CodeChange(float(max_code_change), rows, variance)
    given: Any = {**_DEFAULTS, **options, "validation": validation, "checkpoint": checkpoint, "resume": resume}
    history = fit(net, data, objective, callbacks=[mover, *callbacks], **given)
    change = mover.increase()  # the row of an epoch is made before the check at its end
    if abs(change / max_code_change - 1) > _MISSED:
        warnings.warn(
            f"The code changed by {change:.2g} of its variance, {max_code_change:.2g} are allowed. Train longer, or at"
            " another learning rate.",
            SearchWarning,
            stacklevel=2,
        )
    words = {**history.settings, "max_code_change": in_words(max_code_change)}
    epochs = (*history.rows[:-1], {**history.rows[-1], mover.column: change})
    return replace(history, rows=epochs, reference=({"train_penalty": before},), settings=words)


def _rows(data: Any, like: Tensor) -> Tensor:
    if not isinstance(data, Tensor | np.ndarray):
        remedy = "Pass a few hundred rows as validation=."
        raise InvalidValue("validation", "be rows in memory where the data are not", type(data).__name__, remedy)
    return spread_rows(as_tensor(data), _ROWS).to(like)
