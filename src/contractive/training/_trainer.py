"""How Lightning is called: quietly, and so that Ctrl-C reaches the caller."""

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Never

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from contractive.training._checkpoints import SafeIO
from contractive.training._settings import TrainingSettings

_QUIET = (
    (".*LeafSpec.*", FutureWarning),  # Lightning 2.6 on torch 2.13 uses a deprecated pytree class
    (".*GPU available but not used.*", Warning),
    (".*in eval mode at the start of training.*", Warning),
    (".*You're resuming from a checkpoint that ended before the epoch ended.*", Warning),  # counted in blocks
    (".*is smaller than the logging interval.*", Warning),  # rows are logged by the epoch
    (".*sync_dist=True.*", Warning),  # the rows are means over all processes already
    (".*Be aware that when using `ckpt_path`, callbacks used to create the checkpoint.*", Warning),
)


def is_first_process() -> bool:
    """Whether this process is the one that writes and speaks, of those that train together."""
    return getattr(rank_zero_only, "rank", None) in (None, 0)


def make_trainer(settings: TrainingSettings, callbacks: Sequence[Callback], loggers: Sequence[Logger]) -> Trainer:
    """Lightning's trainer without what `fit` does itself."""
    return Trainer(
        accelerator="gpu" if settings.device == "cuda" else settings.device,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=settings.strategy,
        precision={"32": "32-true", "bf16": "bf16-mixed"}[settings.precision],  # pyright: ignore[reportArgumentType]
        max_epochs=settings.max_epochs,
        callbacks=list(callbacks),
        logger=list(loggers) or False,
        plugins=[SafeIO()],
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what Lightning says about things that are as they should be here."""
    levels = {name: logging.getLogger(name).level for name in ("lightning.pytorch", "lightning.fabric")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for message, category in _QUIET:
            warnings.filterwarnings("ignore", message=message, category=category)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)


class Interrupted(BaseException):
    """Ctrl-C, under a name that Lightning does not turn into `sys.exit`."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it, Ctrl-C raises `Interrupted`, unless the program has a handler of its own."""
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return

    def interrupt(*_: Any) -> Never:
        raise Interrupted

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
