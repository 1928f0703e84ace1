"""Singular vectors of Jacobians at single examples: what code and reconstruction follow, and whether the data do.

Notation: the right singular vectors of J (k x d), by descending singular value, are unit directions of the input, and
so are the left ones of J_r (d x d); the leading ones span the tangent space that was found. Vectors are rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from contractive.analysis._rows import (
    Generator,
    Map,
    apply,
    check_labels,
    check_rows,
    code_size,
    nearest,
    parts,
    positive,
    principal_axes,
    spread_rows,
)
from contractive.core.errors import InvalidType, InvalidValue, check_choice
from contractive.core.randomness import draw
from contractive.core.results import Result, TableResult
from contractive.jacobian import MEMORY_BUDGET, jacobian
from contractive.models import Autoencoder

TangentsOf = Literal["reconstruction", "encoder"]


@dataclass(frozen=True, repr=False)
class ExampleJacobians(Result):
    """Jacobians of a few examples, and their singular vectors: the first direction changes the code most.

    Where the code is smaller than the input, all directions orthogonal to these do not change it (to first order).
    """

    matrices: Tensor  # J, one row per code unit, (examples, code, features)
    values: Tensor  # singular values, descending, (examples, min(code, features))
    directions: Tensor  # unit input directions that belong to them, (examples, min(code, features), features)
    shape: tuple[int, ...]  # the features' own shape, for instance (28, 28)

    @property
    def feature_norms(self) -> Tensor:
        """||dz/dx_j||, the length of each column: how much each feature changes the code, (examples, features)."""
        return self.matrices.norm(dim=1)

    @property
    def unit_norms(self) -> Tensor:
        """||dz_i/dx||, the length of each row: how sensitive each code unit is, (examples, code)."""
        return self.matrices.norm(dim=2)

    def least_contracted(self, num: int = 3) -> Tensor:
        """Return the input directions that change the code most, most first, (examples, num, features)."""
        return self.directions[:, :num]

    def most_contracted(self, num: int = 3) -> Tensor:
        """Return the input directions of the smallest singular values, smallest first, (examples, num, features)."""
        return self.directions.flip(1)[:, :num]


@torch.no_grad()
def example_jacobians(encode: Map, x: Tensor) -> ExampleJacobians:
    """Compute the whole Jacobian of a few examples x (examples, *features), with its singular vectors."""
    check_rows(x, 1)
    most = max(1, MEMORY_BUDGET // (code_size(encode, x) * x[0].numel() * x.element_size()))
    if len(x) > most:
        raise InvalidValue("x", f"have at most {most} examples for this code", len(x), "Choose a few.")
    matrices = jacobian(encode, x)
    values, vectors = decompose(matrices)
    return ExampleJacobians(matrices, values, vectors, tuple(x.shape[1:]))


def one_per_class(x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the row of each class nearest to the mean of its class: (rows (classes, *features), their labels)."""
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
    """Return (singular values (rows, n), right singular vectors (rows, num, features)) of J at the rows of x."""
    found = []
    for part in parts(x, 4 * code_size(encode, x) * x[0].numel()):
        values, vectors = decompose(jacobian(encode, part))
        found.append((values, vectors[:, :num].clone()))  # a view would keep all vectors
    return torch.cat([values for values, _ in found]), torch.cat([vectors for _, vectors in found])


