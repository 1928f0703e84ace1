"""Processes that tests start. They are forked: to start Python and import torch and Lightning anew takes seconds."""

import multiprocessing
import os
import sys
import warnings
from pathlib import Path

import lightning.pytorch  # noqa: F401 - here, so that no process has to import it

import contractive.cli._commands
from contractive.cli import main


def start(function, *arguments, out=os.devnull, errors=os.devnull):
    """Call a function in a new process, whose standard output and error are these files, or open descriptors."""
    process = multiprocessing.get_context("fork").Process(target=_run, args=(function, arguments, out, errors))
    process.start()
    return process


def contractive(command: str, **files: Path | int | str):
    """Start the command line in a new process."""
    return start(_command, command.split(), **files)


def _command(arguments):
    sys.argv = ["contractive", *arguments]
    main()


def _run(function, arguments, out, errors):
    for number, file in ((1, out), (2, errors)):
        os.dup2(file if isinstance(file, int) else os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))
    warnings.resetwarnings()  # pytest makes errors of them; these are ignored by default
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)
    function(*arguments)
