"""What a sweep found: trials, their Pareto front and its knee; on disk as a document, and as a table."""

from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from contractive.analysis import SimilarityTable
from contractive.core.errors import ContractiveError
from contractive.objectives import OBJECTIVES, Reference
from contractive.studies.documents import Cell, DataFacts, StudyResult
from contractive.studies.metrics import METRICS
from contractive.studies.side_by_side import ShownSections
from contractive.studies.sweep._settings import SweepSettings

TRIALS, BEST = "trials", "best"
_MOST_SHOWN = 5
_TINY = 1e-300
_EVEN = 1e-9


@dataclass(frozen=True)
class SweepTrial:
    """One weight."""

    number: int  # its run is in `trials/NNNN`
    weight: float  # 0 is the unpenalised baseline
    reason: str = ""  # why it was pruned; empty where it is complete
    metrics: dict[str, float] = field(default_factory=dict)  # means over seeds on validation rows; empty where pruned
    by_seed: dict[str, tuple[float, ...]] = field(default_factory=dict)  # what they are the means of
    test: dict[str, float] = field(default_factory=dict)  # the same means on test rows; nothing is chosen by them
    seconds: float = 0.0  # training time of all seeds
    warnings: tuple[str, ...] = ()
    learned_early: bool = True  # whether a quarter of the epochs was enough to be better than the mean
    reference: Reference | None = None  # scales of the first seed, from which a range of weights is guessed

    @property
    def spread(self) -> dict[str, float]:
        """Standard deviations of `metrics` over seeds; empty with one seed."""
        return {key: float(np.std(each, ddof=1)) for key, each in self.by_seed.items() if len(each) > 1}

    @property
    def folder(self) -> str:
        """Its run, inside the folder of the sweep."""
        return f"{TRIALS}/{self.number:04d}"


@dataclass(frozen=True, repr=False)
class Sweep(StudyResult):
    """A finished sweep."""

    kind: ClassVar[str] = "sweep"
    file: ClassVar[str] = "sweep"

    data: DataFacts  # facts of the data
    settings: SweepSettings  # completed, with the number of trials that were made
    trials: tuple[SweepTrial, ...]  # complete and pruned ones by number; the first is the unpenalised baseline
    front: tuple[int, ...]  # numbers of the trials that no other beats in every objective, by error
    knee: int  # number of the best trade-off among them
    versions: dict[str, str]  # of the packages that the numbers depend on
    command: str = ""  # the command that repeats it; empty in Python
    # metrics of as many principal components as the code has numbers, on `validation` and `test` rows
    components: dict[str, dict[str, float]] = field(default_factory=lambda: {"validation": {}, "test": {}})
    sections: dict[str, ShownSections] = field(default_factory=dict, compare=False)  # of `shown`, by its names
    similarity: SimilarityTable | None = field(default=None, compare=False)  # how alike the codes of these models are

    def __post_init__(self) -> None:
        complete = {trial.number: trial.weight for trial in self.trials if not trial.reason}
        if not {self.knee, *self.front} <= complete.keys() or 0 not in complete.values():
            raise ContractiveError("The front and the knee of a sweep are not of its trials. Run the sweep again.")

    def trial(self, number: int) -> SweepTrial:
        """Return the trial with that number."""
        return {trial.number: trial for trial in self.trials}[number]

    @property
    def baseline(self) -> SweepTrial:
        """The unpenalised trial."""
        return next(trial for trial in self.trials if trial.weight == 0)

    @property
    def best(self) -> SweepTrial:
        """The trial at the knee."""
        return self.trial(self.knee)

    @property
    def complete(self) -> tuple[SweepTrial, ...]:
        """The trials that came to their end, by weight."""
        return tuple(sorted((t for t in self.trials if not t.reason), key=lambda trial: trial.weight))

    @property
    def pruned(self) -> tuple[SweepTrial, ...]:
        """The others, by weight."""
        return tuple(sorted((t for t in self.trials if t.reason), key=lambda trial: trial.weight))

    @property
    def keys(self) -> list[str]:
        """The metrics that were measured, those that are judged first."""
        return list(dict.fromkeys([*self.settings.judged, *(key for key in METRICS if key in self.baseline.metrics)]))

    @property
    def shown(self) -> dict[str, SweepTrial]:
        """The trials whose models are shown side by side, by weight and with a name for pictures.

        All if they are few, else the unpenalised one, the knee, and others spread over the front.
        """
        trials = self.complete
        if len(trials) > _MOST_SHOWN:
            always = {self.baseline.number, self.knee}
            others = [trial.number for trial in trials if trial.number in self.front and trial.number not in always]
            room = min(_MOST_SHOWN - len(always), len(others))
            always |= {others[at] for at in np.linspace(0, len(others) - 1, room).round().astype(int)}
            trials = tuple(trial for trial in trials if trial.number in always)
        weight_name = OBJECTIVES[self.settings.objective].weight_name
        names = [f"{weight_name} {trial.weight:.3g}" if trial.weight else "without penalty" for trial in trials]
        several = Counter(names)
        return {
            name
            + ("" if several[name] == 1 else f", trial {trial.number}")
            + (" (knee)" if trial.number == self.knee else ""): trial
            for name, trial in zip(names, trials, strict=True)
        }

    def table(self) -> tuple[list[str], list[list[Cell]]]:
        """Return one row per trial."""
        base = self.baseline
        rows: list[list[Cell]] = []
        for trial in self.trials:
            parts = ((trial.metrics, self.keys), (trial.spread, base.spread), (trial.test, base.test))
            numbers = [values.get(key) for values, keys in parts for key in keys]
            place = [int(trial.number in self.front), int(trial.number == self.knee)]
            rows.append([trial.number, trial.weight, *numbers, trial.seconds, *place, trial.reason])
        linear = [self.components["validation"].get(key) for key in self.keys]
        linear += [None] * len(base.spread) + [self.components["test"].get(key) for key in base.test]
        rows += [["pca", None, *linear, None, None, None, ""]] if self.components["validation"] else []
        others = [*(f"{key}_sd" for key in base.spread), *(f"test_{key}" for key in base.test)]
        return ["trial", "weight", *self.keys, *others, "seconds", "front", "knee", "pruned"], rows

    def __repr__(self) -> str:
        return (
            f"<Sweep of {self.settings.objective} on {self.data.name}: {len(self.trials)} trials, knee at weight"
            f" {self.best.weight:.3g}>"
        )


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


