"""Tangent directions put to use: tangent propagation and tangent distance (Rifai et al., NIPS 2011). Needs torch only.

The directions themselves, the leading right singular vectors of an encoder's Jacobian, come from `jacobian.leading`;
`tangent_files` keeps those of a whole data set on disk.
"""

from contractive.tangents._distance import Neighbors, neighbors, orthonormal, squared_distances
from contractive.tangents._propagation import OUTPUTS, propagation

__all__ = [
    # invariance of a classifier
    "propagation",
    "OUTPUTS",
    # distance between points with their tangent planes
    "squared_distances",
    "neighbors",
    "Neighbors",
    "orthonormal",
]
