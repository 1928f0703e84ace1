"""What is minimised: losses, corruptions, penalties, and the named objectives made of them. Needs torch only."""

from contractive.objectives._corruption import Corruption, Gaussian, Masking, SaltAndPepper
from contractive.objectives._penalties import (
    Encode,
    HigherOrder,
    JacobianNorm,
    KLSparsity,
    Penalty,
    code_l1,
    squared_weights,
)
from contractive.objectives._presets import (
    LOSSES,
    Loss,
    Objective,
    Term,
    Values,
    compose,
    contractive,
    contractive_denoising,
    cross_entropy,
    denoising,
    higher_order,
    l1,
    reconstruction_contractive,
    sparse,
    squared_error,
    standard,
    weight_decay,
)
from contractive.objectives._propagation import OUTPUTS, propagation
from contractive.objectives._registry import OBJECTIVES, NamedObjective, Reference
from contractive.objectives._settings import LossName, ObjectiveSettings

__all__ = [
    "Objective",
    "Term",
    "Values",
    # presets
    "standard",
    "weight_decay",
    "denoising",
    "sparse",
    "l1",
    "contractive",
    "higher_order",
    "reconstruction_contractive",
    "contractive_denoising",
    "compose",
    # losses
    "Loss",
    "LOSSES",
    "squared_error",
    "cross_entropy",
    # penalties
    "Penalty",
    "Encode",
    "JacobianNorm",
    "HigherOrder",
    "KLSparsity",
    "code_l1",
    "squared_weights",
    "propagation",
    "OUTPUTS",
    # corruptions
    "Corruption",
    "Gaussian",
    "Masking",
    "SaltAndPepper",
    # by name
    "OBJECTIVES",
    "NamedObjective",
    "Reference",
    "ObjectiveSettings",
    "LossName",
]
