"""The application that the commands join, and what they share."""

import errno
import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from contractive.core.errors import ContractiveError

app = typer.Typer(
    name="contractive",
    help="Contractive autoencoders: train, compare and look at encoders that ignore noise but keep what varies.",
    epilog="Start with:  contractive compare digits --out demo",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


_REMEDIES = {
    errno.ENOSPC: "The disk is full: make room and run the command again (train: with --resume)",
    errno.EFBIG: "The file may not grow so large: lift the limit and run the command again (train: with --resume)",
    errno.EDQUOT: "Your share of the disk is full: make room and run the command again (train: with --resume)",
}


def report_user_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors that the user can fix into one line on standard error and exit code 2."""
    names = option_names(command)

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (ValueError, OSError, ModuleNotFoundError) as error:
            if isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("contractive"):
                raise
            typer.echo(f"Error: {_worded(error, names)}", err=True)
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
                names[parameter.name] = long[0] if long else f"--{parameter.name.replace('_', '-')}"
    return {"run": names["out"], **names} if "out" in names else names


def _worded(error: Exception, names: dict[str, str]) -> str:
    """Return the error in one line, with options and arguments where the library names fields."""
    if isinstance(error, OSError) and error.strerror:
        where = f" {error.filename}" if error.filename else ""
        remedy = _REMEDIES.get(error.errno or 0, "Check the place and its permissions")
        return f"files must be read and written, got: {error.strerror}{where}. {remedy}."
    message = " ".join(str(error).splitlines())
    if isinstance(error, ContractiveError):
        message = error.worded(lambda name: names.get(name, name), lambda name: names.get(name, f"`{name}`"))
    return message.encode("utf-8", "replace").decode()


def _out_of_memory(error: Exception) -> bool:
    """Tell a want of memory from other errors: torch raises a plain RuntimeError on a processor."""
    return isinstance(error, MemoryError) or "out of memory" in str(error) or "allocate memory" in str(error)


def _memory_said(error: Exception) -> str:
    reason = (str(error) or "no more").splitlines()[0].split("] ")[-1][:120].rstrip(".")
    return f"the work must fit into memory, got: {reason}. Take a smaller --batch-size, --hidden or --code."


@app.callback()
def _root() -> None:
    pass
