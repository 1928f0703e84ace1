"""What a comparison trains, and how."""

import math
from dataclasses import dataclass, field, replace

from contractive.core.errors import InvalidValue, check_at_least
from contractive.core.settings import check_settings, setting
from contractive.data import Split
from contractive.models import NetworkSettings
from contractive.objectives import OBJECTIVES, LossName
from contractive.studies.runs import completed_network
from contractive.training import TrainingSettings


@dataclass(frozen=True)
class CompareSettings:
    """What to compare and how.

    Raises:
        InvalidValue: A setting out of range.
    """

    network: NetworkSettings = field(default_factory=NetworkSettings)  # the same for every objective
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(device="cpu"))
    loss: LossName = setting("squared_error", "Reconstruction loss, summed over features.")
    objectives: tuple[str, ...] = setting(
        tuple(name for name, record in OBJECTIVES.items() if record.compared),
        "Objectives that are compared; the standard one is always among them.",
        choices=OBJECTIVES,
    )
    seeds: int = setting(3, "Models trained per objective; the table shows their mean and standard deviation.", least=1)
    max_error_increase: float = setting(
        0.2,
        "Allowed increase of the validation reconstruction error over the standard model's: each objective gets the"
        " largest weight within it.",
        positive=True,
    )
    weights: dict[str, float] = field(default_factory=dict)  # weights fixed by name instead of searched for
    jobs: int = 1  # fits at a time. Above 1 the caller must be importable (`if __name__ == "__main__"`).

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.objectives:
            raise InvalidValue("objectives", f"be among {', '.join(OBJECTIVES)}", "none", "Name at least one.")
        check_at_least("jobs", self.jobs, 1)
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
        return replace(
            self,
            network=completed_network(self.network, split),
            training=self.training.completed(len(split.train), split.features),
        )
