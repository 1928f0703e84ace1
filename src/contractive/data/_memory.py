"""What fits into the memory that is left."""

from contractive.core.memory import available_memory
from contractive.data._errors import DataError

_SHARE = 0.4  # of the memory left: room for the network, its optimiser and a copy while scaling


def fits(num_bytes: int) -> bool:
    """Return whether that many bytes leave room for work."""
    return num_bytes <= _SHARE * available_memory()


def check_fits(what: str, num_bytes: int, remedy: str) -> None:
    """Raise `DataError` for what is larger than the memory left, before it is read."""
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
