"""Search the weight of a penalty: what each costs in reconstruction, what it buys in steadiness, and the knee."""

import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from contractive.data import Split
from contractive.studies.compare._workers import workers
from contractive.studies.documents import plain
from contractive.studies.sweep._pareto import knee, pareto_front
from contractive.studies.sweep._sweep_models import with_models
from contractive.studies.sweep._sweep_results import BEST, COMPLETE, TRIALS, Sweep, SweepTrial, write_sweep
from contractive.studies.sweep._sweep_settings import SweepSettings

if TYPE_CHECKING:
    from contractive.studies.sweep._sweep_ledger import Ledger
    from contractive.studies.sweep._sweep_worker import Outcome, Task

SweepWatcher = Callable[[str, int, int], None]
_PACKAGES = ("contractive", "torch", "lightning", "optuna", "numpy")
_LOOK_AGAIN = 0.5  # seconds, where another process is waited for


def sweep(
    split: Split,
    settings: SweepSettings,
    out: str | Path,
    *,
    command: str = "",
    force: bool = False,
    watch: SweepWatcher = lambda what, done, total: None,
) -> Sweep:
    """Train one autoencoder per weight into `out` and find the weights that no other beats, and their knee.

    Objectives are the validation reconstruction error and the validation scale-free sensitivity, and with
    `settings.accuracy` a linear probe's validation accuracy. Trial 0 is the unpenalised model. The folder remembers
    every trial: the same call goes on where it was broken off, and several processes or machines may work on one
    folder at a time. Writes `sweep.json`, `sweep.csv`, `sweep.npz` (of models side by side),
    a run per trial under `trials/` and the knee's run as `best/`.

    Args:
        split: Data; test rows are only measured.
        settings: What to vary and how.
        out: The folder.
        command: That repeats the sweep, kept likewise.
        force: Replace another sweep that is in the folder.
        watch: Called after every trial with what was done, the number of trials done and their total.

    Raises:
        ModuleNotFoundError: Optuna is not installed.
        SweepError: A folder that cannot be used for it.
        ValueError: Settings that do not fit the data.
        TrainingDiverged: The unpenalised model itself diverged.
    """
    ledger_of = _ledger_class()
    out = Path(out)
    settings = settings.completed(split)
    things = {"split": split, "settings": settings, "command": command, "folder": out / TRIALS}
    with _quiet_optuna():
        ledger = ledger_of(out, settings, settings.identity(split), force=force)
        with ledger.at_work():
            claimed: dict[int, Task] = {}
            try:
                with workers(settings.jobs, things) as executor:
                    _work(ledger, settings, executor, claimed, watch)
            except BaseException:
                ledger.abandon(list(claimed.values()))
                raise
        found = _found(ledger.trials(), split, settings, command)
    _keep_best(found, out)
    watch("the models side by side", len(found.trials), len(found.trials))
    found = with_models(found, split, out)
    write_sweep(found, out)
    return found


def _work(
    ledger: "Ledger", settings: SweepSettings, executor: Executor, claimed: "dict[int, Task]", watch: SweepWatcher
) -> None:
    """Claim and run trials until there are enough, waiting for those of other processes."""
    from contractive.studies.sweep._sweep_worker import run_trial

    running: set[Future[Outcome]] = set()
    watch("the model without a penalty first", ledger.count(), settings.total)
    while True:
        while len(running) < settings.jobs and (task := ledger.claim()) is not None:
            claimed[task.number] = task
            running.add(executor.submit(run_trial, task))
        if not running:
            if ledger.is_finished():
                return
            watch("waiting for trials of another process", ledger.count(), settings.total)
            time.sleep(_LOOK_AGAIN)
            continue
        done, running = wait(
            running, timeout=_LOOK_AGAIN if len(running) < settings.jobs else None, return_when=FIRST_COMPLETED
        )
        for outcome in (future.result() for future in done):
            ledger.finish(outcome)
            del claimed[outcome.task.number]
            watch(_describe(outcome), ledger.count(), settings.total)


def _describe(outcome: "Outcome") -> str:
    weight = f"weight {outcome.task.weight:.3g}"
    if outcome.reason:
        return f"{weight}: pruned"
    figures = outcome.facts["figures"]
    return f"{weight}: error {figures['error']:.4g}, sensitivity {figures['sensitivity']:.3g}"


def _found(trials: tuple[SweepTrial, ...], split: Split, settings: SweepSettings, command: str) -> Sweep:
    front, best = front_and_knee(trials)
    data = {
        "name": split.name,
        "features": split.features,
        "rows": {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
        "checksum": split.checksum,
    }
    versions = {name: version(name) for name in _PACKAGES}
    chosen = plain({**asdict(settings), "trials": len(trials)})
    return Sweep(data, chosen, trials, front, best, versions, command)


def front_and_knee(trials: tuple[SweepTrial, ...]) -> tuple[tuple[int, ...], int]:
    """Numbers of the complete trials that no other beats in every objective, by error, and of their knee."""
    complete = [trial for trial in trials if trial.state == COMPLETE]
    values = np.array([_values(trial) for trial in complete])
    chosen = np.flatnonzero(pareto_front(values))
    chosen = chosen[np.argsort(values[chosen, 0], kind="stable")]
    return tuple(complete[at].number for at in chosen), complete[chosen[knee(values[chosen])]].number


def _values(trial: SweepTrial) -> list[float]:
    """What is to be small; of an accuracy, the share of mistakes."""
    figures = trial.figures
    mistakes = [1 - figures["accuracy"]] if "accuracy" in figures else []
    return [figures["error"], figures["sensitivity"], *mistakes]


def _keep_best(found: Sweep, out: Path) -> None:
    """Copy the run of the knee to `best`: at any time there is none, the old or the new one, whole."""
    mark = uuid.uuid4().hex[:8]
    fresh, old = out / f".{BEST}-{mark}", out / f".{BEST}-old-{mark}"
    shutil.copytree(out / found.best.folder, fresh)
    try:
        (out / BEST).rename(old)
    except FileNotFoundError:
        pass
    try:
        fresh.rename(out / BEST)
    except OSError:  # another process has just put the same run there
        shutil.rmtree(fresh)
    shutil.rmtree(old, ignore_errors=True)


def _ledger_class() -> "type[Ledger]":
    try:
        from contractive.studies.sweep._sweep_ledger import Ledger
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise ModuleNotFoundError(
            "optuna must be installed for a sweep, got none. Run: pip install 'contractive[search]'", name="optuna"
        ) from error
    return Ledger


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Optuna reports every trial and every wait for a lock; the caller's watcher does that."""
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)
