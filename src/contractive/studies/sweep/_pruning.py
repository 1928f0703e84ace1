"""Ends trials early that are no better than the mean when they should be."""

from typing import Any

from lightning.pytorch.callbacks import Callback


class Pruned(Exception):
    """A fit that is no better than the mean when it should be."""


class PruneEarly(Callback):
    """Ends a fit whose validation error after `epochs` epochs is no better than `limit`."""

    def __init__(self, epochs: int, limit: float) -> None:
        self._epochs = epochs
        self._limit = limit

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Look at the rows of the epochs before this one.

        Raises:
            Pruned: It was time, and the error no better.
        """
        if len(pl_module.rows) == self._epochs:
            error = pl_module.rows[-1]["val_reconstruction"]
            if not error < self._limit:
                raise Pruned(
                    f"collapsed: after epoch {self._epochs} the validation error {error:.4g} was no better than the"
                    f" mean's, {self._limit:.4g}"
                )
