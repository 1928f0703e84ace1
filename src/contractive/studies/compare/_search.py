"""Find the strength of a variant that costs a stated share of reconstruction, on validation data."""

import math
from dataclasses import dataclass, field

from contractive.objectives import NamedObjective, Reference
from contractive.training import TrainingDiverged

_MOST_TRIALS = 5
_NEAR = 0.7  # a trial between this share of the allowed increase and all of it ends the search
_AIM = 0.85
_LARGEST_STEP = 30.0
_ANY = 1e6  # stands for the error increase of what collapsed
_FLATTEST, _STEEPEST = 0.25, 4.0


@dataclass
class Search:
    """The strongest setting whose validation error is at most 1 + max_error_increase times the unpenalised model's.

    Every variant is set by this one rule, so that all are compared at an equal error increase. Each next
    trial follows increase ~ strength^exponent from the last ones, inside what is known to be too little and too much.

    Attributes:
        variant: Whose strength is sought.
        max_error_increase: Allowed relative increase of the validation reconstruction error, for instance 0.1.
        reference: The unpenalised fit with the same seed and budget.
        name: Of the variant, for what is said.
        trials: (strength, error increase) so far.
        diverged: Strengths with which there is no model.

    Raises:
        ValueError: A reference without error or without ||J||^2, which no increase or first guess can be told from.
    """

    variant: NamedObjective
    max_error_increase: float
    reference: Reference
    name: str = "a variant"
    trials: list[tuple[float, float]] = field(default_factory=list)
    diverged: set[float] = field(default_factory=set)

    def __post_init__(self) -> None:
        error, squared_norm = self.reference.error, self.reference.squared_norm
        if not (0 < error < math.inf and 0 < squared_norm < math.inf):
            raise ValueError(
                f"the standard model must have learned something to search {self.name} by, got an error of {error:.4g}"
                f" and ‖J‖² of {squared_norm:.4g}. Train longer, or fix the strength."
            )

    def next(self) -> float | None:
        """The next strength to try, or None at the end."""
        if not self.trials:
            assert self.variant.guess is not None
            return self.variant.guess(self.max_error_increase, self.reference)
        if len(self.trials) >= _MOST_TRIALS or any(
            _NEAR * self.max_error_increase <= paid <= self.max_error_increase for _, paid in self.trials
        ):
            return None
        strength, paid = self.trials[-1]
        wanted = (_AIM * self.max_error_increase / min(max(paid, self.max_error_increase / 100), _ANY)) ** (
            1 / self._exponent()
        )
        strength *= min(max(wanted, 1 / _LARGEST_STEP), _LARGEST_STEP)
        low = max((s for s, p in self.trials if p <= self.max_error_increase), default=0.0)
        high = min((s for s, p in self.trials if p > self.max_error_increase), default=float("inf"))
        if low < strength < high:
            return strength
        return (low * high) ** 0.5 if low and high < float("inf") else (low * 3 if low else high / 3)

    def _exponent(self) -> float:
        """How the error increase grows with the strength: by the last two trials, or what the variant believes."""
        if len(self.trials) > 1:
            (s, p), (t, q) = self.trials[-2:]
            if 0 < p < math.inf and 0 < q < math.inf and s != t:
                return min(max(math.log(q / p) / math.log(t / s), _FLATTEST), _STEEPEST)
        return self.variant.exponent

    def add(self, strength: float, error: float, *, diverged: bool = False) -> None:
        """Record a trial by its validation reconstruction error."""
        if diverged:
            self.diverged.add(strength)
        self.trials.append((strength, error / self.reference.error - 1))

    @property
    def chosen(self) -> float:
        """The strongest trial within the allowed increase; the cheapest one that gave a model if none was.

        Raises:
            TrainingDiverged: None gave a model.
        """
        trained = [trial for trial in self.trials if trial[0] not in self.diverged]
        if not trained:
            tried = ", ".join(f"{strength:.3g}" for strength, _ in self.trials)
            raise TrainingDiverged(
                f"the search for {self.name} must find a strength that can be trained, got a loss that"
                f" diverged at each of {tried}. Lower the learning rate, or fix the strength."
            )
        affordable = [strength for strength, paid in self.trials if paid <= self.max_error_increase]
        return max(affordable) if affordable else min(trained, key=lambda trial: trial[1])[0]
