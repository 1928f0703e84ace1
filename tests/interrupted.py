"""A training that ends by an exception of its own, to be resumed."""

from lightning.pytorch import Callback


class Stop(Exception):
    """What ends it."""


class StopAfterTwo(Callback):
    """Ends a training when its third epoch begins."""

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 2:
            raise Stop
