"""The illustrations by name, in the order of a talk."""

from contractive.studies.illustrations import (
    _denoising_link,
    _manifold,
    _one_dimensional,
    _overcomplete,
    _principal_directions,
    _saturation,
    _sparse_link,
    _weight_tradeoff,
)
from contractive.studies.illustrations._topic import Topic

_MODULES = (
    _one_dimensional,
    _principal_directions,
    _overcomplete,
    _manifold,
    _denoising_link,
    _sparse_link,
    _saturation,
    _weight_tradeoff,
)
TOPICS: dict[str, Topic] = {module.TOPIC.name: module.TOPIC for module in _MODULES}
