"""The memory that is left, and what fits into it."""

import sys
from pathlib import Path

from contractive.data._errors import DataError

_SHARE = 0.4  # of the memory left: room for the network, its optimiser and a copy while scaling
_UNKNOWN = 4 * 2**30


def available_memory() -> int:
    """Return the bytes this process may still use: the least that machine, container and limits leave."""
    limits = [limit for limit in (_machine(), *_containers(), _address_space()) if limit is not None]
    return max(0, min(limits, default=_UNKNOWN))


def fits(num_bytes: int) -> bool:
    """Return whether that many bytes leave room for work."""
    return num_bytes <= _SHARE * available_memory()


def check_fits(what: str, num_bytes: int, remedy: str) -> None:
    """Refuse what would not fit, before it is read.

    Raises:
        DataError: It is larger than the memory left.
    """
    left = available_memory()
    if num_bytes > left:
        raise DataError(f"{what} must fit into memory ({size(left)} left), got {size(num_bytes)}. {remedy}")


def size(num_bytes: int) -> str:
    """Return a number of bytes as people write it."""
    if num_bytes >= 10**18:
        return "more than a million TB"
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= scale:
            return f"{num_bytes / scale:.1f} {unit}"
    return f"{num_bytes / 1e3:.1f} kB"


def _machine() -> int | None:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    try:
        import os

        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return None


def _containers() -> list[int]:
    """Return what the control groups of versions 2 and 1 leave."""
    root = Path("/sys/fs/cgroup")
    left = []
    for limit, used in (
        (root / "memory.max", root / "memory.current"),
        (root / "memory/memory.limit_in_bytes", root / "memory/memory.usage_in_bytes"),
    ):
        most, now = _lines(limit), _lines(used)
        if most and now and most[0].isdigit() and now[0].isdigit():
            left.append(int(most[0]) - int(now[0]))
    return left


def _address_space() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    pages = _lines(Path("/proc/self/statm"))
    used = [int(count) * resource.getpagesize() for count in pages[0].split()] if pages else [0] * 7
    left = [
        soft - now
        for limit, now in ((resource.RLIMIT_AS, used[0]), (resource.RLIMIT_DATA, used[5]))
        if (soft := resource.getrlimit(limit)[0]) != resource.RLIM_INFINITY
    ]
    return min(left, default=None)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
