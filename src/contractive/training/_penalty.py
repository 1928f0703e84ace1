"""The Jacobian penalty as a callback, for any LightningModule."""

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from contractive.core.errors import InvalidValue, check_choice, check_not_negative
from contractive.jacobian import METHODS, Method, squared_norm


def first(batch: Any) -> Tensor:
    """Return the inputs: the batch itself, or its first element."""
    return batch if isinstance(batch, Tensor) else batch[0]


class JacobianPenalty(Callback):
    """Adds weight * mean ||J_f(x)||_F^2 of an encoder to the loss of any LightningModule.

    The gradient is added after the module's own backward pass: one more pass through the encoder. In your own training
    step, `value_and_squared_norm` gives code and norm in one.

    Args:
        weight: For a loss that is a mean over examples of errors summed over features.
        encoder: Name of the module's attribute that is the encoder, with dots where it lies deeper: `model.encoder`.
        inputs: From a batch to the encoder's inputs.
        method: As in `value_and_squared_norm`.
        seed: Of the probe vectors.

    Raises:
        ValueError: A weight below 0, an unknown method.
        RuntimeError: A second `manual_backward` in one training step.

    Examples:
        >>> import lightning
        >>> trainer = lightning.pytorch.Trainer(callbacks=[JacobianPenalty(0.1)], logger=False)  # doctest: +SKIP
    """

    def __init__(
        self,
        weight: float,
        *,
        encoder: str = "encoder",
        inputs: Callable[[Any], Tensor] = first,
        method: Method = "auto",
        seed: int = 0,
    ) -> None:
        check_not_negative("weight", weight)
        check_choice("method", method, METHODS, "Leave it out for auto.")
        self._weight = weight
        self._encoder = encoder
        self._inputs = inputs
        self._method: Method = method
        self._generator = torch.Generator().manual_seed(seed)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse a module without such an encoder."""
        if not callable(self._encoder_of(pl_module)):
            rule = f"name an attribute of {type(pl_module).__name__} that is the encoder"
            raise InvalidValue("encoder", rule, repr(self._encoder), "Pass encoder= with its name.")

    def _encoder_of(self, module: LightningModule) -> object:
        found: Any = module
        for name in self._encoder.split("."):  # a ModuleDict holds its modules as attributes, too
            found = getattr(found, name, None)
        return found

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Remember the inputs for the backward pass."""
        self._x: Tensor | None = self._inputs(batch)

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add the penalty's gradient; with accumulation, a share of it at each batch.

        The gradients of the module's loss are those of all processes by now, and scaled up under `16-mixed`.
        """
        encoder: Any = self._encoder_of(pl_module)
        if self._x is None:
            raise RuntimeError(
                "JacobianPenalty adds its gradient once per batch, and this training step calls manual_backward again."
                " Use value_and_squared_norm in the training step instead."
            )
        norm = squared_norm(encoder, self._x, method=self._method, generator=self._generator).mean()
        pl_module.log("contractive", norm.detach(), on_step=False, on_epoch=True)
        scaler = getattr(trainer.precision_plugin, "scaler", None)
        share = self._weight / trainer.accumulate_grad_batches * (1.0 if scaler is None else scaler.get_scale())
        trained = [parameter for parameter in pl_module.parameters() if parameter.requires_grad]
        gradients = torch.autograd.grad(share * norm, trained, allow_unused=True)
        for parameter, gradient in zip(trained, gradients, strict=True):
            if gradient is not None:
                gradient = trainer.strategy.reduce(gradient, reduce_op="mean")
                parameter.grad = gradient if parameter.grad is None else parameter.grad.add_(gradient)
        if not pl_module.automatic_optimization:  # an optimizer's closure may go back several times
            self._x = None
