"""Phenomena of contraction shown on small problems: numbers, a finding made from them, and pictures."""

from contractive.studies.illustrations._denoising_link import DenoisingLink, denoising_link
from contractive.studies.illustrations._manifold import Manifold, manifold
from contractive.studies.illustrations._on_digits import (
    Saturation,
    SparseLink,
    WeightTradeoff,
    saturation,
    sparse_link,
    weight_tradeoff,
)
from contractive.studies.illustrations._one_dimensional import OneDimensional, one_dimensional
from contractive.studies.illustrations._overcomplete import Overcomplete, overcomplete
from contractive.studies.illustrations._principal_directions import PrincipalDirections, principal_directions
from contractive.studies.illustrations._topic import Illustration, Table, Topic, topics

# what contraction does
__all__ = ["one_dimensional", "OneDimensional", "principal_directions", "PrincipalDirections", "overcomplete"]
__all__ += ["Overcomplete", "manifold", "Manifold"]
# related penalties
__all__ += ["denoising_link", "DenoisingLink", "sparse_link", "SparseLink"]
# on digits
__all__ += ["saturation", "Saturation", "weight_tradeoff", "WeightTradeoff"]
# all of them by name, and what each gives
__all__ += ["TOPICS", "Topic", "Illustration", "Table"]

TOPICS: dict[str, Topic] = topics(  # in the order of a talk
    one_dimensional=one_dimensional,
    principal_directions=principal_directions,
    overcomplete=overcomplete,
    manifold=manifold,
    denoising_link=denoising_link,
    sparse_link=sparse_link,
    saturation=saturation,
    weight_tradeoff=weight_tradeoff,
)
