"""The objectives by name: one record holds all that any part of the library knows about one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from contractive.objectives import _presets
from contractive.objectives._presets import Loss, Objective


@dataclass(frozen=True)
class Reference:
    """Scales found by an unpenalised fit, from which the search for a weight starts.

    Attributes:
        error: Validation reconstruction error per example.
        squared_norm: Validation mean of ||J||_F^2.
        feature_sd: Root mean square over features of their standard deviation in the training data.
    """

    error: float
    squared_norm: float
    feature_sd: float


@dataclass(frozen=True)
class NamedObjective:
    """An objective that Python, the command line, estimators, tables and pages know by name.

    Attributes:
        name: The name everywhere.
        make: (weight, loss) -> objective; without a weight the first is ignored.
        help: One sentence on what it does, with its source.
        label: The name as text of a page.
        color: Its colour in every picture, `#rrggbb`.
        symbol: Its marker, one of plotly's.
        weight_name: Name of its one number: `weight`, `noise`, or empty without one.
        weight_help: The number in words.
        default: The number, where none is given and none is searched; None for one that is always searched.
        guess: (error increase, reference) -> weight that costs about this relative increase of the reconstruction
            error, from which a search starts; None without a number.
        exponent: The increase grows like weight^exponent near there.
        searched: Whether `fit_with_max_error_increase` can find its weight, which its terms then have.
        compared: Whether it is in a comparison that names no objectives.
    """

    name: str
    make: Callable[[float, Loss], Objective]
    help: str
    label: str
    color: str
    symbol: str = "circle"
    weight_name: Literal["weight", "noise", ""] = ""
    weight_help: str = ""
    default: float | None = None
    guess: Callable[[float, Reference], float] | None = None
    exponent: float = 1.0
    searched: bool = False
    compared: bool = False


# Colours were found by search: at least 2.7 : 1 against white and against near-black, and as far apart as can be for
# normal sight, protanopia, deuteranopia and tritanopia (Machado et al. 2009); the symbols repeat the distinction.
_RECORDS = (
    NamedObjective(
        "standard",
        lambda weight, loss: _presets.standard(loss=loss),
        "Reconstruction error alone; the reference for all others.",
        label="standard",
        color="#7a757e",
        default=0.0,
        compared=True,
    ),
    NamedObjective(
        "denoising",
        lambda noise, loss: _presets.denoising(noise, loss=loss),
        "Reconstructs the clean input from one with Gaussian noise (Vincent et al. 2008).",
        label="denoising",
        color="#2b7cf0",
        symbol="square",
        weight_name="noise",
        weight_help="sigma of the Gaussian noise on the inputs",
        default=0.3,
        guess=lambda increase, reference: 0.3 * reference.feature_sd,
        exponent=2.0,
        compared=True,
    ),
    NamedObjective(
        "sparse",
        lambda weight, loss: _presets.sparse(weight, loss=loss),
        "Adds a penalty on units that are active too often (Lee et al. 2008; Ng 2011).",
        label="sparse",
        color="#17af84",
        symbol="triangle-up",
        weight_name="weight",
        weight_help="weight of the KL divergence from a mean activation of 0.05",
        guess=lambda increase, reference: 0.1 * increase * reference.error,
        searched=True,
        compared=True,
    ),
    NamedObjective(
        "contractive",
        lambda weight, loss: _presets.contractive(weight, loss=loss),
        "Adds the squared Frobenius norm of the encoder's Jacobian (Rifai et al. 2011).",
        label="contractive",
        color="#d9420f",
        symbol="diamond",
        weight_name="weight",
        weight_help="weight of ||J||_F^2",
        guess=lambda increase, reference: increase * reference.error / reference.squared_norm,
        searched=True,
        compared=True,
    ),
    NamedObjective(
        "higher_order",
        lambda weight, loss: _presets.higher_order(weight, loss=loss),
        "Also penalises how fast the Jacobian changes nearby (Rifai et al. 2011, ECML).",
        label="higher order",
        color="#bf4dba",
        symbol="star",
        weight_name="weight",
        weight_help="weight of ||J||_F^2 + E||J(x) - J(x+e)||_F^2, sigma 0.1",
        guess=lambda increase, reference: 0.5 * increase * reference.error / reference.squared_norm,
        searched=True,
    ),
    NamedObjective(
        "reconstruction_contractive",
        lambda weight, loss: _presets.reconstruction_contractive(weight, loss=loss),
        "Penalises the Jacobian of encoder and decoder together (Alain and Bengio 2014).",
        label="reconstruction contractive",
        color="#a39b2c",
        symbol="hexagon",
        weight_name="weight",
        weight_help="weight of the squared norm of the Jacobian of reconstruction",
        guess=lambda increase, reference: increase * reference.error / 20,
        searched=True,
    ),
    NamedObjective(
        "contractive_denoising",
        lambda weight, loss: _presets.contractive_denoising(weight, loss=loss),
        "Adds the contractive penalty to denoising, at the noisy input (Chen et al. 2013).",
        label="contractive denoising",
        color="#7800ff",
        symbol="star-diamond",
        weight_name="weight",
        weight_help="weight of ||J||_F^2 at inputs with Gaussian noise of sigma 0.3",
        guess=lambda increase, reference: increase * reference.error / reference.squared_norm,
        searched=True,
    ),
    NamedObjective(
        "l1",
        lambda weight, loss: _presets.l1(weight, loss=loss),
        "Adds the sum of absolute values of the code.",
        label="L1",
        color="#705848",
        symbol="triangle-down",
        weight_name="weight",
        weight_help="weight of the sum of absolute values of the code",
        guess=lambda increase, reference: 0.1 * increase * reference.error,
        searched=True,
    ),
    NamedObjective(
        "weight_decay",
        lambda weight, loss: _presets.weight_decay(weight, loss=loss),
        "Adds the sum of squared weights.",
        label="weight decay",
        color="#9f90da",
        symbol="cross",
        weight_name="weight",
        weight_help="weight of the sum of squared weights",
        default=1e-4,
        guess=lambda increase, reference: 1e-3 * increase * reference.error,
    ),
)
OBJECTIVES: dict[str, NamedObjective] = {record.name: record for record in _RECORDS}
