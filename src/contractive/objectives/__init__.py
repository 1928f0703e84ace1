"""What is minimised: losses, corruptions, penalties, and the named objectives made of them. Needs torch only."""

from contractive.objectives._corruption import Corruption, Gaussian, Masking, SaltAndPepper
from contractive.objectives._objective import (
    LOSSES,
    Loss,
    Objective,
    Term,
    Values,
    compose,
    cross_entropy,
    squared_error,
)
from contractive.objectives._penalties import (
    OUTPUTS,
    Encode,
    GainWeightedNorm,
    HigherOrder,
    JacobianNorm,
    KLSparsity,
    Penalty,
    PenaltyRows,
    code_l1,
    num_penalty_rows,
    squared_weights,
    tangent_propagation,
)
from contractive.objectives._registry import (
    OBJECTIVES,
    LossName,
    NamedObjective,
    ObjectiveSettings,
    Reference,
    contractive,
    contractive_denoising,
    denoising,
    gain_weighted,
    higher_order,
    l1,
    reconstruction_contractive,
    sparse,
    standard,
    weight_decay,
)

__all__ = ["Objective", "Term", "Values", "compose"]
# presets
__all__ += ["standard", "weight_decay", "denoising", "sparse", "l1"]
__all__ += ["contractive", "higher_order", "reconstruction_contractive", "gain_weighted", "contractive_denoising"]
# losses
__all__ += ["Loss", "LOSSES", "squared_error", "cross_entropy"]
# penalties
__all__ += ["Penalty", "Encode", "JacobianNorm", "GainWeightedNorm", "HigherOrder", "KLSparsity", "code_l1"]
__all__ += ["squared_weights", "tangent_propagation", "OUTPUTS", "PenaltyRows", "num_penalty_rows"]
# corruptions
__all__ += ["Corruption", "Gaussian", "Masking", "SaltAndPepper"]
# by name
__all__ += ["OBJECTIVES", "NamedObjective", "Reference", "ObjectiveSettings", "LossName"]
