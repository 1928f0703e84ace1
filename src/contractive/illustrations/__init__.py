"""Phenomena of contraction shown on small problems: numbers, a finding made from them, and pictures."""

from contractive.illustrations._denoising_link import DenoisingLink, denoising_link
from contractive.illustrations._manifold import Manifold, manifold
from contractive.illustrations._one_dimensional import OneDimensional, one_dimensional
from contractive.illustrations._overcomplete import Overcomplete, overcomplete
from contractive.illustrations._principal_directions import PrincipalDirections, principal_directions
from contractive.illustrations._saturation import Saturation, saturation
from contractive.illustrations._sparse_link import SparseLink, sparse_link
from contractive.illustrations._topic import Illustration, Picture, Table, Tile, Topic
from contractive.illustrations._topics import TOPICS
from contractive.illustrations._weight_tradeoff import WeightTradeoff, weight_tradeoff

__all__ = [
    # what contraction does
    "one_dimensional",
    "OneDimensional",
    "principal_directions",
    "PrincipalDirections",
    "overcomplete",
    "Overcomplete",
    "manifold",
    "Manifold",
    # its relatives
    "denoising_link",
    "DenoisingLink",
    "sparse_link",
    "SparseLink",
    # on digits
    "saturation",
    "Saturation",
    "weight_tradeoff",
    "WeightTradeoff",
    # all of them by name, and what each gives
    "TOPICS",
    "Topic",
    "Illustration",
    "Picture",
    "Table",
    "Tile",
]
