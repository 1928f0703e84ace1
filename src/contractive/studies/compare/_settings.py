"""What a comparison trains, and how."""

import math
from dataclasses import dataclass, field, replace

from contractive.core.errors import InvalidValue, check_at_least, check_choice, check_positive
from contractive.core.settings import setting
from contractive.data import Split
from contractive.models import NetworkSettings
from contractive.objectives import LOSSES, OBJECTIVES, LossName
from contractive.studies.runs import value_range
from contractive.training import TrainingSettings


@dataclass(frozen=True)
class CompareSettings:
    """What to compare and how.

    Attributes:
        network: The network, the same for every objective.
        training: Likewise; its seed is that of the first fit.
        loss: Reconstruction loss, a name of `LOSSES`.
        objectives: Names of `OBJECTIVES`; the standard one is always trained, as the reference.
        seeds: Fits per objective; each seed sets weights, order, noise and probe vectors.
        max_error_increase: Allowed relative increase of the validation reconstruction error over the standard model's:
            every objective gets the largest weight within it (`Search`).
        weights: Weights fixed by name instead of searched for.
        jobs: Fits at a time. Above 1 the caller must be importable (`if __name__ == "__main__"`).

    Raises:
        InvalidValue: A setting out of range.
    """

    network: NetworkSettings = field(default_factory=NetworkSettings)
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(device="cpu"))
    loss: LossName = setting("squared_error", "Reconstruction loss, summed over features.")
    objectives: tuple[str, ...] = setting(
        tuple(name for name, record in OBJECTIVES.items() if record.compared),
        "Objectives that are compared; the standard one is always among them.",
        choices=OBJECTIVES,
    )
    seeds: int = setting(3, "Models trained per objective; the table shows their mean and standard deviation.")
    max_error_increase: float = setting(
        0.2,
        "Allowed increase of the validation reconstruction error over the standard model's: each objective gets the"
        " largest weight within it.",
    )
    weights: dict[str, float] = field(default_factory=dict)
    jobs: int = 1

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, LOSSES)
        for name in self.objectives:
            check_choice("objectives", name, OBJECTIVES)
        if not self.objectives:
            raise InvalidValue("objectives", f"be among {', '.join(OBJECTIVES)}", "none", "Name at least one.")
        check_at_least("seeds", self.seeds, 1)
        check_at_least("jobs", self.jobs, 1)
        check_positive("max_error_increase", self.max_error_increase, "0.2 allows 20 % more reconstruction error.")
        for name, weight in self.weights.items():
            if name not in self.objectives:
                raise InvalidValue("weights", "belong to one of the `objectives`", repr(name), "Add it to them.")
            if not 0 <= weight < math.inf:
                raise InvalidValue("weights", "be finite and at least 0", f"{weight} for {name}", "Try 0.1.")

    @property
    def trained(self) -> tuple[str, ...]:
        """The objectives in the order of the table: the standard one, then the others."""
        return tuple(dict.fromkeys(("standard", *self.objectives)))

    def searched(self, name: str) -> bool:
        """Return whether the weight of an objective is searched for."""
        return name not in self.weights and OBJECTIVES[name].guess is not None

    def completed(self, split: Split) -> "CompareSettings":
        """Return the settings with the defaults that depend on the data."""
        low, high = value_range(split)
        unit_range, shape = low >= 0 and high <= 1, split.image_shape
        return replace(
            self,
            network=self.network.completed(features=split.features, unit_range=unit_range, image_shape=shape),
            training=self.training.completed(len(split.train), split.features),
        )
