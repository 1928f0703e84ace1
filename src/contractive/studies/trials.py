"""Resumable trials: each is computed once and kept, by one process or by several that share a folder.

A ledger is one JSON document, read and replaced whole under a lock. A process that works on it holds a lock on a file
in `workers/`, which the system releases when the process ends, however it ends: its trials are then given to others.
"""

import json
import os
import platform
import signal
import threading
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import torch
from filelock import FileLock, Timeout

from contractive.core.artifacts import Artifact
from contractive.core.errors import InvalidValue
from contractive.core.files import remove_temporary_files

R = TypeVar("R")
T = TypeVar("T")
_KIND = "list of trials"


@dataclass(frozen=True)
class Trial(Generic[R]):
    """One trial of a ledger."""

    key: str  # what is tried
    state: Literal["running", "finished", "failed"]  # a failed one was given up; another trial replaces it
    worker: str = ""  # the process that began it
    result: R | None = None  # of a finished trial


@dataclass(frozen=True)
class _Content(Generic[R]):
    settings: Any
    trials: tuple[Trial[R], ...]


class Ledger(Generic[R]):
    """The trials of one study in a file.

    Args:
        path: The JSON file; its folder is made if missing.
        settings: What must be the same for all trials, JSON-able.
        result: Type of a result.
        force: Forget the trials that the file holds.

    Attributes:
        lock: While it is held (`with ledger.lock`), no other process changes the ledger.

    Raises:
        InvalidValue: The file holds trials of other settings.
        ArtifactError: The file cannot be read.
    """

    def __init__(self, path: Path, settings: Mapping[str, object], result: type[R], *, force: bool = False) -> None:
        self._folder, self._name, self._result = path.parent, path.stem, result
        self._folder.mkdir(parents=True, exist_ok=True)
        self._settings = json.loads(json.dumps(settings))
        self.lock = FileLock(path.with_suffix(".lock"))
        self.worker = f"{platform.node()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        with self.lock:
            if force or not path.exists():
                self._write(())
            before = self._read().settings
        for name in dict.fromkeys([*self._settings, *before]):
            old, new = before.get(name), self._settings.get(name)
            if old != new:
                raise InvalidValue(
                    "out",
                    "be a new folder or one of the same settings",
                    f"{self._folder} with {name.replace('_', ' ')} {old} instead of {new}",
                    "Choose another folder, or replace it with `force`.",
                )

    @property
    def trials(self) -> tuple[Trial[R], ...]:
        """All trials by number, as the file holds them now."""
        return self._read().trials

    def once(self, key: str, compute: Callable[[], R]) -> R:
        """Return the result of the trial with that key, computed now unless it is finished."""
        for trial in self.trials:
            if trial.key == key and trial.result is not None:
                return trial.result
        number = self.begin(key)
        try:
            result = compute()
        except BaseException:
            self.give_up(number)
            raise
        self.finish(number, result)
        return result

    def begin(self, key: str) -> int:
        """Add a trial that this process runs, and return its number."""
        with self.lock:
            trials = self.trials
            self._write((*trials, Trial(key, "running", self.worker)))
        return len(trials)

    def finish(self, number: int, result: R) -> None:
        """Write down the result of a trial, unless the trial was given to another process."""
        self._change(number, state="finished", result=result)

    def give_up(self, number: int) -> None:
        """Mark a running trial as failed."""
        self._change(number, state="failed")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Show the others that this process is alive, by a lock that it holds; clear up after dead ones."""
        workers = self._folder / "workers"
        with self.lock:
            workers.mkdir(exist_ok=True)
            if all([self.is_dead(path.name) for path in workers.iterdir()]):  # nobody writes
                remove_temporary_files(self._folder)
            sign = FileLock(workers / self.worker)
            sign.acquire()
        try:
            yield
        finally:
            sign.release()
            with self.lock, suppress(OSError):  # not empty: others are at work
                for path in workers.iterdir():
                    self.is_dead(path.name)
                workers.rmdir()

    def is_dead(self, worker: str) -> bool:
        """Return whether a process is no longer at work; ask while you hold the lock of the ledger."""
        path = self._folder / "workers" / worker
        try:
            with FileLock(path, blocking=False):
                path.unlink(missing_ok=True)
        except Timeout:
            return False
        return True

    def _read(self) -> _Content[R]:
        return Artifact.read(self._folder, self._name, _KIND).to(_Content[self._result], self._folder / self._name)

    def _write(self, trials: tuple[Trial[R], ...]) -> None:
        Artifact.of(_KIND, _Content(self._settings, trials)).write(self._folder, self._name)

    def _change(self, number: int, **values: Any) -> None:
        """Change a trial if it is running."""
        with self.lock:
            trials = list(self.trials)
            if trials[number].state == "running":
                trials[number] = replace(trials[number], **values)
                self._write(tuple(trials))


@contextmanager
def in_parallel(jobs: int) -> Iterator[Callable[[Callable[[T], R], Iterable[T]], Iterator[R]]]:
    """Within it, a function (work, arguments) yields results in the order in which they are ready.

    They are joblib tasks: `joblib.parallel_config` spreads them over the machines of Ray or Dask. With one job, this
    process computes them. Work must be importable and what it takes and returns picklable.
    """
    import joblib  # comes with scikit-learn, which reading results does not need

    here = os.getpid()
    # arrays in the arguments are shared with the processes of this machine, and copied where one writes to them
    options: Any = {"return_as": "generator_unordered", "batch_size": 1, "mmap_mode": "c"}
    with warnings.catch_warnings(), joblib.Parallel(jobs, **options) as parallel:
        warnings.filterwarnings("ignore", ".*tasks which were still being processed")  # after an error or Ctrl-C
        yield lambda work, arguments: parallel(joblib.delayed(_task)(work, each, here) for each in arguments)  # pyright: ignore[reportReturnType]


def _task(work: Callable[[T], R], argument: T, parent: int) -> R:
    if os.getpid() != parent:
        torch.set_num_threads(1)  # the processes share the cores
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    return work(argument)
