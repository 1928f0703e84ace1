"""What the commands share that begin something: the folder of the results, the data, and how it was typed."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from contractive.cli._console import Console
from contractive.cli._settings import option_of
from contractive.core.errors import ContractiveError, InvalidValue
from contractive.core.files import check_writable, remove_temporary_files
from contractive.core.signals import exit_code

if TYPE_CHECKING:
    from contractive.data import Options, Split
    from contractive.estimators import ContractiveEstimator
    from contractive.studies.runs import Run

_WITH_RESUME = {"out", "data", "resume", "quiet", "checkpoint_seconds"}


def command_line() -> str:
    """Return the command as it was typed."""
    return shlex.join(["contractive", *sys.argv[1:]])


def processors() -> int:
    """Return how many processors this process may use, which in a container can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_results(out: Path, name: str = "", *, force: bool = True) -> None:
    """Make the folder of the results; refuse, before the work, one that has them or that cannot be written."""
    if not force and (out / name).exists() and (out / "report.html").exists():  # without the page it was interrupted
        raise InvalidValue(
            "out", "be a folder without results", f"{out} with {name}", "Choose another or give `force`."
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        remove_temporary_files(out)
        check_writable(out)
    except OSError as error:
        got = f"{out}: {error.strerror}"
        raise InvalidValue("out", "be a folder that can be written", got, "Choose another.") from error


def is_given(context: typer.Context, name: str) -> bool:
    """Return whether the user gave the option."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def resume_command(out: Path) -> str:
    """Return a sentence that says how to resume the run in a folder."""
    from contractive.studies.runs import Files, open_run

    if not Files(out).config.exists():
        return "Nothing was written; run the same command again."
    return f"Resume with: {open_run(out).task.command} --resume --out {out}"


def open_trained(folder: Path) -> "Run[Any, Any] | ContractiveEstimator":
    """Open the run in a folder, or the estimator saved there; scikit-learn is imported for such a one alone."""
    from contractive.studies.runs import RunError, open_run

    try:
        return open_run(folder)
    except RunError:
        from contractive.estimators import ContractiveEstimator, is_saved

        if not is_saved(folder):
            raise
    return ContractiveEstimator.load(folder)


def refuse_collapsed(metrics: Any) -> None:
    """End a command whose training is finished and of no use with an error, so that a scheduler notices."""
    if metrics.collapsed:
        raise ContractiveError(
            "The network must tell rows apart, got about the same output for all of them: training collapsed. The run"
            " was written. Use a smaller weight of the penalty, or a smaller learning rate."
        )


@contextmanager
def resumable(console: Console, out: Path, stage: Callable[[], str]) -> Iterator[None]:
    """End the command that a signal stops: say in which stage, and how the run in the folder is resumed."""
    try:
        yield
    except KeyboardInterrupt as error:
        console.note(f"Stopped in {stage()}. {resume_command(out)}")
        raise typer.Exit(exit_code(error)) from None


def begin_run(
    context: typer.Context, kind: Any, settings: Any, about: "Options", seed: int, console: Console
) -> "tuple[Split, Any] | None":
    """Return the data and the settings of a new run, or of the one that is resumed; None where that is finished.

    Args:
        context: Of the command, with its options `data`, `data_dir`, `out`, `force`, `resume`, `checkpoint_seconds`.
        kind: Type of the run.
        settings: Of a new run.
        about: How its data are read and prepared.
        seed: Of their split.
        console: Where to print.
    """
    from contractive.core.errors import check_at_least
    from contractive.data import load
    from contractive.studies.runs import Files, open_run
    from contractive.training import is_first_process

    given, data, out = context.params, context.params["data"], context.params["out"]
    if given["resume"]:
        other = next((name for name in given if name not in _WITH_RESUME and is_given(context, name)), None)
        if other:
            raise InvalidValue("resume", "come without other settings", option_of(other), "The run keeps its own.")
        run = open_run(out, kind)
        split, settings = run.load_data(data), run.settings
        if run.finished:
            run.tidy()
            console.note(out, " is finished already; nothing was left to do.")
            return None
    else:
        if data is None:
            remedy = f"For instance: contractive {context.info_name} digits -o run"
            raise InvalidValue("data", "be given for a new run", "none", remedy)
        settings.check_machine()
        check_at_least("checkpoint_seconds", given.get("checkpoint_seconds", 0), 0)
        if is_first_process():  # the others find what it wrote
            Files(out).check(force=given["force"])
        split = load(data, data_dir=given["data_dir"], seed=seed, options=about)
    console.notes(split.notes)
    return split, settings
