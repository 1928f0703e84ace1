"""The error of this package, and how its messages list names."""

import difflib
import importlib
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from contractive.core.errors import ContractiveError, first_line
from contractive.core.files import BROKEN_FILE_ERRORS

LIBRARY_ERRORS = (*BROKEN_FILE_ERRORS, AttributeError, IndexError)  # what openpyxl and h5py raise over broken files


class DataError(ContractiveError):
    """Data that cannot be used, and what to do about it; always one line, whatever names a file has."""


def invalid(field: str, rule: str, got: object, remedy: str) -> DataError:
    """Return the error of a value that breaks a rule: `<field> must <rule>, got <got>. <remedy>`."""
    return DataError(field=field, rule=rule, got=got, remedy=remedy)


def join_names(names: Iterable[object], most: int = 12) -> str:
    """Return names with commas, the first few of them where there are many."""
    given = [str(name) for name in names]
    more = f" and {len(given) - most} more" if len(given) > most else ""
    return ", ".join(given[:most]) + more


def join_for_option(names: Iterable[str], most: int = 30) -> str:
    """Return names as an option takes them, `NAME,...` where they are too many to repeat."""
    given = [f'"{name}"' if "," in name else name for name in names]
    return ",".join(given) if len(given) <= most else "NAME,..."


def whole_names(given: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return given names, those put together again that a list with commas has split at a comma of the name."""
    bare = {re.sub(r"\s*,\s*", ",", name): name for name in names}
    found, rest = [], list(given)
    while rest:
        sizes = (size for size in range(2, len(rest) + 1) if ",".join(rest[:size]) in bare)
        size = 1 if rest[0] in names else next(sizes, 1)
        found.append(rest[0] if size == 1 else bare[",".join(rest[:size])])
        del rest[:size]
    return tuple(found)


def suggest(name: str, names: Sequence[str]) -> str:
    """Return a sentence with the names most like `name`, else with all."""
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    lowered = {other.lower(): other for other in names}
    if name.lower() in lowered and lowered[name.lower()] not in close:
        close = [lowered[name.lower()], *close]
    return f"Did you mean {' or '.join(close)}?" if close else f"There are {join_names(names)}."


def import_extra(module: str, path: Path) -> ModuleType:
    """Import what reads a format that not everybody has."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        remedy = "Run: pip install 'contractive[formats]'"
        raise DataError(f"{module} must be installed to read {path.name}, got none. {remedy}") from error


@contextmanager
def reraise_as_data_error(path: Path, errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Turn the errors that a library raises over broken files into one line that names the file."""
    try:
        yield
    except DataError:
        raise
    except errors as error:
        if isinstance(error, MemoryError):  # Arrow's, over a column that a few bytes repeat
            raise DataError(
                f"{path} must fit into memory, got: {first_line(error)}. Use `drop`, or a part of the rows."
            ) from error
        if isinstance(error, UnicodeEncodeError):  # Arrow takes no other names of files
            raise DataError(f"names of files must be in UTF-8, got {error.object!r:.200}. Rename it.") from error
        if isinstance(error, NotImplementedError):
            raise DataError(
                f"{path} must have columns of types that Arrow reads, got: {first_line(error)}. Convert them."
            ) from error
        kind = path.suffix.lower()
        raise DataError(
            f"{path} must be a whole {kind} file, got: {first_line(error)}. Write or copy it again."
        ) from error
