"""What the commands share that begin a run or resume one."""

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from contractive.core.errors import InvalidValue
from contractive.core.files import write_text

if TYPE_CHECKING:
    from contractive.data import Options, Split
    from contractive.studies.runs import Run

_WITH_RESUME = {"out", "data", "resume", "quiet", "checkpoint_seconds"}


def command_line() -> str:
    """Return the command as it was typed."""
    return shlex.join(["contractive", *sys.argv[1:]])


def resume_command(run: "Run[Any, Any]") -> str:
    """Return a sentence that says how to resume a run."""
    return f"Resume with: {run.task.command} --resume --out {run.folder}"


def processors() -> int:
    """Return how many processors this process may use, which in a container can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_writable(out: Path) -> None:
    """Make the folder of the results, and refuse one that cannot be written before the work and not after it."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        trial = out / ".writable"
        write_text(trial, "")
        trial.unlink()
    except OSError as error:
        raise InvalidValue(
            "out", "be a folder that can be written", f"{out}: {error.strerror}", "Choose another."
        ) from error


def is_given(context: typer.Context, name: str) -> bool:
    """Return whether the user gave the option."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_other_options(context: typer.Context) -> None:
    """Refuse settings beside --resume: the run keeps its own."""
    other = next((name for name in context.params if name not in _WITH_RESUME and is_given(context, name)), None)
    if other:
        raise InvalidValue(
            "resume", "come without other settings", f"--{other.replace('_', '-')}", "The run keeps its own."
        )


def load_new(
    context: typer.Context,
    data: str | None,
    data_dir: Path | None,
    about: "Options",
    out: Path,
    *,
    seed: int,
    force: bool,
    check: bool = True,
) -> "Split":
    """Load the data of a new run, after its folder was checked."""
    from contractive.data import load
    from contractive.studies.runs import Files

    if data is None:
        remedy = f"For instance: contractive {context.info_name} digits -o run"
        raise InvalidValue("data", "be given for a new run", "none", remedy)
    if check:
        Files(out).check(force=force)
    return load(data, data_dir=data_dir, seed=seed, options=about)
