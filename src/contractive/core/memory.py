"""The memory that is left to this process."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_UNKNOWN = 4 * 2**30
_GROUPS = (  # limit and use, of control groups of versions 2 and 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available_memory() -> int:
    """Return the bytes this process may still use: the least that machine, container and limits leave."""
    return max(0, min(_left(), default=_UNKNOWN))


def _left() -> Iterator[int]:
    """Go through what the machine, control groups and limits of the process leave, as far as they tell."""
    free = [int(line.split()[1]) * 1024 for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    yield from free
    if not free:
        with suppress(AttributeError, OSError, ValueError):
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    for limit, used in _GROUPS:
        most, now = _lines(limit), _lines(used)
        if most and now and most[0].isdigit() and now[0].isdigit():
            yield int(most[0]) - int(now[0])
    if sys.platform != "win32":
        import resource

        pages = [int(count) for line in _lines("/proc/self/statm")[:1] for count in line.split()] or [0] * 7
        for limit, used in ((resource.RLIMIT_AS, pages[0]), (resource.RLIMIT_DATA, pages[5])):
            soft = resource.getrlimit(limit)[0]
            if soft != resource.RLIM_INFINITY:
                yield soft - used * resource.getpagesize()


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
