"""Train several objectives on the same split with the same network and training, and measure them alike."""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from contractive import training
from contractive.data import Split
from contractive.models import Autoencoder
from contractive.objectives import LOSSES, OBJECTIVES, Reference
from contractive.studies.compare._results import Fit, ObjectiveResult, Results
from contractive.studies.compare._search import Search
from contractive.studies.compare._settings import CompareSettings
from contractive.studies.documents import DataFacts, versions
from contractive.studies.metrics import (
    NOISE_LEVELS,
    Labelled,
    Subject,
    components_of,
    measure,
    measure_components,
    noise_unit,
)
from contractive.studies.side_by_side import ShownSections, similarity_of
from contractive.studies.trials import in_parallel
from contractive.training import CollapseWarning, TrainingDiverged

ProgressCallback = Callable[[str, int, int], None]
_FEWEST_PER_CLASS = 5
_FILTERS = 32
_DISTRIBUTION_ROWS = 1000


def compare(
    split: Split,
    settings: CompareSettings,
    *,
    command: str = "",
    on_progress: ProgressCallback = lambda what, done, expected: None,
    on_results: Callable[[Results], object] = lambda results: None,
) -> Results:
    """Train and measure every objective.

    The standard model of the first seed comes first: the allowed error is relative to its own. The weight of each other
    objective is searched with the same seed on validation data; then all seeds are trained. Test data are only
    measured.

    Args:
        split: Training, validation and test rows.
        settings: What to compare and how.
        command: The command that repeats the comparison, kept with the results.
        on_progress: Called after every fit with a description, the number of fits done and the number expected.
        on_results: Called with the results so far whenever an objective is finished.
    """
    began = time.perf_counter()
    if split.labels is not None:
        labels = split.labels[0]
        rare = len(np.unique(labels)) > max(2, len(labels) // _FEWEST_PER_CLASS)
        if labels.dtype.kind == "f" or rare:  # amounts or names: nothing can be classified by them
            split = replace(split, labels=None)
    settings = settings.completed(split)
    schedule = _Schedule(split, settings)
    linear, seed = components_of(split, settings.network.size), settings.training.seed
    components = measure_components(linear, split, split.test, seed=seed, labelled=_labelled(split))

    def results() -> Results:
        found = map(schedule.result, settings.trained)
        objectives = tuple(each for each in found if len(each.seeds) == settings.seeds)
        return Results(
            data=DataFacts.of(split),
            settings=settings,
            objectives=objectives,
            noise_levels=(0.0, *NOISE_LEVELS),
            versions=versions("lightning", "scikit-learn"),
            seconds=time.perf_counter() - began,
            command=command,
            examples=examples(split),
            similarity=similarity_of({each.name: each.first.sections for each in objectives}),
            components=components,
        )

    with in_parallel(settings.jobs) as run:
        waiting = schedule.begin()
        while waiting:
            # searches are the longest chain: meanwhile only as many other fits as the workers have room for
            trials, others = ([fit for fit in waiting if fit.trial is wanted] for wanted in (True, False))
            room = -len(trials) % settings.jobs if trials else len(others)
            waiting = others[room:]
            for fit in run(partial(train, split=split, settings=settings), trials + others[:room]):
                waiting += schedule.next(fit)
                if not fit.trial and len(schedule.result(fit.objective).seeds) == settings.seeds:
                    on_results(results())
                record = OBJECTIVES[fit.objective]
                weight = f", {record.weight_name} {fit.weight:.3g}" if record.weight_name else ""
                text = f"{record.label}{weight}, seed {fit.seed}: validation error {fit.error:.4g}"
                on_progress(text, schedule.done, schedule.expected())
    return results()


class _Schedule:
    """The fits done so far, and those that follow from one of them."""

    def __init__(self, split: Split, settings: CompareSettings) -> None:
        self._settings = settings
        self._noise_unit = noise_unit(split)
        loss, x = LOSSES[settings.loss], torch.from_numpy(split.validation)
        self._floor = float(loss(x, x).mean())  # of a perfect reconstruction: 0, but for the cross-entropy
        self._searches: dict[str, Search] = {}
        self._trials: dict[tuple[str, float], Fit] = {}
        self._found: dict[tuple[str, int], Fit] = {}
        self.done = 0
        self._together = min(settings.jobs, settings.seeds)  # seeds of the standard model that are trained at first

    def begin(self) -> list[Fit]:
        """Return the fit that all searches wait for, and other seeds of it for the workers that would wait, too."""
        return [Fit("standard", 0.0, self._settings.training.seed + more) for more in range(self._together)]

    def next(self, fit: Fit) -> list[Fit]:
        """Record a fit and return those that waited for it."""
        name, first = fit.objective, fit.seed == self._settings.training.seed
        if fit.trial:
            self.done += 1
            self._trials[name, fit.weight] = fit
            # a collapsed or diverged model is never within the allowed error, however small its error is
            error = math.inf if fit.warnings else fit.error - self._floor
            self._searches[name].add(fit.weight, error, diverged=not fit.history)
            return self._try(name)
        self._found[name, fit.seed] = fit
        self.done += not (first and name in self._searches)  # measuring a trial is no further fit
        if not first:
            return []
        begun = self._together if name == "standard" else 1
        following = [Fit(name, fit.weight, fit.seed + more) for more in range(begun, self._settings.seeds)]
        if name == "standard":
            reference = Reference(fit.error - self._floor, fit.history[-1]["val_squared_norm"], self._noise_unit)
            for other in self._settings.trained[1:]:
                if self._settings.searched(other):
                    increase = self._settings.max_error_increase
                    self._searches[other] = Search(OBJECTIVES[other], increase, reference)
                    following += self._try(other)
                else:
                    following.append(Fit(other, self._settings.weights.get(other, 0.0), fit.seed))
        return following

    def _try(self, name: str) -> list[Fit]:
        """The next trial of a search, or at its end the chosen one, to be measured."""
        search = self._searches[name]
        weight = search.next()
        if weight is None:
            return [replace(self._trials[name, search.chosen], trial=False)]
        return [Fit(name, weight, self._settings.training.seed, trial=True)]

    def expected(self) -> int:
        """Fits in all; a search that still runs is taken to need three trials, or one more than it had."""
        total = len(self._settings.trained) * self._settings.seeds
        for name in filter(self._settings.searched, self._settings.trained):
            search = self._searches.get(name)
            tried = len(search.trials) if search else 0
            over = search is not None and tried and search.next() is None
            total += (tried if over else max(3, tried + 1)) - 1
        return max(total, self.done)

    def result(self, name: str) -> ObjectiveResult:
        """Return all fits of one objective."""
        fits = tuple(fit for (owner, _), fit in sorted(self._found.items()) if owner == name)
        return ObjectiveResult(name, fits, tuple(self._searches[name].trials) if name in self._searches else ())


def train(task: Fit, split: Split, settings: CompareSettings) -> Fit:
    """Train on the training rows unless that is done, and measure on the test rows unless it is a trial."""
    torch.manual_seed(task.seed)
    autoencoder = settings.network.build(split.features, split.image_shape)
    if task.state:
        autoencoder.load_state_dict({name: torch.from_numpy(array) for name, array in task.state.items()})
        return _measured(task, autoencoder.eval(), split, settings)
    objective = OBJECTIVES[task.objective].make(task.weight, loss=LOSSES[settings.loss])
    options = replace(settings.training, seed=task.seed).options()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CollapseWarning)  # table and report have the sentence
            history = training.fit(
                autoencoder, split.train, objective, validation=split.validation, progress=False, **options
            )
    except TrainingDiverged as error:
        if not task.trial:
            raise
        return replace(task, warnings=(str(error),))
    task = replace(
        task,
        state={name: tensor.numpy().copy() for name, tensor in autoencoder.state_dict().items()},
        history=tuple(map(dict, history.rows)),
        warnings=history.warnings,
        penalty_path=history.penalty_path,
    )
    return task if task.trial else _measured(task, autoencoder, split, settings)


