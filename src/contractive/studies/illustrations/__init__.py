"""Phenomena of contraction shown on small problems: numbers, a finding made from them, and pictures."""

from contractive.studies.illustrations._denoising_link import DenoisingLink, denoising_link
from contractive.studies.illustrations._manifold import Manifold, manifold
from contractive.studies.illustrations._one_dimensional import OneDimensional, one_dimensional
from contractive.studies.illustrations._overcomplete import Overcomplete, overcomplete
from contractive.studies.illustrations._principal_directions import PrincipalDirections, principal_directions
from contractive.studies.illustrations._saturation import Saturation, saturation
from contractive.studies.illustrations._sparse_link import SparseLink, sparse_link
from contractive.studies.illustrations._topic import Illustration, Table, Tile, Topic
from contractive.studies.illustrations._topics import TOPICS
from contractive.studies.illustrations._weight_tradeoff import WeightTradeoff, weight_tradeoff

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
    "Table",
    "Tile",
]
