"""What makes a function a command: its options, and its errors as one line."""

import errno
import inspect
import os
import re
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from contractive.cli._console import visible
from contractive.cli._settings import option_of, with_options
from contractive.core.errors import ContractiveError, first_line
from contractive.core.signals import exit_code

_REMEDIES = {
    errno.ENOSPC: "The disk is full: make room and run the command again (train: with --resume)",
    errno.EFBIG: "The file may not grow so large: lift the limit and run the command again (train: with --resume)",
    errno.EDQUOT: "Your share of the disk is full: make room and run the command again (train: with --resume)",
}


def command(example: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a command: its groups of options are spread.

    Args:
        example: What is typed after `contractive`, shown at the end of its help.
    """

    def made(function: Callable[..., None]) -> Callable[..., None]:
        run = with_options(function)
        run.__dict__["example"] = example
        return run

    return made


def report_user_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors that the user can fix into one line on standard error and exit code 2; others are of the program."""
    names = option_names(command)

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except BrokenPipeError:  # the reader of the output, `head` for instance, has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except (ContractiveError, OSError, ModuleNotFoundError, MemoryError, RuntimeError) as error:
            text = _worded(error, names)
            if not text:
                raise
            print(f"Error: {visible(text)}", file=sys.stderr)
            raise typer.Exit(2) from error
        except KeyboardInterrupt as error:
            print("Stopped before the end. Run the same command again.", file=sys.stderr)
            raise typer.Exit(exit_code(error)) from None

    return run


def option_names(command: Callable[..., None]) -> dict[str, str]:
    """Return what a user calls each parameter of a command: its long option, or the word for an argument in the help.

    A run is named by `run`; a command that has only the folder it writes to, such as `train`, means that one.
    """
    names = {}
    for parameter in inspect.signature(command).parameters.values():
        for info in getattr(parameter.annotation, "__metadata__", ()):
            if isinstance(info, typer.models.ArgumentInfo):
                names[parameter.name] = (info.metavar or parameter.name.upper()).strip("[]")
            elif isinstance(info, typer.models.OptionInfo):
                long = [name.split("/")[0] for name in info.param_decls or () if name.startswith("--")]
                names[parameter.name] = long[0] if long else option_of(parameter.name)
    names |= {"overwrite": names["force"]} if "force" in names else {}
    return {"run": names["out"], **names} if "out" in names else names


def _worded(error: Exception, names: dict[str, str]) -> str:
    """Return the error with options and arguments where the library names fields; nothing for one of the program."""
    from concurrent.futures.process import BrokenProcessPool  # with multiprocessing, which no help needs

    if isinstance(error, ContractiveError):
        return error.worded(lambda name: names.get(name, name), lambda name: names.get(name, f"`{name}`"))
    if isinstance(error, OSError) and error.strerror:
        remedy = _REMEDIES.get(error.errno or 0, "Check the place and its permissions")
        return f"Cannot read or write {error.filename or 'a file'}: {error.strerror}. {remedy}."
    if isinstance(error, BrokenProcessPool):
        return "A worker process was killed, probably for lack of memory. Use --jobs 1."
    if isinstance(error, MemoryError | RuntimeError):  # torch raises a plain RuntimeError where memory is short
        if not isinstance(error, MemoryError) and not re.search("out of memory|allocate memory", str(error)):
            return ""
        smaller = [names[name] for name in ("batch_size", "hidden", "code") if name in names]
        reason = first_line(error).split("] ")[-1] if str(error) else "no more to be had"
        return f"Out of memory: {reason}. Take a smaller {' or '.join(smaller) or 'model or table'}."
    if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("contractive"):
        return ""
    return str(error)
