"""Results of a comparison: typed, on disk as one document with its arrays, and as a table."""

from dataclasses import dataclass, field
from math import nan
from pathlib import Path

import numpy as np

from contractive.analysis import SimilarityTable
from contractive.core.artifacts import Artifact
from contractive.core.files import write_text
from contractive.studies.compare._search import SearchTrial
from contractive.studies.compare._settings import CompareSettings
from contractive.studies.documents import Cell, DataFacts, Table
from contractive.studies.metrics import METRICS
from contractive.studies.side_by_side import ShownSections

_KIND, _NAME = "comparison", "results"


@dataclass(frozen=True)
class SeedResult:
    """One fit.

    Attributes:
        seed: Its seed.
        metrics: On test data, by key of `METRICS`.
        history: One row per epoch, as of `History`.
    """

    seed: int
    metrics: dict[str, float]
    history: tuple[dict[str, float], ...]


@dataclass(frozen=True)
class ObjectiveResult:
    """All fits of one objective.

    Attributes:
        name: Of the objective.
        weight: Its weight; None without one.
        seeds: One fit per seed.
        search: Fits that searched the weight; empty where it was fixed.
        penalty_path: How the Jacobian norm was computed in training; empty without one.
        warnings: In plain sentences.
        sections: Sections of an analysis of the first seed's model.
        arrays: Of the first seed's model, `sensitivity` and `operator_norm` per test row, `reconstructions`,
            `noisy_reconstructions` and `filters`; of all seeds `probe` and `knn`, accuracies by (seed, noise level).
        state: Weights of the first seed's network.
    """

    name: str
    weight: float | None
    seeds: tuple[SeedResult, ...]
    search: tuple[SearchTrial, ...] = ()
    penalty_path: str = ""
    warnings: tuple[str, ...] = ()
    sections: ShownSections = field(default_factory=ShownSections, repr=False)
    arrays: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    state: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def mean(self, key: str) -> float:
        """Return the mean of a metric over the seeds; NaN where it is missing."""
        return float(np.mean([seed.metrics.get(key, nan) for seed in self.seeds]))

    def sd(self, key: str) -> float | None:
        """Return its standard deviation over the seeds; None with one seed."""
        values = [seed.metrics.get(key, nan) for seed in self.seeds]
        with np.errstate(invalid="ignore"):  # infinite, of a code that does not vary
            return float(np.std(values, ddof=1)) if len(values) > 1 else None


@dataclass(frozen=True, repr=False)
class Results(Table):
    """A finished comparison.

    Attributes:
        data: Facts of the data.
        settings: Completed.
        objectives: In the order asked for, the standard one first.
        noise_levels: Levels at which accuracy was measured, from 0.
        versions: Of the packages that the numbers depend on.
        seconds: Wall-clock time of all.
        command: The command that repeats it; empty in Python.
        examples: A few test rows, `inputs`, and the same with noise, `noisy_inputs`.
        similarity: How alike the codes of the first seed's models are.
    """

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
        return [key for key in METRICS if any(key in s.metrics for o in self.objectives for s in o.seeds)]

    def table(self) -> tuple[list[str], list[list[Cell]]]:
        """Return one row per objective and seed."""
        rows: list[list[Cell]] = [
            [result.name, result.weight, seed.seed, *(seed.metrics.get(key) for key in self.keys)]
            for result in self.objectives
            for seed in result.seeds
        ]
        return ["objective", "weight", "seed", *self.keys], rows

    def write(self, folder: str | Path) -> None:
        """Write `results.json`, `results.npz` and `results.csv` (a row per objective and seed)."""
        Artifact.of(_KIND, self).write(folder, _NAME)
        write_text(Path(folder) / f"{_NAME}.csv", self.to_csv())

    @classmethod
    def read(cls, folder: str | Path) -> "Results":
        """Read what `write` wrote.

        Raises:
            ArtifactError: A missing or broken file, or one of another version.
        """
        return Artifact.read(folder, _NAME, _KIND).to(cls, Path(folder) / f"{_NAME}.json")

    def __repr__(self) -> str:
        errors = ", ".join(f"{o.name} {o.mean('reconstruction_error'):.3g}" for o in self.objectives)
        return f"<Results on {self.data.name}, {self.settings.seeds} seed(s), reconstruction error: {errors}>"
