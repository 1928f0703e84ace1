"""Results of sections that are made of several measures."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from contractive.analysis import ExampleJacobians, PrincipalComponents, Reconstruction, Robustness, Tangents, Walks


@dataclass(frozen=True)
class Reconstructions:
    """Errors, and a few rows with what comes out of them.

    Attributes:
        parts: By part, for instance `test rows` and `training rows`.
        inputs: A few measured rows, (examples, features).
        outputs: Their reconstructions.
        noisy: The rows with Gaussian noise of level 1.
        noisy_outputs: Reconstructions of these.
        collapsed: Sentences if the autoencoder learned nothing.
    """

    parts: Mapping[str, Reconstruction]
    inputs: Tensor
    outputs: Tensor
    noisy: Tensor
    noisy_outputs: Tensor
    collapsed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Examples:
    """A few rows looked at one by one.

    Attributes:
        inputs: (examples, features).
        headings: One per example.
        jacobians: Of these rows.
        tangents: Of these rows.
        walks: From these rows along the first tangent.
    """

    inputs: Tensor
    headings: tuple[str, ...]
    jacobians: ExampleJacobians
    tangents: Tangents
    walks: Walks


@dataclass(frozen=True)
class FeatureSensitivity:
    """How much each input feature moves the code, over many rows.

    Attributes:
        groups: `all rows`, then the classes where there are any.
        feature_norms: sqrt(E||dz/dx_j||^2) over the rows of the group, (groups, features).
        num_points: Rows of the first group.
    """

    groups: tuple[str, ...]
    feature_norms: Tensor
    num_points: int


@dataclass(frozen=True)
class Map:
    """Codes in the plane.

    Attributes:
        components: The first two principal components.
        umap: Coordinates by UMAP, (rows, 2); None without the library.
        inputs: The rows that are mapped.
        labels: Class numbers of these rows, or None.
    """

    components: PrincipalComponents
    umap: Tensor | None
    inputs: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class RobustCode:
    """Accuracy of a linear probe on the code under noise and attack.

    Attributes:
        curves: By disturbance: `Gaussian noise`, `Attack, L2`, `Attack, L∞`.
        levels: By disturbance, its sizes as levels: noise of the same length per row, or per entry for L∞, has that
            level.
        clean: Accuracy without any.
        chance: Share of the most frequent class.
        num_train: Rows the probe was fitted to.
        num_test: Rows it was tested on.
    """

    curves: Mapping[str, Robustness]
    levels: Mapping[str, tuple[float, ...]]
    clean: float
    chance: float
    num_train: int
    num_test: int
