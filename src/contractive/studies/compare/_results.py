"""Results of a comparison: typed, on disk, and as a table."""

from dataclasses import dataclass, field
from math import inf, nan
from typing import ClassVar

import numpy as np

from contractive.analysis import SimilarityTable
from contractive.objectives import OBJECTIVES
from contractive.studies.compare._search import SearchTrial
from contractive.studies.compare._settings import CompareSettings
from contractive.studies.documents import Cell, DataFacts, StudyResult
from contractive.studies.metrics import METRICS
from contractive.studies.side_by_side import ShownSections


@dataclass(frozen=True)
class Fit:
    """One objective at one weight from one seed; what is empty was not trained or not measured.

    `arrays` are the accuracies by noise level, `probe` and `knn`. The fit of the first seed also has `sections`, and
    the arrays `sensitivity` and `operator_norm` per test row, `reconstructions`, `noisy_reconstructions` and `filters`.
    """

    objective: str
    weight: float  # its weight; 0 without one
    seed: int
    trial: bool = False  # whether it is a trial of a search, which is not measured on test data
    metrics: dict[str, float] = field(default_factory=dict)  # on test data, by key of `METRICS`
    history: tuple[dict[str, float], ...] = ()  # rows per epoch, as of `History`; empty where training diverged
    warnings: tuple[str, ...] = ()
    penalty_path: str = ""  # how the Jacobian norm was computed in training
    sections: ShownSections = field(default_factory=ShownSections, repr=False)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    state: dict[str, np.ndarray] = field(default_factory=dict, repr=False)  # weights of the first seed's network

    @property
    def error(self) -> float:
        """Validation reconstruction error at the end; infinite where training diverged."""
        return self.history[-1]["val_reconstruction"] if self.history else inf


@dataclass(frozen=True)
class ObjectiveResult:
    """All fits of one objective."""

    name: str
    seeds: tuple[Fit, ...]  # one fit per seed
    search: tuple[SearchTrial, ...] = ()  # fits that searched the weight; empty where it was fixed

    @property
    def first(self) -> Fit:
        """The fit of the first seed, which pictures are made of."""
        return self.seeds[0]

    @property
    def weight(self) -> float | None:
        """Its weight; None without one."""
        return None if self.name in OBJECTIVES and not OBJECTIVES[self.name].weight_name else self.first.weight

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about any of the fits, each with its seed."""
        return tuple(sorted({f"seed {fit.seed}: {text}" for fit in self.seeds for text in fit.warnings}))

    def mean(self, key: str) -> float:
        """Return the mean of a metric over the seeds; NaN where it is missing."""
        return float(np.mean([fit.metrics.get(key, nan) for fit in self.seeds]))

    def sd(self, key: str) -> float | None:
        """Return its standard deviation over the seeds; None with one seed."""
        with np.errstate(invalid="ignore"):  # infinite, of a code that does not vary
            values = [fit.metrics.get(key, nan) for fit in self.seeds]
            return float(np.std(values, ddof=1)) if len(values) > 1 else None


@dataclass(frozen=True, repr=False)
class Results(StudyResult):
    """A finished comparison."""

    kind: ClassVar[str] = "comparison"
    file: ClassVar[str] = "results"

    data: DataFacts
    settings: CompareSettings  # completed
    objectives: tuple[ObjectiveResult, ...]  # in the order asked for, the standard one first
    noise_levels: tuple[float, ...]  # levels at which accuracy was measured, from 0
    versions: dict[str, str]  # of the packages that the numbers depend on
    seconds: float  # wall-clock time of all
    command: str = ""  # the command that repeats it; empty in Python
    examples: dict[str, np.ndarray] = field(default_factory=dict)  # test rows: `inputs`, `noisy_inputs`
    similarity: SimilarityTable | None = None  # how alike the codes of the first seed's models are
    components: dict[str, float] = field(default_factory=dict)  # metrics of as many principal components

    def __getitem__(self, name: str) -> ObjectiveResult:
        """Return the result of an objective by its name."""
        return {result.name: result for result in self.objectives}[name]

    @property
    def keys(self) -> list[str]:
        """The metrics that were measured of any fit, in the order of `METRICS`."""
        found = {key for result in self.objectives for fit in result.seeds for key in fit.metrics}
        return [key for key in METRICS if key in found]

    def table(self) -> tuple[list[str], list[list[Cell]]]:
        """Return one row per objective and seed, and that of principal components, named `pca`."""
        rows: list[list[Cell]] = [
            [result.name, result.weight, fit.seed, *(fit.metrics.get(key) for key in self.keys)]
            for result in self.objectives
            for fit in result.seeds
        ]
        if self.components:
            rows.append(["pca", None, None, *(self.components.get(key) for key in self.keys)])
        return ["objective", "weight", "seed", *self.keys], rows

    def __repr__(self) -> str:
        errors = ", ".join(f"{o.name} {o.mean('reconstruction_error'):.3g}" for o in self.objectives)
        return f"<Results on {self.data.name}, {self.settings.seeds} seed(s), reconstruction error: {errors}>"
