"""Search the weight of a penalty: reconstruction error against sensitivity, the Pareto front and its knee."""

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from contractive.core.errors import InvalidValue
from contractive.core.files import is_temporary
from contractive.data import Split
from contractive.objectives import OBJECTIVES
from contractive.studies.documents import DataFacts, versions
from contractive.studies.metrics import METRICS, components_of, measure_components, probe_accuracies
from contractive.studies.runs import AutoencoderRun, open_run
from contractive.studies.side_by_side import SWEPT, ShownSections, similarity_of
from contractive.studies.sweep._results import BEST, TRIALS, Sweep, SweepTrial, front_and_knee
from contractive.studies.sweep._settings import SweepSettings
from contractive.studies.sweep._trial import Task, run_trial
from contractive.studies.trials import Ledger, Trial, in_parallel

ProgressCallback = Callable[[str, int, int], None]
_LEDGER = "trials"
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
        work = partial(run_trial, split=split, settings=settings, folder=out, command=command)
        _run(store, settings, work, on_progress)
    trials = store.trials()
    front, best = front_and_knee(trials, settings.judged)
    chosen = replace(settings, trials=max(2, len(trials)))
    components = _components(split, settings)
    found = Sweep(DataFacts.of(split), chosen, trials, front, best, versions("lightning"), command, components)
    with store.ledger.lock:
        _keep_best(found, out)
    on_progress("the models side by side", len(trials), len(trials))
    models = {name: open_run(out / trial.folder, AutoencoderRun).model() for name, trial in found.shown.items()}
    sections = {name: ShownSections.of(model, split, SWEPT, _SHOWN_ROWS) for name, model in models.items()}
    sections = {name: shown for name, shown in sections.items() if shown.by_name()}
    found = replace(found, sections=sections, similarity=similarity_of(sections))
    found.write(out)
    return found


def _components(split: Split, settings: SweepSettings) -> dict[str, dict[str, float]]:
    """Return the metrics of as many principal components as the code has numbers, by part."""
    linear = components_of(split, settings.run.network.size)
    parts = {"validation": split.validation, "test": split.test}
    found = {name: measure_components(linear, split, rows) for name, rows in parts.items()}
    if settings.accuracy:
        accuracies = probe_accuracies(linear, split)
        for values, accuracy in zip(found.values(), accuracies, strict=True):
            values["probe_accuracy"] = accuracy
    return found


