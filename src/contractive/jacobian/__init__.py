"""The Jacobian of an encoder: its squared norm, its singular values and itself. Needs torch only.

Calling the module, `contractive.jacobian(f, x)`, is calling the function `jacobian` in it.
"""

import sys
from types import ModuleType

from contractive.jacobian._chain import is_altered
from contractive.jacobian._gains import value_and_gain_weighted_norm
from contractive.jacobian._held import BatchStatistics
from contractive.jacobian._independence import check_independent_rows
from contractive.jacobian._layers import Center, PartlyLinear
from contractive.jacobian._leading import Leading, OperatorNorm, leading, operator_norm
from contractive.jacobian._linearise import Linearisation, linearise
from contractive.jacobian._measures import NORMS, Norm, value_and_norm
from contractive.jacobian._norms import (
    jacobian,
    plan,
    singular_values,
    squared_norm,
    value_and_jacobian,
    value_and_squared_norm,
    value_norm_and_difference,
)
from contractive.jacobian._operations import checkpointed
from contractive.jacobian._outputs import Output
from contractive.jacobian._plan import MEMORY_BUDGET, METHODS, METHODS_OF_NORMS, PLAIN_STEP, Method, Plan
from contractive.jacobian._shared import Encode, uncompiled

__all__ = ["value_and_squared_norm", "squared_norm", "value_norm_and_difference", "value_and_gain_weighted_norm"]
# other norms, along directions
__all__ += ["value_and_norm", "NORMS", "Norm"]
# the matrix
__all__ += ["jacobian", "value_and_jacobian", "singular_values"]
# products with the Jacobian, and its leading directions
__all__ += ["linearise", "Linearisation", "leading", "Leading", "operator_norm", "OperatorNorm"]
# a map that runs once in a step, and one of several outputs
__all__ += ["Encode", "Output"]
# a layer whose structure the formulas read
__all__ += ["Center", "PartlyLinear"]
# around encoders with activation checkpointing
__all__ += ["checkpointed", "uncompiled"]
# how the norm is computed
__all__ += ["plan", "Plan", "METHODS", "METHODS_OF_NORMS", "Method", "MEMORY_BUDGET", "PLAIN_STEP", "is_altered"]
# what an encoder must obey
__all__ += ["check_independent_rows", "BatchStatistics"]


class _CallableModule(ModuleType):
    """Lets `contractive.jacobian` be both this module and the function of the same name."""

    __call__ = staticmethod(jacobian)


sys.modules[__name__].__class__ = _CallableModule