def _measured(task: Fit, autoencoder: Autoencoder, split: Split, settings: CompareSettings) -> Fit:
    generator = torch.Generator().manual_seed(task.seed)
    subject = Subject(autoencoder, torch.from_numpy(split.test), noise_unit(split), generator, _labelled(split))
    metrics = measure(subject)
    metrics["seconds_per_epoch"] = float(np.median([row["seconds"] for row in task.history]))
    accuracies = subject.accuracies if "probe_accuracy" in metrics else {}
    if task.seed != settings.training.seed:
        return replace(task, metrics=metrics, arrays=accuracies, state={})
    clean, noisy = map(torch.from_numpy, examples(split).values())
    first = next(autoencoder.encoder.parameters()).detach()
    with torch.no_grad():
        arrays = {"reconstructions": autoencoder(clean).numpy(), "noisy_reconstructions": autoencoder(noisy).numpy()}
    if "sensitivity" in metrics:
        arrays["sensitivity"] = subject.sensitivity.ratios[:_DISTRIBUTION_ROWS].numpy()
    if "operator_norm" in metrics:
        arrays["operator_norm"] = subject.norms.operator.numpy()
    if first.ndim == 2:  # not of a convolution, whose filters are no pictures of rows
        arrays["filters"] = first[:_FILTERS].numpy().copy()
    sections = ShownSections.of(autoencoder, split)
    return replace(task, metrics=metrics, arrays=arrays | accuracies, sections=sections)


def _labelled(split: Split) -> Labelled | None:
    return (split.train, split.labels[0], split.labels[2]) if split.labels is not None else None


def examples(split: Split) -> dict[str, np.ndarray]:
    """Return up to ten test rows, one of each label where there are labels, and the same with noise of level 1."""
    rows = split.test[:10]
    if split.labels is not None:
        _, first = np.unique(split.labels[2], return_index=True)
        rows = split.test[first[:10]]
    noise = torch.randn(rows.shape, generator=torch.Generator().manual_seed(0))
    return {"inputs": rows, "noisy_inputs": (torch.from_numpy(rows) + noise_unit(split) * noise).numpy()}
