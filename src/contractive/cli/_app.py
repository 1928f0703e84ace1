"""The application that the commands join, and what they share."""

import errno
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import typer

app = typer.Typer(
    name="contractive",
    help="Contractive autoencoders: train, compare and look at encoders that ignore noise but keep what varies.",
    epilog="Start with:  contractive compare digits --out demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


_ARGUMENTS = ("data", "run", "folder", "name")
_REMEDIES = {
    errno.ENOSPC: "The disk is full: make room and run the command again (train: with --resume)",
    errno.EFBIG: "The file may not grow so large: lift the limit and run the command again (train: with --resume)",
    errno.EDQUOT: "Your share of the disk is full: make room and run the command again (train: with --resume)",
}


def says_what_is_wrong(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors that the user can mend into one line on standard error and exit code 2."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (ValueError, OSError, ModuleNotFoundError) as error:
            if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("contractive"):
                raise
            typer.echo(f"Error: {_said(error, kwargs)}", err=True)
            raise typer.Exit(2) from error
        except (MemoryError, RuntimeError) as error:
            if not _out_of_memory(error):
                raise
            typer.echo(f"Error: {_memory_said(error)}", err=True)
            raise typer.Exit(2) from error
        except KeyboardInterrupt:
            typer.echo("Stopped. Nothing was written; run the same command again.", err=True)
            raise typer.Exit(130) from None

    return run


def _said(error: Exception, options: dict[str, Any]) -> str:
    """The error in one line, a setting by the name of its option."""
    if isinstance(error, OSError) and error.strerror:
        where = f" {error.filename}" if error.filename else ""
        remedy = _REMEDIES.get(error.errno or 0, "Check the place and its permissions")
        return f"files must be read and written, got: {error.strerror}{where}. {remedy}."
    message = " ".join(str(error).split("\n")).encode("utf-8", "replace").decode()
    name, must, rest = message.partition(" must ")
    name = {"max_epochs": "epochs"}.get(name, name)
    if not must or name not in options or name in _ARGUMENTS:
        return message
    option = "-o" if isinstance(options[name], Path) and name == "output" else f"--{name.replace('_', '-')}"
    return f"{option} must {rest}"


def _out_of_memory(error: Exception) -> bool:
    """Whether it is for want of memory: torch raises a plain RuntimeError on a processor."""
    return isinstance(error, MemoryError) or "out of memory" in str(error) or "allocate memory" in str(error)


def _memory_said(error: Exception) -> str:
    reason = (str(error) or "no more").splitlines()[0].split("] ")[-1][:120].rstrip(".")
    return f"the work must fit into memory, got: {reason}. Take a smaller --batch-size, --hidden or --code."


@app.callback()
def _root() -> None:
    pass
