"""What is minimised: losses, corruptions, penalties, and the named objectives made of them. Needs torch only."""

from contractive.objectives._corruption import Corruption, Gaussian, Interpolation, Masking, SaltAndPepper
from contractive.objectives._objective import (
    LOSSES,
    Loss,
    Objective,
    Term,
    Values,
    compose,
    cross_entropy,
    map_of,
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
from contractive.objectives._registry import (
    DEFAULT_OBJECTIVE,
    OBJECTIVES,
    LossName,
    NamedObjective,
    ObjectiveSettings,
    Reference,
)

__all__ = ["Objective", "Term", "Values", "compose", "map_of"]
# presets
__all__ += ["standard", "weight_decay", "denoising", "sparse", "l1"]
__all__ += ["contractive", "higher_order", "reconstruction_contractive", "gain_weighted", "contractive_denoising"]
__all__ += ["largest_singular_value", "jacobian_l1", "isometric", "nuclear"]
# losses
__all__ += ["Loss", "LOSSES", "squared_error", "cross_entropy"]
# penalties
__all__ += ["Penalty", "Encode", "JacobianNorm", "GainWeightedNorm", "HigherOrder", "KLSparsity", "code_l1"]
__all__ += ["squared_weights", "tangent_propagation", "OUTPUTS", "PenaltyRows", "num_penalty_rows"]
# corruptions
__all__ += ["Corruption", "Gaussian", "Masking", "SaltAndPepper", "Interpolation"]
# by name
__all__ += ["OBJECTIVES", "DEFAULT_OBJECTIVE", "NamedObjective", "Reference", "ObjectiveSettings", "LossName"]