def _run(
    store: "TrialStore", settings: SweepSettings, work: Callable[[Task], SweepTrial], on_progress: ProgressCallback
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
                store.ledger.finish(trial.number, trial)
                shown = (f"{METRICS[key].label} {trial.metrics[key]:.4g}" for key in settings.judged if trial.metrics)
                what = f"{weight_name} {trial.weight:.3g}: {'pruned' if trial.reason else ', '.join(shown)}"
                on_progress(what, len(store.trials()), settings.total)


class TrialStore:
    """The ledger of a sweep, whose keys are weights, and one lock around every decision on it.

    Args:
        folder: Of the sweep.
        settings: Completed.
        split: The data.
        force: Replace another sweep in the folder.

    Raises:
        InvalidValue: A folder with other files, or with another sweep.
    """

    def __init__(self, folder: Path, settings: SweepSettings, split: Split, *, force: bool = False) -> None:
        if folder.exists() and not folder.is_dir():
            raise InvalidValue("out", "be a folder", f"the file {folder}", "Choose another name.")
        own = {f"{_LEDGER}.lock", TRIALS}  # a process that has just begun has made these
        if folder.is_dir() and not (folder / f"{_LEDGER}.json").exists():
            if any(path.name not in own and not is_temporary(path) for path in folder.iterdir()):
                raise InvalidValue("out", "be a new or empty folder", f"{folder} with other files", "Choose another.")
        (folder / TRIALS).mkdir(parents=True, exist_ok=True)
        self._folder, self._settings = folder, settings
        self.ledger = Ledger(folder / f"{_LEDGER}.json", settings.identity(split), SweepTrial, force=force)
        if force:
            for name in (TRIALS, BEST):
                shutil.rmtree(folder / name, ignore_errors=True)
            for name in (*(f"{Sweep.file}.{end}" for end in ("json", "csv", "npz")), "report.html"):
                (folder / name).unlink(missing_ok=True)
            (folder / TRIALS).mkdir()

    def claim(self) -> Task | None:
        """Begin the next trial; None if there is none at present."""
        with self.ledger.lock:
            alive = self._alive()
            if len(alive) >= self._settings.total:
                return None
            taken = {float(trial.key) for trial in alive}
            baseline = next((trial.result for trial in alive if float(trial.key) == 0), None)
            if baseline is None:
                weight = None if 0.0 in taken else 0.0  # all others depend on it
            elif self._settings.weights is not None:
                weight = next(weight for weight in self._settings.weights if weight not in taken)
            else:
                weight = self._searched(baseline, taken)
            if weight is None:
                return None
            may_prune = baseline is not None and baseline.learned_early
            return Task(self.ledger.begin(repr(weight)), weight, may_prune)

    def is_finished(self) -> bool:
        """Return whether all trials have come to their end."""
        with self.ledger.lock:
            return len(self.trials()) >= self._settings.total and all(t.state == "finished" for t in self._alive())

    def trials(self) -> tuple[SweepTrial, ...]:
        """Return those that have come to their end, whoever ran them."""
        return tuple(trial.result for trial in self.ledger.trials if trial.result is not None)

    def _alive(self) -> list[Trial[SweepTrial]]:
        """The trials that count, after giving up those of dead processes."""
        running = [(n, trial) for n, trial in enumerate(self.ledger.trials) if trial.state == "running"]
        for number in [number for number, trial in running if self.ledger.is_dead(trial.worker)]:
            self.ledger.give_up(number)
            shutil.rmtree(self._folder / TRIALS / f"{number:04d}", ignore_errors=True)
        return [trial for trial in self.ledger.trials if trial.state != "failed"]

    def _searched(self, baseline: SweepTrial, taken: set[float]) -> float:
        """The next weight of a search: one that was given up, one of the starts, or what Optuna proposes."""
        assert baseline.reference is not None
        low, high = self._settings.bounds(baseline.reference)
        failed = [float(trial.key) for trial in self.ledger.trials if trial.state == "failed"]
        planned = [*(weight for weight in failed if weight), *self._settings.starts(low, high)]
        return next((weight for weight in planned if weight not in taken), None) or self._proposed(low, high)

    def _proposed(self, low: float, high: float) -> float:
        """The proposal of Optuna's multi-objective TPE sampler, by the trials so far."""
        import optuna

        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it reports every study
        judged = self._settings.judged
        # made anew for every trial: a proposal depends on the trials before, not on when the process began
        seed = self._settings.run.training.seed * 10_007 + len(self.ledger.trials)
        study = optuna.create_study(
            directions=["maximize" if METRICS[key].better == "higher" else "minimize" for key in judged],
            sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=4),
        )
        range_ = optuna.distributions.FloatDistribution(low, high, log=True)
        for trial in self.trials():
            study.add_trial(
                optuna.trial.create_trial(
                    state=optuna.trial.TrialState.PRUNED if trial.reason else optuna.trial.TrialState.COMPLETE,
                    values=None if trial.reason else [trial.metrics[key] for key in judged],
                    params={"weight": trial.weight} if trial.weight else {},
                    distributions={"weight": range_} if trial.weight else {},
                )
            )
        weight = study.ask().suggest_float("weight", low, high, log=True)
        optuna.logging.set_verbosity(level)
        return weight


def _keep_best(found: Sweep, out: Path) -> None:
    """Copy the run of the knee to `best`: at any time there is none, the old or the new one, whole.

    One process at a time does so: what another has left behind is that of a dead one.
    """
    fresh, old = out / f".{BEST}-new", out / f".{BEST}-old"
    for left in out.glob(f".{BEST}-*"):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(out / found.best.folder, fresh)
    with suppress(FileNotFoundError):
        (out / BEST).rename(old)
    fresh.rename(out / BEST)
    shutil.rmtree(old, ignore_errors=True)
