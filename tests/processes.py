"""Processes that tests start. To start Python and import torch and Lightning anew takes seconds.

They are forked from a process that has imported them and done nothing else: one forked from the tests may hang, since
locks and threads of the libraries are as they were in the middle of other work.
"""

import multiprocessing
import os
import sys
import time
import warnings
from multiprocessing.reduction import DupFd
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["lightning.pytorch", "contractive.cli._commands", "contractive.studies.sweep"])


class Waiting:
    """A callback of a sweep that waits after each trial of a weight until a file is there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, what: str, done: int, total: int) -> None:
        while what.startswith("weight ") and not self.path.exists():
            time.sleep(0.01)


def start(function, *arguments, out=os.devnull, errors=os.devnull):
    """Call a function, which can be imported, in a new process with these files or open descriptors as its output."""
    files = [DupFd(file) if isinstance(file, int) else file for file in (out, errors)]
    process = _CONTEXT.Process(target=_run, args=(function, arguments, *files))
    process.start()
    return process


def contractive(command: str, **files: Path | int | str):
    """Start the command line in a new process."""
    return start(_command, command.split(), **files)


def installed(arguments: list[str]):
    """Be the program as it is installed: Lightning starts the second process by what the first one was called by."""
    sys.modules["__main__"].__spec__ = None
    os.environ["OMP_NUM_THREADS"] = "1"
    _command(arguments, str(Path(sys.executable).with_name("contractive")))


def _command(arguments, program="contractive"):
    from contractive.cli import main  # loaded by the process it is forked from

    sys.argv = [program, *arguments]
    main()


def _run(function, arguments, out, errors):
    for number, file in ((1, out), (2, errors)):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if isinstance(file, str | Path) else file.detach()
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))
    warnings.resetwarnings()  # pytest makes errors of them; these are ignored by default
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)
    function(*arguments)
