"""Train several kinds of autoencoder on the same split under the same budget and measure them alike."""

import math
import platform
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from contractive.data import Split
from contractive.objectives import LOSSES, OBJECTIVES, Reference
from contractive.studies.compare._fit import Budget, Run, Task, examples, measured, noisy_examples, train
from contractive.studies.compare._results import FORMAT, Results
from contractive.studies.compare._search import Search
from contractive.studies.compare._side_by_side import class_names, similarities
from contractive.studies.compare._workers import shared, workers
from contractive.studies.metrics import NOISE_LEVELS, noise_unit

_FEWEST_PER_CLASS = 5
Watcher = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Settings:
    """What to compare and how.

    Attributes:
        budget: Network and training, the same for every variant.
        variants: Names from `OBJECTIVES`; the standard one is always trained, as the reference.
        seeds: Number of seeds; each sets weights, order, noise and probes.
        max_error_increase: Allowed relative increase of the validation reconstruction error over the standard
            model's: every variant gets the strongest setting within it (`Search`).
        strengths: Strengths fixed by name instead of searched for.
        jobs: Processes. Above 1 the caller must be importable (`if __name__ == "__main__"`).
    """

    budget: Budget
    variants: tuple[str, ...] = tuple(name for name, record in OBJECTIVES.items() if record.compared)
    seeds: int = 3
    max_error_increase: float = 0.2
    strengths: dict[str, float] = field(default_factory=dict)
    jobs: int = 1

    def __post_init__(self) -> None:
        unknown = [name for name in (*self.variants, *self.strengths) if name not in OBJECTIVES]
        if unknown or not self.variants:
            got = f"{unknown[0]!r}. Check the spelling" if unknown else "none. Name at least one"
            raise ValueError(f"variants must be among {', '.join(OBJECTIVES)}, got {got}.")
        budget = self.budget
        counts = {"seeds": self.seeds, "jobs": self.jobs, "epochs": budget.epochs, "code": budget.code}
        for name, value in (counts | {"batch_size": budget.batch_size}).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}. Leave it out for the default.")
        if any(width < 1 for width in budget.hidden):
            raise ValueError(f"hidden must be widths of at least 1, got {budget.hidden}. For instance 256,128.")
        if not 0 < budget.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be above 0 and finite, got {budget.learning_rate}. Try 1e-3.")
        if not self.max_error_increase > 0:
            raise ValueError(
                f"max_error_increase must be above 0, got {self.max_error_increase}. 0.2 allows 20 % more error."
            )
        unused = [name for name in self.strengths if name not in self.variants]
        if unused:
            raise ValueError(f"a fixed weight must belong to one of the variants, got {unused[0]!r}. Add it to them.")
        for name, value in self.strengths.items():
            if not 0 <= value < float("inf"):
                raise ValueError(f"weight of {name} must be finite and at least 0, got {value}. Try 0.1.")

    @property
    def trained(self) -> tuple[str, ...]:
        """The variants in the order of the table: the standard one, then the others."""
        return tuple(dict.fromkeys(("standard", *self.variants)))


def compare(split: Split, settings: Settings, watch: Watcher = lambda what, done, expected: None) -> Results:
    """Run the comparison.

    The standard model of seed 0 comes first: its error sets the limit. Each other variant's strength is searched with
    seed 0 on validation data; then all seeds are trained. Test data are only measured.

    Args:
        split: Training, validation and test rows.
        settings: What and how.
        watch: Called after every fit with what was done, the number of fits done and the number expected.
    """
    began = time.perf_counter()
    split = _with_classes(split)
    with workers(settings.jobs, {"split": split, "budget": settings.budget}) as executor:
        runs, searches = _Comparison(split, settings, executor, watch).run()
    return _results(split, settings, runs, searches, time.perf_counter() - began)


