"""The memory that is left to this process."""

import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_UNKNOWN = 4 * 2**30
_GROUPS = (  # folder, limit, use, and the file pages in it that are given up on demand, of control groups 2 and 1
    ("/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
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
    for folder, limit, used, given_up in _GROUPS:
        most, now = _lines(f"{folder}/{limit}"), _lines(f"{folder}/{used}")
        if most and now and most[0].isdigit() and now[0].isdigit():
            pages = [line.split()[1] for line in _lines(f"{folder}/memory.stat") if line.startswith(f"{given_up} ")]
            yield int(most[0]) - max(0, int(now[0]) - sum(map(int, pages)))
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
