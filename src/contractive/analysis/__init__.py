"""Measurements of trained encoders, each a function that returns a frozen dataclass. Needs torch only."""

from contractive.analysis._codes import Codes, codes
from contractive.analysis._evaluate import apply, spread_rows
from contractive.analysis._norms import Norms, norms
from contractive.analysis._reconstruction import Reconstruction, reconstruction
from contractive.analysis._sensitivity import Sensitivity, sensitivity

__all__ = [
    # how much the code moves
    "sensitivity",
    "Sensitivity",
    "norms",
    "Norms",
    # what is left of the data
    "reconstruction",
    "Reconstruction",
    # what codes look like
    "codes",
    "Codes",
    # over many rows
    "apply",
    "spread_rows",
]
