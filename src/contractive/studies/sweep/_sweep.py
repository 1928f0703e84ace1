"""Search the weight of a penalty: reconstruction error against sensitivity, the Pareto front and its knee."""

import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from contractive.data import Split
from contractive.objectives import OBJECTIVES
from contractive.studies.documents import DataFacts, versions
from contractive.studies.metrics import METRICS
from contractive.studies.runs import AutoencoderRun, open_run
from contractive.studies.side_by_side import SWEPT, ShownSections, similarity_of
from contractive.studies.sweep._pareto import knee, pareto_front
from contractive.studies.sweep._results import BEST, Sweep, SweepTrial
from contractive.studies.sweep._settings import SweepSettings
from contractive.studies.sweep._store import TrialStore
from contractive.studies.sweep._trial import Task, run_trial
from contractive.studies.trials import in_parallel

ProgressCallback = Callable[[str, int, int], None]
_LOOK_AGAIN = 0.5  # seconds, where another process is waited for
_SHOWN_ROWS = 2000


def sweep(
    split: Split,
    settings: SweepSettings,
    out: str | Path,
    *,
    command: str = "",
    force: bool = False,
    on_progress: ProgressCallback = lambda what, done, total: None,
) -> Sweep:
    """Train one autoencoder per weight into `out` and find the weights that no other beats, and their knee.

    Trials are judged by the validation reconstruction error and the validation scale-free sensitivity, and with
    `settings.accuracy` by a linear probe's validation accuracy. Trial 0 is the unpenalised model. The folder remembers
    every trial: the same call resumes an interrupted sweep, and several processes or machines may work on one folder at
    a time. Writes `sweep.json`, `sweep.csv`, `sweep.npz` (of models side by side), a run per trial under `trials/` and
    the run of the knee as `best/`.

    Args:
        split: Data; test rows are only measured.
        settings: What to vary and how.
        out: The folder.
        command: The command that repeats the sweep, kept with the results.
        force: Replace another sweep that is in the folder.
        on_progress: Called after every trial with a description, the number of trials done and their total.

    Raises:
        ModuleNotFoundError: Optuna, which proposes weights, is not installed.
        InvalidValue: Settings that do not fit the data, or a folder that cannot be used for it.
        TrainingDiverged: The unpenalised model itself diverged.
    """
    out = Path(out)
    settings = settings.completed(split)
    if settings.weights is None:
        try:
            import optuna  # noqa: F401
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                "optuna must be installed for a sweep, got none. Run: pip install 'contractive[search]'", name="optuna"
            ) from error
    store = TrialStore(out, settings, split, force=force)
    with store.ledger.at_work():
        try:
            work = partial(run_trial, split=split, settings=settings, folder=out, command=command)
            _run(store, settings, work, on_progress)
        except BaseException:
            store.abandon()
            raise
    trials = store.trials()
    front, best = front_and_knee(trials, settings.judged)
    chosen = replace(settings, trials=max(2, len(trials)))
    found = Sweep(DataFacts.of(split), chosen, trials, front, best, versions("lightning"), command)
    _keep_best(found, out)
    on_progress("the models side by side", len(trials), len(trials))
    models = {name: open_run(out / trial.folder, AutoencoderRun).model() for name, trial in found.shown.items()}
    sections = {name: ShownSections.of(model, split, SWEPT, _SHOWN_ROWS) for name, model in models.items()}
    sections = {name: shown for name, shown in sections.items() if shown.by_name()}
    found = replace(found, sections=sections, similarity=similarity_of(sections))
    found.write(out)
    return found


def _run(
    store: TrialStore, settings: SweepSettings, work: Callable[[Task], SweepTrial], on_progress: ProgressCallback
) -> None:
    """Claim and run trials until there are enough, waiting for those of other processes."""
    weight_name = OBJECTIVES[settings.objective].weight_name
    on_progress("the model without a penalty first", len(store.trials()), settings.total)
    with in_parallel(settings.jobs) as run:
        while True:
            tasks = []
            while len(tasks) < settings.jobs and (task := store.claim()) is not None:
                tasks.append(task)
            if not tasks:
                if store.is_finished():
                    return
                on_progress("waiting for trials of another process", len(store.trials()), settings.total)
                time.sleep(_LOOK_AGAIN)
            for trial in run(work, tasks):
                store.finish(trial)
                shown = (f"{METRICS[key].label} {trial.metrics[key]:.4g}" for key in settings.judged if trial.metrics)
                what = f"{weight_name} {trial.weight:.3g}: {'pruned' if trial.reason else ', '.join(shown)}"
                on_progress(what, len(store.trials()), settings.total)


def front_and_knee(trials: tuple[SweepTrial, ...], judged: tuple[str, ...]) -> tuple[tuple[int, ...], int]:
    """Return the complete trials that no other beats in every metric, by error, and their knee, all by number."""
    complete = [trial for trial in trials if not trial.reason]
    # all are to be small: of an accuracy, the share of mistakes
    values = np.array(
        [
            [1 - trial.metrics[key] if METRICS[key].better == "higher" else trial.metrics[key] for key in judged]
            for trial in complete
        ]
    )
    chosen = np.flatnonzero(pareto_front(values))
    chosen = chosen[np.argsort(values[chosen, 0], kind="stable")]
    return tuple(complete[at].number for at in chosen), complete[chosen[knee(values[chosen])]].number


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
