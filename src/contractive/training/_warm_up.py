"""Let the penalties set in slowly."""

from collections.abc import Sequence
from dataclasses import replace

from lightning.pytorch import Callback, LightningModule, Trainer

from contractive.core.errors import InvalidValue
from contractive.core.settings import checked
from contractive.objectives import Objective
from contractive.training._module import Step
from contractive.training._trainer import BestWeights


class WeightWarmUp(Callback):
    """Raise the weights of all penalties in equal steps, to the given ones after some epochs: a callback of `fit`.

    In epoch e, from 1, they are e / (epochs + 1) of the given ones, up to the whole; a resumed run goes on there.

    Args:
        epochs: With smaller weights, at least 1.

    Raises:
        InvalidValue: Fewer than one epoch; `patience`, since totals under changing weights cannot be compared; a search
            for the weight.

    Examples:
        >>> import contractive as ct, torch
        >>> _ = torch.manual_seed(0)
        >>> x = torch.rand(256, 1) @ torch.ones(1, 4)
        >>> options = {"max_epochs": 4, "batch_size": 8, "learning_rate": 0.02, "progress": False}
        >>> history = ct.fit(
        ...     ct.mlp(4, code=2), x, ct.objectives.contractive(0.03), callbacks=[WeightWarmUp(2)], **options
        ... )
        >>> [round(weight, 3) for weight in history["weight"]]
        [0.01, 0.02, 0.03, 0.03]
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = checked("epochs", epochs, int, least=1)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take the weights the objective has."""
        assert isinstance(pl_module, Step)
        if any(isinstance(callback, BestWeights) for callback in trainer.callbacks):  # pyright: ignore[reportAttributeAccessIssue]
            refuse_warm_up([self], "patience")
        self._base = pl_module.objective
        pl_module.on_progress.insert(0, self._add_column)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the weights of the epoch."""
        assert isinstance(pl_module, Step)
        pl_module.objective = scaled(self._base, min(1.0, (trainer.current_epoch + 1) / (self._epochs + 1)))

    def _add_column(self, step: Step) -> None:
        step.rows[-1]["weight"] = step.objective.terms[0].weight


def refuse_warm_up(callbacks: Sequence[Callback], field: str) -> None:
    """Raise where a warm-up is among the callbacks of a run whose `field` needs weights of its own.

    Raises:
        InvalidValue: It is.
    """
    if any(isinstance(callback, WeightWarmUp) for callback in callbacks):
        raise InvalidValue("callbacks", f"be without WeightWarmUp beside `{field}`", "it", "Leave one of them out.")


def scaled(objective: Objective, factor: float) -> Objective:
    """The objective with all its penalties' weights times `factor`."""
    return replace(objective, terms=tuple(replace(term, weight=term.weight * factor) for term in objective.terms))
