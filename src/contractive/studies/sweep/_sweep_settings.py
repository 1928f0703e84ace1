"""What a sweep varies, and what tells it from another one."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from contractive.core.errors import InvalidValue
from contractive.data import Split
from contractive.objectives import OBJECTIVES, Reference
from contractive.studies.runs import Settings as RunSettings

DEFAULT_TRIALS = 16
_MAX_ERROR_INCREASE = 0.2  # as `compare`: the guess that the range is centred on
_SPAN = 30.0
_STARTS = (0.5, 0.75, 0.25, 1.0, 0.0)  # along the range, before the sampler has anything to learn from


@dataclass(frozen=True)
class SweepSettings:
    """What to vary and how.

    Attributes:
        run: Objective, network and training of every fit; its weight and `max_error_increase` are left out.
        weights: A grid; None searches a logarithmic range around the guess that `compare` starts from.
        trials: Of the search, the unpenalised yardstick and pruned ones included.
        seeds: Fits per trial; the objectives are their means.
        accuracy: Whether a linear probe's validation accuracy is a third objective.
        jobs: Processes. Above 1 the caller must be importable (`if __name__ == "__main__"`).
    """

    run: RunSettings = field(default_factory=RunSettings)
    weights: tuple[float, ...] | None = None
    trials: int = DEFAULT_TRIALS
    seeds: int = 1
    accuracy: bool = False
    jobs: int = 1

    def __post_init__(self) -> None:
        names = [name for name, record in OBJECTIVES.items() if record.guess is not None]
        if self.run.objective not in names:
            raise InvalidValue(
                "objective", f"be one of {', '.join(names)}", repr(self.run.objective), "It needs a weight."
            )
        if self.run.weight is not None or self.run.max_error_increase is not None:
            raise ValueError(
                "the weight must be left to the sweep, got a weight or `max_error_increase` in the settings of a run."
                " Use weights for a grid."
            )
        for name, value, least in (("trials", self.trials, 2), ("seeds", self.seeds, 1), ("jobs", self.jobs, 1)):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}. Leave it out for the default.")
        for weight in self.weights or ():
            if not 0 < weight < math.inf:
                raise ValueError(f"weights must be finite and above 0, got {weight}. 0 is always fitted, as trial 0.")
        if self.weights is not None and len(set(self.weights)) != max(len(self.weights), 1):
            raise ValueError(f"weights must be different ones, got {self.weights}. For instance 0.01,0.1,1.")

    @property
    def total(self) -> int:
        """Trials in all."""
        return self.trials if self.weights is None else 1 + len(self.weights)

    def completed(self, split: Split) -> "SweepSettings":
        """With the defaults of the run that depend on the data, checked against them.

        Raises:
            ValueError: Settings that do not fit the data.
        """
        if len(split.validation) < 2:
            raise ValueError(f"data must have at least two validation rows, got {len(split.validation)}. Give more.")
        if self.accuracy and (split.labels is None or np.asarray(split.labels[0]).dtype.kind == "f"):
            got = "none" if split.labels is None else "numbers with fractions"
            raise ValueError(f"labels must be classes for the accuracy, got {got}. Give --label, or leave it out.")
        return replace(self, run=replace(replace(self.run, weight=1.0).completed(split), weight=None))

    def identity(self, split: Split) -> dict[str, Any]:
        """All that decides on the figures of a trial and on which trials there are, but for their number."""
        free = {"weight", "max_error_increase", "device", "devices", "num_nodes", "strategy"}
        run = {name: value for name, value in self.run.to_dict().items() if name not in free}
        more = {"weights": self.weights, "seeds": self.seeds, "accuracy": self.accuracy, "checksum": split.checksum}
        options = {} if split.source is None else vars(split.source.options)
        wishes = {name: value for name, value in options.items() if name != "test"}
        identity = {**more, **run, **wishes, "features": split.features, "training rows": len(split.train)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in identity.items()}

    def bounds(self, reference: Reference) -> tuple[float, float]:
        """The range of the search: a factor of 30 in error increase either side of the guess.

        Raises:
            ValueError: The unpenalised model has nothing to guess from.
        """
        record = OBJECTIVES[self.run.objective]
        assert record.guess is not None
        guess = record.guess(_MAX_ERROR_INCREASE, reference) if reference.squared_norm > 0 else 0.0
        if not 0 < guess < math.inf:
            raise ValueError(
                f"the unpenalised model must have learned something, got an error of {reference.error:.4g} and"
                f" ‖J‖² of {reference.squared_norm:.4g}. Train longer, or give the weights."
            )
        factor = _SPAN ** (1 / record.exponent)
        return guess / factor, guess * factor

    def starts(self, low: float, high: float) -> tuple[float, ...]:
        """The weights that a search begins with: the guess first, then both sides of it."""
        return tuple(low ** (1 - at) * high**at for at in _STARTS)
