"""The objectives by name, one record for all that is known about one, and the objective of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from contractive.core.errors import InvalidValue
from contractive.core.settings import check_settings, setting
from contractive.jacobian import Method
from contractive.objectives._objective import LOSSES, Objective, Term
from contractive.objectives._penalties import PenaltyRows, check_penalty_rows
from contractive.objectives._presets import (
    contractive,
    contractive_denoising,
    denoising,
    gain_weighted,
    higher_order,
    isometric,
    jacobian_l1,
    l1,
    largest_singular_value,
    nuclear,
    reconstruction_contractive,
    sparse,
    standard,
    weight_decay,
)


@dataclass(frozen=True)
class Reference:
    """Scales found by an unpenalised fit, from which the search for a weight starts."""

    error: float  # validation reconstruction error per example
    squared_norm: float  # validation mean of ||J||_F^2
    feature_sd: float  # root mean square over features of their standard deviation in the training data


@dataclass(frozen=True)
class NamedObjective:
    """An objective that Python, the command line, estimators, tables and pages know by name."""

    name: str
    make: Callable[..., Objective]  # (weight, loss=loss) -> objective; the weight is ignored where there is none
    help: str  # one sentence on what it does, with its source
    color: str  # in every picture, `#rrggbb`
    symbol: str = "circle"  # its marker, one of plotly's
    weight_name: Literal["weight", "noise", ""] = "weight"  # of its one number, empty without one
    weight_help: str = ""  # the number in words
    weight: float = 0.1  # the number, where none is given and none is searched
    # (share, scales) -> a weight that raises the reconstruction error by about this share, from which a search starts;
    # the increase grows like weight^exponent near there
    guess: Callable[[float, Reference], float] | None = None
    exponent: float = 1.0
    searched: bool = (
        False  # whether `fit_with_max_error_increase` can find its weight, which all of its terms have then
    )
    compared: bool = False  # whether it is in a comparison that names no objectives

    @property
    def default(self) -> float | None:
        """The number of a run without one; None where it is searched."""
        return None if self.searched else self.weight

    @property
    def label(self) -> str:
        """The name as words of a page."""
        return self.name.replace("_", " ")

    def __reduce__(self) -> Any:
        """Pickle by the name, since its functions cannot be."""
        return (_named, (self.name,)) if OBJECTIVES.get(self.name) is self else super().__reduce__()


# Colours were found by search: at least 2.7 : 1 against white and against near-black, and as far apart as can be for
# normal sight, protanopia, deuteranopia and tritanopia (Machado et al. 2009); the symbols repeat the distinction.
# The noise of contractive_denoising alone raises the error by less than a comparison allows; 0.3 would not.
# The weight of `gain_weighted` is 0, which fits without a search were measured with (docs/experiments.md, the first
# run); all others are those of the presets.
# A guess equates the wanted increase of the error, share * error, with weight * penalty: the penalty of the unpenalised
# fit where it is known, a typical one of digits and small tables otherwise.
# fmt: off
_RECORDS = (
    NamedObjective(
        "standard", lambda weight, loss: standard(loss=loss),
        "Reconstruction error alone; the reference for all others.",
        color="#7a757e", weight_name="", weight=0.0, compared=True,
    ),
    NamedObjective(
        "denoising", denoising, "Reconstructs the clean input from one with Gaussian noise (Vincent et al. 2008).",
        color="#2b7cf0", symbol="square", weight_name="noise", weight_help="sigma of the Gaussian noise on the inputs",
        weight=0.3, guess=lambda share, scales: 0.3 * scales.feature_sd, exponent=2.0, compared=True,
    ),
    NamedObjective(
        "sparse", sparse, "Adds a penalty on units that are active too often (Lee et al. 2008; Ng 2011).",
        color="#17af84", symbol="triangle-up", weight_help="weight of the KL divergence from a mean activation of 0.05",
        guess=lambda share, scales: 0.1 * share * scales.error, searched=True, compared=True,
    ),
    NamedObjective(
        "contractive", contractive, "Adds the squared Frobenius norm of the encoder's Jacobian (Rifai et al. 2011).",
        color="#d9420f", symbol="diamond", weight_help="weight of ||J||_F^2",
        guess=lambda share, scales: share * scales.error / scales.squared_norm, searched=True, compared=True,
    ),
    NamedObjective(
        "higher_order", higher_order, "Also penalises how fast the Jacobian changes nearby (Rifai et al. 2011, ECML).",
        color="#bf4dba", symbol="star", weight_help="weight of ||J||_F^2 + E||J(x) - J(x+e)||_F^2, sigma 0.1",
        guess=lambda share, scales: 0.5 * share * scales.error / scales.squared_norm, searched=True,
    ),
    NamedObjective(
        "reconstruction_contractive", reconstruction_contractive,
        "Penalises the Jacobian of encoder and decoder together (Alain and Bengio 2014).",
        color="#a39b2c", symbol="hexagon", weight_help="weight of the squared norm of the Jacobian of reconstruction",
        weight=0.01, guess=lambda share, scales: share * scales.error / 20, searched=True,
    ),
    NamedObjective(
        "gain_weighted", gain_weighted,
        "Penalises each unit's gradient times the decoder's gain of that unit: scaling the code does not evade it.",
        color="#e0608a", symbol="pentagon-open", weight_help="weight of sum_j gain_j^2 ||grad f_j||^2",
        weight=0.0, guess=lambda share, scales: share * scales.error / 20, searched=True,
    ),
    NamedObjective(
        "largest_singular_value", largest_singular_value,
        "Penalises the squared largest singular value of the encoder's Jacobian (Yoshida and Miyato 2017).",
        color="#0f8ea3", symbol="diamond-open", weight_help="weight of sigma_max(J)^2",
        guess=lambda share, scales: share * scales.error / scales.squared_norm, searched=True,
    ),
    NamedObjective(
        "jacobian_l1", jacobian_l1,
        "Penalises the sum of absolute entries of the encoder's Jacobian: few inputs move a unit (Farnik et al. 2025).",
        color="#5c8a2e", symbol="triangle-left", weight_help="weight of the sum of |J_ij|",
        weight=0.01, guess=lambda share, scales: 0.1 * share * scales.error / scales.squared_norm**0.5, searched=True,
    ),
    NamedObjective(
        "isometric", isometric,
        "Penalises the relaxed distortion of the decoder: the code keeps ratios of distances (Lee et al. 2022).",
        color="#5a6acf", symbol="square-open", weight_help="weight of the relaxed distortion",
        guess=lambda share, scales: share * scales.error / 10, searched=True,
    ),
    NamedObjective(
        "nuclear", nuclear,
        "Penalises encoder's and decoder's Jacobian: low rank of their product (Scarvelis and Solomon 2024).",
        color="#b0701c", symbol="hexagon-open", weight_help="weight of ||J_f||_F^2 + ||J_g||_F^2",
        weight=0.01, guess=lambda share, scales: share * scales.error / 20, searched=True,
    ),
    NamedObjective(
        "contractive_denoising", lambda weight, loss: contractive_denoising(weight, 0.1, loss=loss),
        "Adds the contractive penalty to denoising, at the noisy input (Chen et al. 2013).",
        color="#7800ff", symbol="star-diamond", weight_help="weight of ||J||_F^2 at inputs with noise of sigma 0.1",
        guess=lambda share, scales: share * scales.error / scales.squared_norm, searched=True,
    ),
    NamedObjective(
        "l1", l1, "Adds the sum of absolute values of the code.",
        color="#705848", symbol="triangle-down", weight_help="weight of the sum of absolute values of the code",
        weight=0.01, guess=lambda share, scales: 0.3 * share * scales.error, searched=True,
    ),
    NamedObjective(
        "weight_decay", weight_decay, "Adds the sum of squared weights.",
        color="#9f90da", symbol="cross", weight_help="weight of the sum of squared weights",
        weight=1e-4, guess=lambda share, scales: 1e-3 * share * scales.error,
    ),
)
# fmt: on
OBJECTIVES: dict[str, NamedObjective] = {record.name: record for record in _RECORDS}
# it can begin as principal components, and is not evaded by a scaled code (docs/experiments.md, the first run)
DEFAULT_OBJECTIVE = "gain_weighted"


def _named(name: str) -> NamedObjective:
    return OBJECTIVES[name]


LossName = Literal["squared_error", "cross_entropy"]


@dataclass(frozen=True)
class ObjectiveSettings:
    """What is minimised, by names and numbers; the help of each field is in its metadata.

    A weight of None stands for the default of the objective, which for most penalties is a weight found in training by
    an allowed increase of the reconstruction error.

    Raises:
        InvalidValue: A name that is not known, a weight that is negative, not finite or for an objective without one,
            or a method for an objective without a Jacobian.
        InvalidType: A value of another type.
    """

    objective: str = setting(DEFAULT_OBJECTIVE, "Objective that is minimised.", choices=OBJECTIVES)
    weight: float | None = setting(
        None,
        "Weight of the penalty (denoising: sigma of the noise).",
        by_data="found in training by the allowed error increase",
        least=0,
    )
    loss: LossName = setting("squared_error", "Reconstruction loss, summed over features.")
    method: Method = setting("auto", "How the squared norm of the Jacobian is computed in training.")
    penalty_rows: str = setting(
        "auto", "Rows of each batch on which the Jacobian penalty is computed: auto, a share (0.25) or a count (32)."
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "penalty_rows", str(self.penalty_rows))
        check_settings(self)
        if self.weight and not self.record.weight_name:
            remedy = "It has no penalty: leave it out, or choose another objective."
            raise InvalidValue("weight", f"be 0 for the objective {self.objective}", self.weight, remedy)
        self._rows()
        if (self.method, self.penalty_rows) != ("auto", "auto"):
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
        return replace(self, weight=self.record.default if self.weight is None else self.weight)

    def make(self) -> Objective:
        """Make the objective; a weight that is to be found is 1."""
        weight = next((one for one in (self.weight, self.record.default) if one is not None), 1.0)
        made = self.record.make(weight, loss=LOSSES[self.loss])
        chosen = {"method": self.method, "penalty_rows": self._rows()}
        chosen = {name: value for name, value in chosen.items() if value != "auto"}
        for name, value in chosen.items():
            if not any(hasattr(term.penalty, name) for term in made.terms):
                rule = f"be auto for the objective {self.objective}"
                raise InvalidValue(name, rule, repr(value), "It has no Jacobian norm.")
        return replace(made, terms=tuple(_with_choices(term, chosen) for term in made.terms))

    def _rows(self) -> PenaltyRows:
        """Return `penalty_rows` as a number, if it is one: 1.0 is a share, 1 a count."""
        for kind in (int, float):
            try:
                rows: Any = kind(self.penalty_rows)
            except ValueError:
                rows = self.penalty_rows
            else:
                break
        check_penalty_rows(rows)
        return rows


def _with_choices(term: Term, chosen: Mapping[str, Any]) -> Term:
    penalty: Any = term.penalty
    taken = {name: value for name, value in chosen.items() if hasattr(penalty, name)}
    return replace(term, penalty=replace(penalty, **taken)) if taken else term
