"""The Jacobian of single examples: what moves each unit, which features matter, what goes unseen."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import check_labels, check_rows, code_size, parts
from contractive.analysis._principal import positive
from contractive.jacobian import MEMORY_BUDGET, jacobian

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class ExampleJacobians:
    """Jacobians of a few examples, and their singular vectors.

    Attributes:
        matrices: J, one row per code unit, (examples, code, features).
        values: Singular values, descending, (examples, min(code, features)).
        directions: The input directions that belong to them, unit length, (examples, min(code, features), features):
            the first moves the code most, the last least of those. Where the code is smaller than the input, all
            directions orthogonal to these do not move it at all (to first order).
        shape: The features' own shape, for instance (28, 28).
    """

    matrices: Tensor
    values: Tensor
    directions: Tensor
    shape: tuple[int, ...]

    @property
    def feature_norms(self) -> Tensor:
        """||dz/dx_j||, the length of each column: how much each input feature moves the code, (examples, features)."""
        return self.matrices.norm(dim=1)

    @property
    def unit_norms(self) -> Tensor:
        """||dz_i/dx||, the length of each row: how sensitive each code unit is, (examples, code)."""
        return self.matrices.norm(dim=2)

    def least_contracted(self, num: int = 3) -> Tensor:
        """The input directions that move the code most, most first, (examples, num, features)."""
        return self.directions[:, :num]

    def most_contracted(self, num: int = 3) -> Tensor:
        """The input directions of the smallest singular values, smallest first, (examples, num, features)."""
        return self.directions.flip(1)[:, :num]


@torch.no_grad()
def example_jacobians(encode: Map, x: Tensor) -> ExampleJacobians:
    """Compute the whole Jacobian of a few examples x (examples, *features), with its singular vectors.

    Raises:
        ValueError: So many examples that the matrices would not fit the memory budget of 256 MiB; no example.
    """
    check_rows(x, 1)
    most = MEMORY_BUDGET // (code_size(encode, x) * x[0].numel() * x.element_size())
    if len(x) > max(most, 1):
        raise ValueError(f"x must have at most {max(most, 1)} examples for this code, got {len(x)}. Choose a few.")
    matrices = jacobian(encode, x)
    values, vectors = decompose(matrices)
    return ExampleJacobians(matrices, values, vectors, tuple(x.shape[1:]))


def one_per_class(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The row of each class nearest to the mean of its class: (rows (classes, *features), their labels).

    Raises:
        ValueError: Labels that are not one per row.
    """
    check_rows(x, 1)
    check_labels(labels, x)
    classes = labels.unique()
    chosen = []
    for label in classes:
        members = x[labels == label]
        away = (members - members.mean(0)).flatten(1).norm(dim=1)
        chosen.append(members[away.argmin()])
    return torch.stack(chosen), classes


@torch.no_grad()
def right_singular(encode: Map, x: Tensor, num: int | None = None) -> tuple[Tensor, Tensor]:
    """(singular values (rows, n), right singular vectors (rows, num, features)) of J at the rows of x, in parts."""
    per_row = 4 * code_size(encode, x) * x[0].numel()
    found = []
    for part in parts(x, per_row):
        values, vectors = decompose(jacobian(encode, part))
        found.append((values, vectors[:, :num].clone()))  # a view would keep all vectors
    return torch.cat([values for values, _ in found]), torch.cat([vectors for _, vectors in found])


def decompose(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Singular values and right singular vectors as rows; through a QR factorisation where there are more columns."""
    if matrices.shape[1] >= matrices.shape[2]:
        _, values, vectors = torch.linalg.svd(matrices, full_matrices=False)
        return values, positive(vectors)
    q, r = torch.linalg.qr(matrices.mT)  # J = R^T Q^T, Q (features, code)
    _, values, vectors = torch.linalg.svd(r.mT)
    return values, positive(vectors @ q.mT)
