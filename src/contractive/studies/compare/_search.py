"""Find the weight of an objective that raises the reconstruction error by an allowed share, on validation data."""

import math
from dataclasses import dataclass, field

from contractive.core.errors import ContractiveError
from contractive.objectives import NamedObjective, Reference
from contractive.training import TrainingDiverged

_MOST_TRIALS = 5
_NEAR = 0.7  # a trial between this share of the allowed increase and all of it ends the search
_AIM = 0.85
_LARGEST_STEP = 30.0
_ANY = 1e6  # stands for the increase of a collapsed model
_FLATTEST, _STEEPEST = 0.25, 4.0


@dataclass(frozen=True)
class SearchTrial:
    """One fit of a search."""

    weight: float
    error_increase: float  # relative, of validation error over the standard model's; infinite after a collapse
    diverged: bool = False  # whether there is no model


@dataclass
class Search:
    """The largest weight whose validation error is at most (1 + max_error_increase) times the unpenalised model's.

    Every objective is set by this one rule, so that all are compared at an equal loss of reconstruction. Each next
    trial follows increase ~ weight^exponent from the last ones, between the weights known to be too small and too
    large.

    Raises:
        ContractiveError: A reference without error or without ||J||^2, which gives no first guess.
    """

    objective: NamedObjective  # the objective whose weight is sought
    max_error_increase: float  # allowed relative increase of the validation reconstruction error, for instance 0.1
    reference: Reference  # the unpenalised fit of the same seed, network and training
    trials: list[SearchTrial] = field(default_factory=list)  # the fits so far

    def __post_init__(self) -> None:
        error, squared_norm = self.reference.error, self.reference.squared_norm
        if not (0 < error < math.inf and 0 < squared_norm < math.inf):
            raise ContractiveError(
                f"The standard model has learned nothing by which to search the weight of {self.objective.name}: its"
                f" error is {error:.4g} and its ‖J‖² {squared_norm:.4g}. Train longer, or fix the weight."
            )

    def next(self) -> float | None:
        """Return the next weight to try, or None at the end."""
        allowed = self.max_error_increase
        if not self.trials:
            assert self.objective.guess is not None
            return self.objective.guess(allowed, self.reference)
        if len(self.trials) >= _MOST_TRIALS or any(
            _NEAR * allowed <= trial.error_increase <= allowed for trial in self.trials
        ):
            return None
        last = self.trials[-1]
        wanted = (_AIM * allowed / min(max(last.error_increase, allowed / 100), _ANY)) ** (1 / self._exponent())
        weight = last.weight * min(max(wanted, 1 / _LARGEST_STEP), _LARGEST_STEP)
        low = max((trial.weight for trial in self.trials if trial.error_increase <= allowed), default=0.0)
        high = min((trial.weight for trial in self.trials if trial.error_increase > allowed), default=math.inf)
        if low < weight < high:
            return weight
        return (low * high) ** 0.5 if low and high < math.inf else (low * 3 if low else high / 3)

    def _exponent(self) -> float:
        """How the increase grows with the weight: by the last two trials, or as the objective assumes."""
        if len(self.trials) > 1:
            one, two = self.trials[-2:]
            a, b = one.error_increase, two.error_increase
            if 0 < a < math.inf and 0 < b < math.inf and one.weight != two.weight:
                slope = math.log(b / a) / math.log(two.weight / one.weight)
                return min(max(slope, _FLATTEST), _STEEPEST)
        return self.objective.exponent

    def add(self, weight: float, error: float, *, diverged: bool = False) -> None:
        """Record a trial by its validation reconstruction error, infinite for one that collapsed."""
        self.trials.append(SearchTrial(weight, error / self.reference.error - 1, diverged))

    @property
    def chosen(self) -> float:
        """The largest weight within the allowed increase; that of the smallest error if none is.

        Raises:
            TrainingDiverged: None gave a model.
        """
        trained = [trial for trial in self.trials if not trial.diverged]
        if not trained:
            tried = ", ".join(f"{trial.weight:.3g}" for trial in self.trials)
            raise TrainingDiverged(
                f"The search for {self.objective.name} found no weight that can be trained: the loss diverged at each"
                f" of {tried}. Lower the `learning_rate`, or fix the weight."
            )
        within = [trial.weight for trial in self.trials if trial.error_increase <= self.max_error_increase]
        return max(within) if within else min(trained, key=lambda trial: trial.error_increase).weight
