"""The ledger of a sweep: which trials there are, shared by all processes and machines that work on one folder."""

import os
import platform
import shutil
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages.journal import JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from contractive.objectives import Reference
from contractive.studies.sweep._sweep_folder import SweepError, check_folder, clear_folder, open_study
from contractive.studies.sweep._sweep_results import COMPLETE, PRUNED, TRIALS, SweepTrial
from contractive.studies.sweep._sweep_settings import SweepSettings
from contractive.studies.sweep._sweep_worker import Outcome, Task

_WORKERS, _CLAIM = "workers", "claim"
_BEAT = 5.0  # seconds between signs of life
_DEAD = 180.0  # without one; a shared folder may show files a minute late
_COUNTED = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)


class _Planned(BaseSampler):
    """Proposes the one weight."""

    def __init__(self, weight: float) -> None:
        self._weight = weight

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        return {}

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {}

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: Any) -> float:
        return self._weight


class Ledger:
    """Optuna's study in a journal file, and one lock around every decision on it.

    Args:
        folder: Of the sweep.
        settings: Completed.
        identity: What must be the same for all that work on the folder.
        force: Replace another sweep in the folder.

    Raises:
        SweepError: A folder with other files, or with another sweep.
    """

    def __init__(self, folder: Path, settings: SweepSettings, identity: dict[str, Any], *, force: bool) -> None:
        self._folder, self._settings = folder, settings
        check_folder(folder)
        (folder / TRIALS).mkdir(parents=True, exist_ok=True)
        (folder / _WORKERS).mkdir(exist_ok=True)
        self._mine: dict[int, optuna.Trial] = {}
        self._lock = JournalFileOpenLock(str(folder / _CLAIM), grace_period=30)
        self._me = f"{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        with self._locked():
            if force:
                clear_folder(folder)
            self._study = open_study(folder, _objectives(settings))
            self._identify(identity)

    def claim(self) -> Task | None:
        """The next trial, now this process's own; None if there is none to be had now."""
        with self._locked():
            trials = self._alive_trials()
            if len(trials) >= self._settings.total:
                return None
            yardstick = next((trial for trial in trials if _weight(trial) == 0), None)
            if yardstick is None:
                return self._take(0.0, may_give_up=False)
            if yardstick.state != TrialState.COMPLETE:
                return None  # all others are set by it
            early = bool(_facts(yardstick)["learned_early"])
            if self._settings.weights is not None:
                taken = {_weight(trial) for trial in trials}
                return self._take(next(w for w in self._settings.weights if w not in taken), may_give_up=early)
            return self._search(yardstick, trials, may_give_up=early)

    def finish(self, outcome: Outcome) -> None:
        """Write down what came of a trial, unless it has been given to another process."""
        with self._locked():
            trial = self._frozen(outcome.task.number)
            if trial.state != TrialState.RUNNING:
                return
            mine = self._mine.pop(trial.number)
            mine.set_user_attr("facts", outcome.facts)
            if outcome.reason:
                mine.set_user_attr("reason", outcome.reason)
                self._study.tell(trial.number, state=TrialState.PRUNED)
                return
            names = _objectives(self._settings)
            self._study.tell(trial.number, [outcome.facts["figures"][name] for name in names])

    def abandon(self, tasks: list[Task]) -> None:
        """Give up trials that were not finished; another run replaces them."""
        with self._locked():
            for task in tasks:
                self._fail(self._frozen(task.number))

    def is_finished(self) -> bool:
        """Whether all trials have come to their end."""
        with self._locked():
            return self.count() >= self._settings.total and not any(
                trial.state == TrialState.RUNNING for trial in self._alive_trials()
            )

    def count(self) -> int:
        """Trials that have come to their end, whoever ran them."""
        return len(self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)))

    def trials(self) -> tuple[SweepTrial, ...]:
        """All that have come to their end."""
        ended = self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        return tuple(_plain(trial) for trial in ended)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Within it, a file shows the others that this process is alive."""
        sign = self._folder / _WORKERS / self._me
        sign.touch()
        over = threading.Event()

        def beat() -> None:
            while not over.wait(_BEAT):
                sign.touch()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            sign.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def _identify(self, identity: dict[str, Any]) -> None:
        before = self._study.user_attrs.get("identity")
        if before is None:
            self._study.set_user_attr("identity", identity)
            return
        names = dict.fromkeys([*identity, *before])
        other = next((name for name in names if before.get(name) != identity.get(name)), None)
        if other:
            raise SweepError(
                f"--out must be a new folder or that of the same sweep, got {self._folder} with {_words(other)}"
                f" {before.get(other)} instead of {identity.get(other)}. Choose another folder, or replace it with"
                " --force."
            )

    def _alive_trials(self) -> list[FrozenTrial]:
        """Those that count, after failing the ones that a killed process has left behind."""
        trials = self._study.get_trials(deepcopy=False, states=_COUNTED)
        dead = [t for t in trials if t.state == TrialState.RUNNING and self._is_dead(t.user_attrs.get("worker", ""))]
        for trial in dead:
            self._fail(trial)
        return [trial for trial in trials if trial not in dead]

    def _is_dead(self, worker: str) -> bool:
        if worker == self._me:
            return False
        sign = self._folder / _WORKERS / worker
        host, _, number = worker.rpartition("-")[0].rpartition("-")
        if not worker or not sign.exists() or (host == _host() and not _is_running(int(number))):
            return True
        mine = self._folder / _WORKERS / self._me
        mine.touch()  # both times are those of the file system: clocks of machines differ
        return mine.stat().st_mtime - sign.stat().st_mtime > _DEAD

    def _fail(self, trial: FrozenTrial) -> None:
        if trial.state == TrialState.RUNNING:
            self._study.tell(trial.number, state=TrialState.FAIL)
            shutil.rmtree(self._folder / TRIALS / f"{trial.number:04d}", ignore_errors=True)

    def _search(self, yardstick: FrozenTrial, trials: list[FrozenTrial], *, may_give_up: bool) -> Task:
        facts = _facts(yardstick)
        reference = Reference(facts["lost"], facts["figures"]["squared_norm"], facts["noise_unit"])
        low, high = self._settings.bounds(reference)
        taken = {_weight(trial) for trial in trials}
        failed = [_weight(trial) for trial in self._study.get_trials(deepcopy=False, states=(TrialState.FAIL,))]
        planned = [*(weight for weight in failed if weight), *self._settings.starts(low, high)]
        weight = next((weight for weight in planned if weight not in taken), None)
        return self._take(weight, may_give_up=may_give_up, bounds=(low, high))

    def _take(self, weight: float | None, *, may_give_up: bool, bounds: tuple[float, float] | None = None) -> Task:
        """A trial of that weight; None leaves it to the sampler."""
        number = len(self._study.get_trials(deepcopy=False))
        # made anew for every trial: what it proposes follows from the trials before, not from when the process began
        sampler = TPESampler(seed=self._settings.run.seed * 10_007 + number, n_startup_trials=4)
        self._study.sampler = sampler if weight is None else _Planned(weight)
        trial = self._study.ask()
        trial.set_user_attr("worker", self._me)
        if bounds is not None:
            weight = trial.suggest_float("weight", *bounds, log=True)
        assert weight is not None
        trial.set_user_attr("weight", weight)
        self._mine[trial.number] = trial
        return Task(trial.number, weight, may_give_up)

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]


def _objectives(settings: SweepSettings) -> tuple[str, ...]:
    return ("error", "sensitivity", "accuracy") if settings.accuracy else ("error", "sensitivity")


def _plain(trial: FrozenTrial) -> SweepTrial:
    facts = _facts(trial)
    pruned = trial.state == TrialState.PRUNED
    return SweepTrial(
        number=trial.number,
        weight=_weight(trial),
        state=PRUNED if pruned else COMPLETE,
        reason=trial.user_attrs.get("reason", ""),
        figures=facts.get("figures", {}),
        spread=facts.get("spread", {}),
        test=facts.get("test", {}),
        seconds=facts.get("seconds", 0.0),
        warnings=tuple(facts.get("warnings", ())),
    )


def _facts(trial: FrozenTrial) -> dict[str, Any]:
    return trial.user_attrs.get("facts", {})


def _weight(trial: FrozenTrial) -> float:
    return trial.user_attrs.get("weight", -1.0)


def _words(name: str) -> str:
    return {"checksum": "data of checksum", "seed": "seed"}.get(name, f"{name.replace('_', ' ')}")


def _host() -> str:
    """This machine; a container that shares its name has other process numbers."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return platform.node() + "".join(character for character in space if character.isdigit())


def _is_running(number: int) -> bool:
    """Whether this machine has such a process; on Windows always true, so that only the signs of life count."""
    if sys.platform == "win32":
        return True  # there os.kill does not ask: it ends the process
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