def pareto_front(values: np.ndarray) -> np.ndarray:
    """Which rows no other row dominates, as booleans: none is at least as small in all columns and smaller in one.

    Args:
        values: (points, objectives), all to be minimised, finite. Equal points stand or fall together.
    """
    values = np.asarray(values, dtype=np.float64)
    no_larger = (values[:, None] <= values[None]).all(2)  # (points, points): row against column
    smaller = (values[:, None] < values[None]).any(2)
    return np.logical_not(np.any(no_larger & smaller, axis=0))


def knee(values: np.ndarray) -> int:
    """The knee of a front: the row farthest below the chord between the extremes, on logarithmic scales.

    Logarithms of every column are scaled to run from 0 to 1 over the front. With two objectives the chord joins (0, 1)
    and (1, 0), and a point lies (1 - z_1 - z_2) / sqrt(2) below it: the knee has the smallest sum of all z. Where
    several are even, as the ends of a front of two points always are, the smallest product of the objectives decides:
    50 % less of the one is worth 20 % more of the other. After that, the first column and then the order do.

    Source: Das (1999), On characterizing the "knee" of the Pareto curve, for the distance to the chord.

    Args:
        values: (points, objectives) of a front, all to be minimised, at least 0.

    Raises:
        ValueError: No point.
    """
    values = np.asarray(values, dtype=np.float64)
    if not len(values):
        raise ValueError("front must have at least one point, got none. Was every trial pruned?")
    logs = np.log(np.maximum(values, _TINY))
    extent = np.ptp(logs, axis=0)
    scaled = (logs - logs.min(0)) / np.where(extent > 0, extent, 1)
    sums, products = scaled.sum(1), logs.sum(1)
    even = np.flatnonzero(sums <= sums.min() + _EVEN)
    return int(min(even, key=lambda at: (round(float(products[at]), 9), logs[at, 0], at)))
