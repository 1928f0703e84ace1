"""States of the process, of Lightning and of modules that hold for a while and are put back afterwards."""

import ctypes
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Never

import torch
from torch import nn

from contractive.core.randomness import global_randomness

logger = logging.getLogger(__name__)

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt
_KEEP = 2**30
_MAP = 2**26  # larger blocks, such as row groups of a streamed file, go back at once: kept, they would leave gaps
_QUIET = (
    (".*LeafSpec.*", FutureWarning),  # Lightning 2.6 on torch 2.13 uses a deprecated pytree class
    (".*GPU available but not used.*", Warning),
    (".*in eval mode at the start of training.*", Warning),
    (".*You're resuming from a checkpoint that ended before the epoch ended.*", Warning),  # counted in blocks
    (".*is smaller than the logging interval.*", Warning),  # rows are logged by the epoch
    (".*sync_dist=True.*", Warning),  # the rows are means over all processes already
    (".*Be aware that when using `ckpt_path`, callbacks used to create the checkpoint.*", Warning),
)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients; modules that were frozen one by one stay as they were."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes.items():
            part.training = mode


@contextmanager
def rehearsing(module: nn.Module) -> Iterator[None]:
    """The modes as they are, and no trace: buffers (statistics of batch norms) and random generators are put back."""
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with global_randomness():
        try:
            yield
        finally:
            for name, buffer in module.named_buffers():
                buffer.copy_(buffers[name])


@contextmanager
def flushed_denormals() -> Iterator[None]:
    """Flush denormal numbers to zero in this thread and in those that it starts.

    A strongly contracted encoder has saturated units, whose derivatives become denormal; processors compute with such
    numbers in microcode, which was seen to make a step twenty times slower. Worker threads that torch has started
    before keep their own setting.
    """
    before = float(torch.tensor(1e-40, dtype=torch.float32) * 0.5) == 0.0
    supported = torch.set_flush_denormal(True)
    logger.info("denormal numbers are %s", "flushed to zero" if supported else "not flushed: the processor cannot")
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks for the next step, up to 64 MB each, until the process ends; True if it does.

    By default each activation above 128 KB may be mapped, cleared and unmapped again in every step: on convolutional
    nets that was up to a third of the time.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    accepted = [mallopt(parameter, value) for parameter, value in ((_MMAP_THRESHOLD, _MAP), (_TRIM_THRESHOLD, _KEEP))]
    return all(accepted)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence what Lightning reports about things that are intended here."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        for message, category in _QUIET:
            warnings.filterwarnings("ignore", message=message, category=category)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


class Interrupted(BaseException):
    """Ctrl-C, under a name that Lightning does not turn into `sys.exit`."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Within it, Ctrl-C raises `Interrupted`, unless the program has its own handler."""
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
