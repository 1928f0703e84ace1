"""What the commands that begin a run, or go on with one, share."""

import shlex
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape

from contractive.data import Split
from contractive.training import TrainingDiverged

_WITH_RESUME = {"out", "data", "resume", "quiet", "checkpoint_seconds"}


def check_given(data: str | None, example: str) -> str:
    """Refuse a new run without data."""
    if data is None:
        raise ValueError(f"DATA must be given for a new run, got none. For instance: {example}")
    return data


def refuse_other_options(context: typer.Context) -> None:
    """Refuse settings beside --resume: the run keeps its own."""
    given = (name for name in context.params if name not in _WITH_RESUME and _is_given(context, name))
    other = next(given, None)
    if other:
        option = f"--{other.replace('_', '-')}"
        raise ValueError(
            f"--resume must come without other settings, got {option}: the run keeps its own. Leave it out."
        )


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def diverged(error: TrainingDiverged, remedy: str) -> ValueError:
    """A sentence whatever the error begins with: a bare "loss must ..." would be taken for an option --loss."""
    return ValueError(f"The {str(error).removeprefix('the ')} {remedy}")


def say_notes(console: Console, split: Split) -> None:
    """What was detected or decided about the data."""
    for note in split.notes:
        console.print(f"[dim]Note: {escape(note)}[/]", soft_wrap=True)


def say_finished(out: Path, *, quiet: bool) -> None:
    """That there is nothing to resume."""
    if not quiet:
        Console(stderr=True).print(f"{escape(str(out))} is finished already; nothing was left to do.", highlight=False)


def command_line() -> str:
    """The command as it was given."""
    return shlex.join(["contractive", *sys.argv[1:]])
