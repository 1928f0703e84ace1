"""Check a user-supplied contractive penalty: value, gradient and reduction, and the known mistakes by name.

Most public code computes something else than ||J||_F^2, and values at freshly drawn weights hide it. Here value and
gradient are compared with the Jacobian by its definition, at weights of a trained net's size, before and after a move.
"""

from contractive.objectives.check._check import check_penalty
from contractive.objectives.check._report import MISTAKES, EncoderCheck, PenaltyCheck

__all__ = ["check_penalty", "PenaltyCheck", "EncoderCheck", "MISTAKES"]