def decompose(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """Return singular values and right singular vectors; through a QR factorisation where there are more columns."""
    if matrices.shape[1] >= matrices.shape[2]:
        _, values, vectors = torch.linalg.svd(matrices, full_matrices=False)
        return values, positive(vectors)
    q, r = torch.linalg.qr(matrices.mT)  # J = R^T Q^T, Q (features, code): the SVD is of a small square matrix
    _, values, vectors = torch.linalg.svd(r.mT)
    return values, positive(vectors @ q.mT)


def factored(encode: Map, decode: Map, x: Tensor) -> tuple[Tensor | None, Tensor]:
    """Return (Q, M) for the Jacobian J_r = Q M P^T of the reconstruction; M is small, Q and P have orthonormal columns.

    J_g = Q R_g and J_f^T = P R_f are QR factorisations and M = R_g R_f^T, so that J_r, features x features, is never
    formed where the code is smaller; else M is J_r, and Q is None.
    """
    if code_size(encode, x) >= x[0].numel():
        return None, jacobian(lambda rows: decode(encode(rows)), x)
    outer = jacobian(lambda code: decode(code), encode(x))  # a plain function is done by columns: k of them
    basis, triangle = torch.linalg.qr(outer)
    return basis, triangle @ torch.linalg.qr(jacobian(encode, x).mT)[1].mT


def reconstruction_parts(encode: Map, x: Tensor) -> tuple[Tensor, ...]:
    """Split the rows of x such that `factored` fits the memory budget."""
    return parts(x, 8 * x[0].numel() * min(code_size(encode, x), x[0].numel()))


@torch.no_grad()
def left_singular(encode: Map, decode: Map, x: Tensor, num: int) -> tuple[Tensor, Tensor]:
    """Return (singular values (rows, n), left singular vectors (rows, num, features)) of J_r at the rows of x."""
    found = []
    for part in reconstruction_parts(encode, x):
        basis, matrix = factored(encode, decode, part)
        left, values, _ = torch.linalg.svd(matrix, full_matrices=False)
        vectors = left[:, :, :num] if basis is None else basis @ left[:, :, :num]
        found.append((values, positive(vectors.mT)))
    return torch.cat([values for values, _ in found]), torch.cat([vectors for _, vectors in found])


def tangents_of(model: Map, of: TangentsOf | None = None) -> TangentsOf:
    """Return whose tangents a model has: `of` if given, else of the reconstruction where there is a decoder."""
    if of is None:
        return "reconstruction" if isinstance(model, Autoencoder) else "encoder"
    check_choice("of", of, get_args(TangentsOf), "Leave it out.")
    if of == "reconstruction" and not isinstance(model, Autoencoder):
        raise InvalidType("model", "be an Autoencoder", type(model).__name__, "An encoder alone reconstructs nothing.")
    return of


@dataclass(frozen=True, repr=False)
class Tangents(Result):
    """Leading singular vectors of a Jacobian: the directions in which reconstruction or code still change."""

    basis: Tensor  # orthonormal rows per point, of the largest singular value first, (points, tangents, features)
    values: Tensor  # all singular values, descending, (points, min(code, features))
    shape: tuple[int, ...]  # the features' own shape


@torch.no_grad()
def tangents(model: Map, x: Tensor, num_tangents: int = 8, *, of: TangentsOf | None = None) -> Tangents:
    """Compute tangent vectors at the points x (points, *features): leading singular vectors of a Jacobian.

    Those of the `reconstruction` r = g o f are left singular vectors of J_r: the directions in which a reconstruction
    moves when its row does, which are made by the decoder and lie along the data even where the encoder looks
    elsewhere. They are the default for an `Autoencoder`. Those of the `encoder` are right singular vectors of J (Rifai
    et al., "The Manifold Tangent Classifier", NIPS 2011, section 4), the default for any other map.
    """
    check_rows(x, 1, num_tangents=num_tangents)
    encode = model.encoder if isinstance(model, Autoencoder) else model
    if tangents_of(model, of) == "encoder":
        values, basis = right_singular(encode, x, num_tangents)
    else:
        assert isinstance(model, Autoencoder)
        values, basis = left_singular(encode, model.decoder, x, num_tangents)
    if num_tangents > values.shape[1]:
        rule = f"be at most {values.shape[1]}, the smaller of code and features"
        raise InvalidValue("num_tangents", rule, num_tangents, "Take fewer.")
    return Tangents(basis, values, tuple(x.shape[1:]))


@dataclass(frozen=True, repr=False)
class Walks(Result):
    """Straight walks x + t v in the input, and what the autoencoder makes of them."""

    steps: Tensor  # t, in the units of x, (steps,)
    inputs: Tensor  # x + t v, (points, steps, *features)
    reconstructions: Tensor  # g(f(x + t v)), likewise


@torch.no_grad()
def walks(reconstruct: Map, x: Tensor, directions: Tensor, steps: Sequence[float]) -> Walks:
    """Walk from every point x (points, *features) along its direction, scaled to unit length, and reconstruct.

    `reconstruct` is g(f(x)), for instance an `Autoencoder`. The steps t are in the units of x, for instance -2 to 2.
    """
    check_rows(x, 1)
    if directions.numel() != x.numel() or len(directions) != len(x):
        rule, got = f"be one per point, {tuple(x.shape)}", tuple(directions.shape)
        raise InvalidValue("directions", rule, got, "Take `tangents(...).basis[:, 0]`.")
    if not len(steps):
        raise InvalidValue("steps", "hold at least one length", "none", "For instance (-1, 0, 1).")
    flat = directions.flatten(1)
    lengths = flat.norm(dim=1, keepdim=True)
    if not bool((lengths > 0).all()):
        raise InvalidValue("directions", "not be zero", "a zero direction", "Is the Jacobian zero there?")
    t = torch.tensor(list(steps), dtype=x.dtype, device=x.device)
    flat_inputs = x.flatten(1).unsqueeze(1) + t[:, None] * (flat / lengths).unsqueeze(1)  # (points, steps, features)
    inputs = flat_inputs.view(len(x), len(t), *x.shape[1:])
    return Walks(t, inputs, apply(reconstruct, inputs.flatten(0, 1)).view(inputs.shape))


@dataclass(frozen=True, repr=False)
class TangentAgreement(TableResult):
    """Tangent spaces against the steps ||x_j - x_i||^2 to nearest neighbours j of points i; angles in radians."""

    shares: Tensor  # share of the step in the tangent space, (points, neighbours); NaN for copies
    random_shares: Tensor  # in a random subspace of equal dimension, drawn anew for each point
    principal_shares: Tensor  # in the leading principal directions of all data
    expected_random: float  # the mean share of a random subspace, tangents / features
    angles: Tensor  # ascending principal angles of the tangent spaces, (points, neighbours, tangents)
    random_angles: Tensor  # the same of two random subspaces per point, (points, tangents)

    @property
    def mean_share(self) -> float:
        """Mean of `shares` without the copies."""
        return float(self.shares.nanmean())

    def columns(self) -> dict[str, Tensor]:
        points, neighbors = self.shares.shape
        shares = {"share": self.shares, "principal_share": self.principal_shares, "random_share": self.random_shares}
        return {
            "point": torch.arange(points).repeat_interleave(neighbors),
            "neighbor": torch.arange(1, neighbors + 1).repeat(points),
            **{name: values.flatten() for name, values in shares.items()},
            "mean_angle": self.angles.mean(2).flatten(),
        }


@torch.no_grad()
def tangent_agreement(
    model: Map,
    x: Tensor,
    num_tangents: int = 8,
    *,
    of: TangentsOf | None = None,
    num_neighbors: int = 5,
    num_points: int = 100,
    generator: Generator = None,
) -> TangentAgreement:
    """Compare learned tangent spaces of `num_points` rows with the steps to their nearest rows, and with theirs."""
    check_rows(x, num_neighbors + 1, num_neighbors=num_neighbors, num_points=num_points)
    flat = x.flatten(1)
    chosen = spread_rows(torch.arange(len(x), device=x.device), num_points)
    _, neighbors = nearest(flat[chosen], flat, num_neighbors, skip=chosen)
    needed, position = torch.cat([chosen, neighbors.flatten()]).unique(return_inverse=True)
    basis = tangents(model, x[needed], num_tangents, of=of).basis
    own = basis[position[: len(chosen)]]
    others = basis[position[len(chosen) :]].view(*neighbors.shape, *basis.shape[1:])
    # the Q factor of a Gaussian matrix spans a uniformly distributed subspace
    gaussian = (draw(torch.randn, tuple(own.shape), like=own, generator=generator) for _ in range(2))
    one, other = (torch.linalg.qr(rows.mT)[0].mT for rows in gaussian)
    steps = flat[neighbors] - flat[chosen].unsqueeze(1)
    principal = principal_axes(flat)[1][:num_tangents].expand(len(chosen), -1, -1)
    # ||P step||^2 / ||step||^2 for steps (points, neighbours, features) and bases (points, vectors, features)
    own_shares, random_shares, principal_shares = (
        (steps @ base.mT).square().sum(2) / steps.square().sum(2) for base in (own, one, principal)
    )
    angles, random_angles = principal_angles(own.unsqueeze(1), others), principal_angles(one, other)
    expected = num_tangents / flat.shape[1]
    return TangentAgreement(own_shares, random_shares, principal_shares, expected, angles, random_angles)


def principal_angles(one: Tensor, other: Tensor) -> Tensor:
    """Return principal angles in radians, ascending, between the spans of orthonormal rows (..., vectors, features).

    From sines where an angle is small and from cosines where it is large, either alone loses half the digits there
    (Björck and Golub 1973).
    """
    cosines = torch.linalg.svdvals(one @ other.mT).clamp(max=1)  # descending: angles ascending
    rest = other - (other @ one.mT) @ one
    sines = torch.linalg.svdvals(rest).flip(-1).clamp(max=1)[..., : cosines.shape[-1]]
    return torch.where(cosines.square() > 0.5, sines.asin(), cosines.acos())
