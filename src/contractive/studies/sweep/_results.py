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


@dataclass(frozen=True)
class SweepTrial:
    """One weight.

    Attributes:
        number: Its run is in `trials/NNNN`.
        weight: 0 is the unpenalised baseline.
        reason: Why it was pruned; empty where it is complete.
        metrics: Means over seeds on validation rows, by key of `METRICS`. Empty where pruned.
        spread: Their standard deviations over seeds; empty with one seed.
        test: The same means on test rows; nothing is chosen by them.
        seconds: Training time of all seeds.
        warnings: In plain sentences.
        learned_early: Whether a quarter of the epochs was enough to be better than the mean.
        reference: Scales of the first seed, from which a range of weights is guessed.
    """

    number: int
    weight: float
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    spread: dict[str, float] = field(default_factory=dict)
    test: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    learned_early: bool = True
    reference: Reference | None = None

    @property
    def folder(self) -> str:
        """Its run, inside the folder of the sweep."""
        return f"{TRIALS}/{self.number:04d}"


@dataclass(frozen=True, repr=False)
class Sweep(StudyResult):
    """A finished sweep.

    Attributes:
        data: Facts of the data.
        settings: Completed, with the number of trials that were made.
        trials: Complete and pruned ones by number; the first is the unpenalised baseline.
        front: Numbers of the trials that no other beats in every objective, by error.
        knee: Number of the best trade-off among them.
        versions: Of the packages that the numbers depend on.
        command: The command that repeats it; empty in Python.
        sections: Of up to five models by name, sections of an analysis.
        similarity: How alike the codes of these models are.
    """

    kind: ClassVar[str] = "sweep"
    file: ClassVar[str] = "sweep"

    data: DataFacts
    settings: SweepSettings
    trials: tuple[SweepTrial, ...]
    front: tuple[int, ...]
    knee: int
    versions: dict[str, str]
    command: str = ""
    sections: dict[str, ShownSections] = field(default_factory=dict, compare=False)
    similarity: SimilarityTable | None = field(default=None, compare=False)

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
        return [
            *self.settings.judged,
            *(key for key in METRICS if key in self.baseline.metrics and key not in self.settings.judged),
        ]

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
        others = [*(f"{key}_sd" for key in base.spread), *(f"test_{key}" for key in base.test)]
        return ["trial", "weight", *self.keys, *others, "seconds", "front", "knee", "pruned"], rows

    def __repr__(self) -> str:
        return (
            f"<Sweep of {self.settings.objective} on {self.data.name}: {len(self.trials)} trials, knee at weight"
            f" {self.best.weight:.3g}>"
        )
