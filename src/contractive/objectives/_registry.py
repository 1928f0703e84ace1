"""The kinds of autoencoder that are compared, each with one strength to set."""

from collections.abc import Callable
from dataclasses import dataclass

from contractive import objectives
from contractive.objectives._presets import Loss, Objective


@dataclass(frozen=True)
class Reference:
    """What an unpenalised fit tells about scales, from which a search starts.

    Attributes:
        error: Validation reconstruction error per example.
        squared_norm: Validation mean of ||J||_F^2.
        feature_sd: Root mean square over features of their standard deviation in the training data.
    """

    error: float
    squared_norm: float
    feature_sd: float


@dataclass(frozen=True)
class Variant:
    """One kind of autoencoder.

    Attributes:
        make: (strength, loss) -> objective; a strength of None for a variant without one.
        strength: What the strength is, in words; empty without one.
        guess: (error increase, reference) -> a strength that raises the reconstruction error by about as much.
        exponent: How the error increase grows with the strength near there: increase ~ strength^exponent.
    """

    make: Callable[[float, Loss], Objective]
    strength: str = ""
    guess: Callable[[float, Reference], float] | None = None
    exponent: float = 1.0


VARIANTS: dict[str, Variant] = {
    "standard": Variant(lambda strength, loss: objectives.standard(loss=loss)),
    "denoising": Variant(
        lambda strength, loss: objectives.denoising(strength, loss=loss),
        "sigma of the Gaussian noise on the inputs",
        lambda increase, reference: 0.3 * reference.feature_sd,
        exponent=2.0,
    ),
    "sparse": Variant(
        lambda strength, loss: objectives.sparse(strength, loss=loss),
        "weight of the KL divergence from a mean activation of 0.05",
        lambda increase, reference: 0.1 * increase * reference.error,
    ),
    "contractive": Variant(
        lambda strength, loss: objectives.contractive(strength, loss=loss),
        "weight of ||J||_F^2",
        lambda increase, reference: increase * reference.error / reference.squared_norm,
    ),
    "higher-order": Variant(
        lambda strength, loss: objectives.higher_order(strength, loss=loss),
        "weight of ||J||_F^2 + E||J(x) - J(x+e)||_F^2, sigma 0.1",
        lambda increase, reference: 0.5 * increase * reference.error / reference.squared_norm,
    ),
    "reconstruction-contractive": Variant(
        lambda strength, loss: objectives.reconstruction_contractive(strength, loss=loss),
        "weight of the squared norm of the Jacobian of reconstruction",
        lambda increase, reference: increase * reference.error / 20,
    ),
    "weight-decay": Variant(
        lambda strength, loss: objectives.weight_decay(strength, loss=loss),
        "weight of the sum of squared weights",
        lambda increase, reference: 1e-3 * increase * reference.error,
    ),
}
DEFAULT_VARIANTS = ("standard", "denoising", "sparse", "contractive")
