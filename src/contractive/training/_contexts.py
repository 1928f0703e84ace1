"""States of the process, of Lightning and of modules that hold for a while and are put back afterwards."""

import ctypes
import logging
import signal
import sys
import threading
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from contractive.core import signals
from contractive.core.randomness import rehearsing

logger = logging.getLogger(__name__)

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt
_KEEP = 2**30
_MAP = 2**26  # larger blocks, such as row groups of a streamed file, go back at once: kept, they would leave gaps
_SMALL_STEP = 2**26  # multiplications of a forward pass on a batch; below it a second thread gains next to nothing
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


@contextmanager
def using_threads(threads: int | None, network: nn.Module, x: Tensor) -> Iterator[None]:
    """Compute with so many threads, or by a fixed rule: with one where a step on the batch x is small.

    A small step is over before a second thread has begun; beside other work, where each product waits for its slowest
    thread, it was seen to take twenty times as long.
    """
    before = torch.get_num_threads()
    chosen = threads or (1 if _multiplications(network, x) < _SMALL_STEP else before)
    logger.info("training with %d thread(s), %s", chosen, "as asked" if threads else "by the size of network and batch")
    torch.set_num_threads(chosen)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _multiplications(network: nn.Module, x: Tensor) -> int:
    """Count those of a forward pass on x, from one row; operations that cannot be counted count as their weights."""
    with rehearsing(network), evaluating(network), FlopCounterMode(display=False) as counter:
        network(x[:1])
    weights = sum(parameter.numel() for parameter in network.parameters())
    return len(x) * max(counter.get_total_flops() // 2, weights)


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
    """Silence what Lightning reports about things that are intended here.

    TensorBoard's thread that cannot write to the disk is silent, too: the next write here raises its error.
    """
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    hook = threading.excepthook

    def report(failed: threading.ExceptHookArgs) -> None:
        of_tensorboard = type(failed.thread).__module__.startswith("tensorboard")  # or of tensorboardX
        if not (of_tensorboard and issubclass(failed.exc_type, OSError)):
            hook(failed)

    threading.excepthook = report
    with warnings.catch_warnings():
        for message, category in _QUIET:
            warnings.filterwarnings("ignore", message=message, category=category)
        try:
            yield
        finally:
            threading.excepthook = hook
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


class Interrupted(BaseException):
    """A signal to end, under a name that Lightning does not turn into `sys.exit`."""


class Stop:
    """The handler of signals in training: it raises `Interrupted`, at once or, with patience, after the epoch."""

    def __init__(self) -> None:
        self.number, self._handled, self._patience, self._since = 0, tuple[int, ...](), 0.0, 0.0

    def handle(self, numbers: Iterable[int], patience: float = 0.0) -> None:
        """Handle these signals from now on."""
        self._handled, self._patience = tuple(numbers), patience
        for number in self._handled:
            signal.signal(number, self)

    def wait(self, seconds: float) -> None:
        """Wait from now on for the end of the epoch, at most so many seconds; also where Lightning took over."""
        self.handle(self._handled, seconds)

    def __call__(self, number: int, frame: Any) -> None:
        """Handle a signal; a second one does not wait."""
        waits = self._patience > 0 and not self.number
        self.number, self._since = number, time.monotonic()
        if not waits:
            raise Interrupted

    def check(self, *, saved: bool) -> None:
        """Raise if there was a signal, and the epoch is over and saved or has taken too long."""
        if self.number and (saved or time.monotonic() - self._since > self._patience):
            raise Interrupted


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Within it, a signal that ends a program raises `Interrupted`; afterwards it does what it would have done.

    A handler of the program itself is left alone.
    """
    stop, usual = Stop(), (signal.default_int_handler, signal.SIG_DFL, signals.stop)
    here = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in signals.ENDING if here}
    before = {number: handler for number, handler in before.items() if handler in usual}
    stop.handle(before)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if stop.number:
            signal.raise_signal(stop.number)
