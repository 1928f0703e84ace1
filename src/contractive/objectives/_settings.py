"""The objective of a run by name, with its weight, loss and method."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from contractive.core.errors import InvalidValue
from contractive.core.settings import check_settings, setting
from contractive.jacobian import Method
from contractive.objectives._objective import LOSSES, Objective, Term
from contractive.objectives._registry import OBJECTIVES, NamedObjective

LossName = Literal["squared_error", "cross_entropy"]


@dataclass(frozen=True)
class ObjectiveSettings:
    """What is minimised, by names and numbers; the help of each field is in its metadata.

    A weight of None stands for the default of the objective, which for most penalties is a weight found in training by
    an allowed increase of the reconstruction error.

    Raises:
        InvalidValue: A name that is not known, a weight that is negative or not finite, or a method for an objective
            without a Jacobian.
        InvalidType: A value of another type.
    """

    objective: str = setting("contractive", "Objective that is minimised.", choices=OBJECTIVES)
    weight: float | None = setting(
        None,
        "Weight of the penalty (denoising: sigma of the noise).",
        by_data="found in training by the allowed error increase",
        least=0,
    )
    loss: LossName = setting("squared_error", "Reconstruction loss, summed over features.")
    method: Method = setting("auto", "How the squared norm of the Jacobian is computed in training.")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.method != "auto":
            self.make()

    @property
    def record(self) -> NamedObjective:
        """The record of the objective."""
        return OBJECTIVES[self.objective]

    @property
    def searches(self) -> bool:
        """True where the weight is to be found in training."""
        return self.weight is None and self.record.default is None

    def completed(self) -> "ObjectiveSettings":
        """Return the settings with the default weight of the objective, still None where it is to be found."""
        return replace(self, weight=self._weight)

    @property
    def _weight(self) -> float | None:
        return self.record.default if self.weight is None else self.weight

    def make(self) -> Objective:
        """Make the objective; a weight that is to be found is 1."""
        made = self.record.make(1.0 if self._weight is None else self._weight, loss=LOSSES[self.loss])
        if self.method == "auto":
            return made
        terms = tuple(_with_method(term, self.method) for term in made.terms)
        if terms == made.terms:
            got = repr(self.method)
            raise InvalidValue("method", f"be auto for the objective {self.objective}", got, "It has no Jacobian norm.")
        return replace(made, terms=terms)


def _with_method(term: Term, method: Method) -> Term:
    if not hasattr(term.penalty, "method"):
        return term
    penalty: Any = term.penalty
    return replace(term, penalty=replace(penalty, method=method))