def _with_classes(split: Split) -> Split:
    """Without labels that are amounts or nearly all different: nothing can be classified by them."""
    if split.labels is None:
        return split
    train = split.labels[0]
    rare = len(np.unique(train)) > max(2, len(train) // _FEWEST_PER_CLASS)
    return replace(split, labels=None) if train.dtype.kind == "f" or rare else split


class _Comparison:
    """The fits still running and what to start when one of them ends."""

    def __init__(self, split: Split, settings: Settings, executor: Executor, watch: Watcher) -> None:
        self.settings = settings
        self._unit = noise_unit(split)
        loss, x = LOSSES[settings.budget.loss], torch.from_numpy(split.validation)
        self._floor = float(loss(x, x).mean())  # of a perfect reconstruction: 0, but for the cross-entropy
        self._executor = executor
        self._watch = watch
        self._waiting: set[Future[Run]] = set()
        self._searches: dict[str, Search] = {}
        self._trials: dict[tuple[str, float], Run] = {}
        self._runs: dict[tuple[str, int], Run] = {}
        self._done = 0

    def run(self) -> tuple[dict[tuple[str, int], Run], dict[str, Search]]:
        """Runs by (variant, seed), and the searches by variant."""
        self._train("standard", 0.0, 0)
        while self._waiting:
            finished, self._waiting = wait(self._waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                self._continue(future.result())
        return self._runs, self._searches

    def _continue(self, run: Run) -> None:
        name, seed = run.task.variant, run.task.seed
        if run.figures:
            self._runs[name, seed] = run
        else:
            self._trials[name, run.task.strength] = run
        if not (seed == 0 and run.figures and name in self._searches):  # measuring a trial is no further fit
            self._done += 1
        self._watch(_describe(run), self._done, self._expected())
        if run.figures and name == "standard" and seed == 0:
            self._begin(run)
        elif not run.figures:
            self._advance(run)

    def _begin(self, standard: Run) -> None:
        """Everything that waited for the reference: further seeds of it, fixed strengths, searches."""
        error = standard.error - self._floor
        reference = Reference(error, standard.rows[-1]["val_squared_norm"], self._unit)
        self._train_seeds("standard", 0.0)
        for name in self.settings.trained:
            if name == "standard":
                continue
            if name in self.settings.strengths:
                self._train(name, self.settings.strengths[name], 0)
                self._train_seeds(name, self.settings.strengths[name])
            else:
                self._searches[name] = Search(OBJECTIVES[name], self.settings.max_error_increase, reference, name)
                self._try_next(name)

    def _advance(self, trial: Run) -> None:
        name = trial.task.variant
        # what has collapsed or diverged is worse than any allowed error increase
        failed = bool(trial.warnings)
        error = math.inf if failed else trial.error - self._floor
        self._searches[name].add(trial.task.strength, error, diverged=not trial.rows)
        self._try_next(name)

    def _try_next(self, name: str) -> None:
        search = self._searches[name]
        strength = search.next()
        if strength is not None:
            self._submit(_train, Task(name, strength, 0, measured=False))
        else:
            self._submit(_measure, self._trials[name, search.chosen])
            self._train_seeds(name, search.chosen)

    def _train_seeds(self, name: str, strength: float) -> None:
        for seed in range(1, self.settings.seeds):
            self._train(name, strength, seed)

    def _train(self, name: str, strength: float, seed: int) -> None:
        self._submit(_train, Task(name, strength, seed, measured=True))

    def _submit(self, work: Callable[[Any], Run], argument: Any) -> None:
        self._waiting.add(self._executor.submit(work, argument))

    def _expected(self) -> int:
        """Fits in all; a search that still runs is taken to need three trials, or one more than it had."""
        total = len(self.settings.trained) * self.settings.seeds
        for name in self.settings.trained:
            if name != "standard" and name not in self.settings.strengths:
                search = self._searches.get(name)
                over = search is not None and search.trials and search.next() is None
                tried = len(search.trials) if search else 0
                total += (tried if over else max(3, tried + 1)) - 1
        return max(total, self._done)


def _describe(run: Run) -> str:
    task = run.task
    strength = f", strength {task.strength:.3g}" if OBJECTIVES[task.variant].weight_name else ""
    return f"{task.variant}{strength}, seed {task.seed}: validation error {run.error:.4g}"


def _train(task: Task) -> Run:
    return train(task, shared["split"], shared["budget"])


def _measure(run: Run) -> Run:
    return measured(run, shared["split"], shared["budget"])


def _results(
    split: Split,
    settings: Settings,
    runs: dict[tuple[str, int], Run],
    searches: dict[str, Search],
    seconds: float,
) -> Results:
    document = {
        "format": FORMAT,
        "data": {
            "name": split.name,
            "features": split.features,
            "image": list(split.image) if split.image else None,
            "labelled": split.labels is not None,
            "classes": class_names(split),
            "rows": {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)},
            "feature_sd": noise_unit(split),
        },
        "settings": asdict(settings),
        "noise_levels": [0.0, *NOISE_LEVELS],
        "versions": {name: version(name) for name in ("contractive", "torch", "lightning", "scikit-learn", "numpy")}
        | {"python": platform.python_version()},
        "seconds": seconds,
        "variants": [_entry(name, settings, runs, searches.get(name)) for name in settings.trained],
    }
    arrays = {
        "inputs": examples(split),
        "noisy_inputs": noisy_examples(torch.from_numpy(examples(split)), noise_unit(split)).numpy(),
    }
    for name in settings.trained:
        arrays |= {f"{name}/{key}": array for key, array in runs[name, 0].arrays.items()}
        arrays |= {f"{name}/weights/{key}": array for key, array in runs[name, 0].weights.items()}
        for curve in ("probe", "knn"):
            if curve in runs[name, 0].arrays:
                stacked = [runs[name, seed].arrays[curve] for seed in range(settings.seeds)]
                arrays[f"{name}/{curve}"] = np.stack(stacked)
    document["similarity"] = similarities(arrays, settings.trained, arrays)
    return Results(document, arrays)


def _trials(search: Search) -> list[dict[str, Any]]:
    """Strengths tried and what they cost; null for a trial that collapsed or diverged."""
    return [{"strength": s, "error_increase": paid if math.isfinite(paid) else None} for s, paid in search.trials]


def _entry(name: str, settings: Settings, runs: dict[tuple[str, int], Run], search: Search | None) -> dict[str, Any]:
    mine = [runs[name, seed] for seed in range(settings.seeds)]
    figures = {key: np.array([run.figures[key] for run in mine]) for key in mine[0].figures}
    return {
        "name": name,
        "strength": mine[0].task.strength if OBJECTIVES[name].weight_name else None,
        "strength_is": OBJECTIVES[name].weight_help,
        "search": _trials(search) if search else None,
        "penalty_path": mine[0].penalty_path,
        "warnings": sorted({f"seed {run.task.seed}: {text}" for run in mine for text in run.warnings}),
        "summary": {
            key: {"mean": float(values.mean()), "sd": float(values.std(ddof=1)) if len(values) > 1 else 0.0}
            for key, values in figures.items()
        },
        "sections": mine[0].sections,
        "seeds": [{"seed": run.task.seed, "figures": run.figures, "history": list(run.rows)} for run in mine],
    }
