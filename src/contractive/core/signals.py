"""Signals that end a program: they raise, so that files stay whole, and the exit code says which one it was."""

import signal
from types import FrameType
from typing import Never

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


class Stopped(KeyboardInterrupt):
    """The process was asked to end.

    Args:
        number: Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def stop(number: int, frame: FrameType | None) -> Never:
    """Handle a signal: raise `Stopped`."""
    raise Stopped(number)


def stop_on_signals() -> None:
    """Let signals that would end this process raise `Stopped`; those that are ignored, as under nohup, stay so."""
    for number in ENDING:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, stop)


def exit_code(error: KeyboardInterrupt) -> int:
    """Return 128 + the number of the signal, as a shell does."""
    return 128 + (error.number if isinstance(error, Stopped) else signal.SIGINT)
