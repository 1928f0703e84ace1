"""Two settings of the process that make steps on a CPU faster."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # parameters of glibc's mallopt
_KEEP = 2**30
_MAP = 2**26  # larger blocks, such as row groups of a streamed file, go back at once: kept, they would leave gaps


def keep_freed_memory() -> bool:
    """Let glibc keep freed blocks for the next step instead of giving them back to the kernel; whether it did.

    By default each activation above 128 KB may be mapped, cleared and unmapped again in every step: on convolutional
    nets that was up to a third of the time. The process then holds its peak memory until it ends, blocks above 64 MB
    apart.
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
def flushed_denormals() -> Iterator[bool]:
    """Flush denormal numbers to zero meanwhile, in this thread and in those it starts; yields whether that is possible.

    Worker threads that torch has started before keep their own setting.
    """
    before = float(torch.tensor(1e-40) * 0.5) == 0.0
    supported = torch.set_flush_denormal(True)
    try:
        yield supported
    finally:
        torch.set_flush_denormal(before)
