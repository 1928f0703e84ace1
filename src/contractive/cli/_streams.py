"""Standard output and error that never end a command: what they cannot take is replaced or lost."""

import contextlib
import errno
import io
import os
import sys
import warnings
from typing import Any


class Forgiving:
    """A standard stream that reports once, in place of raising, that it cannot be written; else as the stream itself.

    Args:
        stream: That is written to.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream
        stream.reconfigure(errors="replace")  # of characters that the encoding lacks

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, or lose it."""
        try:
            return self._stream.write(text)
        except OSError as error:
            return self._give_up(error)

    def flush(self) -> None:
        """Write what is waiting, or lose it."""
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> int:
        """Send what follows nowhere; a reader that has closed its end, as `head` does, wants no message."""
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
            self._stream.flush()
        if self is sys.stdout and error.errno != errno.EPIPE:
            print(f"Standard output cannot be written: {error.strerror}. Files are not affected.", file=sys.stderr)
        return 0


def warn_in_a_line() -> None:
    """Print warnings of this library as a sentence, without the place in its source."""
    usual = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if category.__module__.startswith("contractive."):
            from contractive.cli._console import visible  # with rich, which an early refusal need not load

            print(f"Warning: {visible(message)}", file=sys.stderr)
        else:
            usual(message, category, *place)

    warnings.showwarning = show


def forgive() -> None:
    """Make both standard streams forgiving, and put closed ones where no other file can take their numbers."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        setattr(sys, name, Forgiving(stream if stream is not None else open(os.devnull, "w")))
