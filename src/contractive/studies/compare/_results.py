"""Results of a comparison: typed, on disk, and as a table."""

from dataclasses import dataclass, field
from math import nan
from typing import ClassVar

import numpy as np

from contractive.analysis import SimilarityTable
from contractive.objectives import OBJECTIVES
from contractive.studies.compare._fit import Fit
from contractive.studies.compare._search import SearchTrial
from contractive.studies.compare._settings import CompareSettings
from contractive.studies.documents import Cell, DataFacts, StudyResult
from contractive.studies.metrics import METRICS


@dataclass(frozen=True)
class ObjectiveResult:
    """All fits of one objective.

    Attributes:
        name: Name of the objective.
        seeds: One fit per seed.
        search: Fits that searched the weight; empty where it was fixed.
    """

    name: str
    seeds: tuple[Fit, ...]
    search: tuple[SearchTrial, ...] = ()

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
    """A finished comparison.

    Attributes:
        data: Facts of the data.
        settings: Completed.
        objectives: In the order asked for, the standard one first.
        noise_levels: Levels at which accuracy was measured, from 0.
        versions: Versions of the packages that the numbers depend on.
        seconds: Wall-clock time of all.
        command: The command that repeats it; empty in Python.
        examples: A few test rows, `inputs`, and the same with noise, `noisy_inputs`.
        similarity: How alike the codes of the first seed's models are.
    """

    kind: ClassVar[str] = "comparison"
    file: ClassVar[str] = "results"

    data: DataFacts
    settings: CompareSettings
    objectives: tuple[ObjectiveResult, ...]
    noise_levels: tuple[float, ...]
    versions: dict[str, str]
    seconds: float
    command: str = ""
    examples: dict[str, np.ndarray] = field(default_factory=dict)
    similarity: SimilarityTable | None = None

    def __getitem__(self, name: str) -> ObjectiveResult:
        """Return the result of an objective by its name."""
        return {result.name: result for result in self.objectives}[name]

    @property
    def keys(self) -> list[str]:
        """The metrics that were measured of any fit, in the order of `METRICS`."""
        found = {key for result in self.objectives for fit in result.seeds for key in fit.metrics}
        return [key for key in METRICS if key in found]

    def table(self) -> tuple[list[str], list[list[Cell]]]:
        """Return one row per objective and seed."""
        rows: list[list[Cell]] = [
            [result.name, result.weight, fit.seed, *(fit.metrics.get(key) for key in self.keys)]
            for result in self.objectives
            for fit in result.seeds
        ]
        return ["objective", "weight", "seed", *self.keys], rows

    def __repr__(self) -> str:
        errors = ", ".join(f"{o.name} {o.mean('reconstruction_error'):.3g}" for o in self.objectives)
        return f"<Results on {self.data.name}, {self.settings.seeds} seed(s), reconstruction error: {errors}>"
