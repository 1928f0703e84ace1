"""What a sweep varies, and what distinguishes it from another one."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from contractive.core.errors import InvalidValue, check_at_least
from contractive.core.settings import check_settings, setting
from contractive.data import Split
from contractive.objectives import OBJECTIVES, Reference
from contractive.studies.runs import AutoencoderSettings
from contractive.training import MACHINE

_INCREASE = 0.2  # as `compare`: the guess at the centre of the range
_SPAN = 30.0
_STARTS = (0.5, 0.75, 0.25, 1.0, 0.0)  # along the range, before the sampler has anything to learn from
_FREE = {"weight", "max_error_increase", *MACHINE}


@dataclass(frozen=True)
class SweepSettings:
    """What to vary and how.

    Raises:
        InvalidValue: A setting out of range.
    """

    run: AutoencoderSettings = field(default_factory=AutoencoderSettings)  # of every fit, without a weight
    weights: tuple[float, ...] | None = None  # a grid; None searches around the first guess of `compare`
    trials: int = setting(16, "Number of trials of the search; a larger number continues a finished one.", least=2)
    seeds: int = setting(1, "Models trained per trial; their means are judged, their spread is shown.", least=1)
    accuracy: bool = setting(False, "Judge by the accuracy of a linear probe on the codes, too.")
    jobs: int = 1  # trials at a time. Above 1 the caller must be importable (`if __name__ == "__main__"`).

    def __post_init__(self) -> None:
        names = [name for name, record in OBJECTIVES.items() if record.guess is not None]
        if self.objective not in names:
            raise InvalidValue("objective", f"be one of {', '.join(names)}", repr(self.objective), "It needs a weight.")
        if self.run.objective.weight is not None or self.run.max_error_increase is not None:
            raise InvalidValue("weight", "be left to the sweep", "one for all runs", "Give `weights` for a grid.")
        for weight in self.weights or ():
            if not 0 < weight < math.inf:
                remedy = "0 is always trained, as trial 0."
                raise InvalidValue("weights", "be finite and above 0", weight, remedy)
        check_settings(self)
        check_at_least("jobs", self.jobs, 1)
        if self.weights is not None and len(set(self.weights)) != max(len(self.weights), 1):
            raise InvalidValue("weights", "be different numbers", self.weights, "For instance 0.01,0.1,1.")

    @property
    def objective(self) -> str:
        """Name of the objective whose weight is varied."""
        return self.run.objective.objective

    @property
    def judged(self) -> tuple[str, ...]:
        """Metrics that trials are judged by, by key of `METRICS`."""
        return ("reconstruction_error", "scale_free_sensitivity") + ("probe_accuracy",) * self.accuracy

    @property
    def total(self) -> int:
        """Trials in all."""
        return self.trials if self.weights is None else 1 + len(self.weights)

    def completed(self, split: Split) -> "SweepSettings":
        """Return the settings with the defaults of the run that depend on the data, checked against the data.

        Raises:
            InvalidValue: Settings that do not fit the data.
        """
        if len(split.validation) < 2:
            raise InvalidValue("data", "have at least two validation rows", len(split.validation), "Give more.")
        labels = None if split.labels is None else np.asarray(split.labels[0])
        if self.accuracy and (labels is None or labels.dtype.kind == "f" or len(np.unique(labels)) < 2):
            got = "none" if labels is None else "numbers with fractions" if labels.dtype.kind == "f" else "one class"
            raise InvalidValue("label", "name classes for the `accuracy`", got, "Give `label`, or leave it out.")
        return replace(self, run=self.run.changed(weight=1.0).completed(split).changed(weight=None))

    def identity(self, split: Split) -> dict[str, object]:
        """Return all that the metrics of a trial depend on, and which trials there are, but for their number."""
        run = {name: value for name, value in self.run.values().items() if name not in _FREE}
        more = {"weights": self.weights, "seeds": self.seeds, "accuracy": self.accuracy, "checksum": split.checksum}
        options = {} if split.source is None else {**vars(split.source.options), "test": None}
        return {**more, **run, **options, "features": split.features, "training rows": len(split.train)}

    def bounds(self, reference: Reference) -> tuple[float, float]:
        """Return the range of the search: a factor of 30 in the error increase either side of the guess.

        Raises:
            InvalidValue: The unpenalised model gives no guess.
        """
        record = OBJECTIVES[self.objective]
        assert record.guess is not None
        guess = record.guess(_INCREASE, reference) if reference.squared_norm > 0 else 0.0
        if not 0 < guess < math.inf:
            got = f"an error of {reference.error:.4g} and ‖J‖² of {reference.squared_norm:.4g}"
            rule, remedy = "be enough for the unpenalised model to learn something", "Or give the `weights`."
            raise InvalidValue("max_epochs", rule, got, remedy)
        factor = _SPAN ** (1 / record.exponent)
        return guess / factor, guess * factor

    def starts(self, low: float, high: float) -> tuple[float, ...]:
        """Return the weights that a search begins with: the guess first, then both sides of it."""
        return tuple(low ** (1 - at) * high**at for at in _STARTS)
