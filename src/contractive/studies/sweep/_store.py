"""The trials of a sweep, shared by all processes and machines that work on one folder, and which one comes next."""

import shutil
from pathlib import Path

from contractive.core.errors import InvalidValue
from contractive.core.files import is_temporary
from contractive.data import Split
from contractive.studies.metrics import METRICS
from contractive.studies.sweep._results import BEST, TRIALS, Sweep, SweepTrial
from contractive.studies.sweep._settings import SweepSettings
from contractive.studies.sweep._trial import Task
from contractive.studies.trials import Ledger, Trial

_LEDGER = "trials"


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
        self._mine: set[int] = set()
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
            number = self.ledger.begin(repr(weight))
            self._mine.add(number)
            return Task(number, weight, may_prune=baseline is not None and baseline.learned_early)

    def finish(self, trial: SweepTrial) -> None:
        """Write down the result of a trial, unless the trial was given to another process."""
        self._mine.discard(trial.number)
        self.ledger.finish(trial.number, trial)

    def abandon(self) -> None:
        """Give up the trials that this process has begun and not finished; others replace them."""
        with self.ledger.lock:
            running = {n for n, trial in enumerate(self.ledger.trials) if trial.state == "running"}
            self._give_up(self._mine & running)

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
        self._give_up({number for number, trial in running if self.ledger.is_dead(trial.worker)})
        return [trial for trial in self.ledger.trials if trial.state != "failed"]

    def _give_up(self, numbers: set[int]) -> None:
        if numbers:
            self.ledger.give_up(numbers)
        for number in numbers:
            shutil.rmtree(self._folder / TRIALS / f"{number:04d}", ignore_errors=True)

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
