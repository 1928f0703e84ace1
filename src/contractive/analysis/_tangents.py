"""Tangent directions of the data that the encoder has found, and walks along them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import apply, check_count, check_rows
from contractive.analysis._examples import right_singular

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Tangents:
    """Leading right singular vectors of J: the directions in which the code still moves.

    Attributes:
        basis: Orthonormal rows per point, the most sensitive first, (points, tangents, features).
        values: All singular values, descending, (points, min(code, features)).
        shape: The features' own shape.
    """

    basis: Tensor
    values: Tensor
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Walks:
    """Straight walks x + t v in the input, and what the autoencoder makes of them.

    Attributes:
        steps: t, in the units of x, (steps,).
        inputs: x + t v, (points, steps, *features).
        reconstructions: g(f(x + t v)), likewise.
    """

    steps: Tensor
    inputs: Tensor
    reconstructions: Tensor


@torch.no_grad()
def tangents(encode: Map, x: Tensor, num_tangents: int = 8) -> Tangents:
    """Compute tangent vectors at the points x (points, *features): leading right singular vectors of the Jacobian.

    Rifai et al., "The Manifold Tangent Classifier" (NIPS 2011), section 4.

    Raises:
        ValueError: No point, `num_tangents` below 1 or above min(code, features).
    """
    check_rows(x, 1)
    check_count("num_tangents", num_tangents)
    values, basis = right_singular(encode, x, num_tangents)
    _check_tangents(num_tangents, values)
    return Tangents(basis, values, tuple(x.shape[1:]))


@torch.no_grad()
def walks(reconstruct: Map, x: Tensor, directions: Tensor, steps: Sequence[float]) -> Walks:
    """Walk from every point x (points, *features) along its direction, and reconstruct.

    Args:
        reconstruct: g(f(x)), for instance an `Autoencoder`.
        x: Points.
        directions: One per point, (points, features) or in the shape of x; scaled to unit length.
        steps: Lengths t in the units of x, for instance from -2 to 2.

    Raises:
        ValueError: Directions that are not one per point, or zero; no step.
    """
    check_rows(x, 1)
    if directions.numel() != x.numel() or len(directions) != len(x):
        raise ValueError(
            f"directions must be one per point, {tuple(x.shape)}, got {tuple(directions.shape)}."
            " Take `tangents(...).basis[:, 0]`."
        )
    if not len(steps):
        raise ValueError("steps must hold at least one length, got none. For instance (-1, 0, 1).")
    flat = directions.flatten(1)
    lengths = flat.norm(dim=1, keepdim=True)
    if not bool((lengths > 0).all()):
        raise ValueError("directions must not be zero, got a zero direction. Is the Jacobian zero there?")
    t = torch.tensor(list(steps), dtype=x.dtype, device=x.device)
    moved = x.flatten(1).unsqueeze(1) + t[:, None] * (flat / lengths).unsqueeze(1)  # (points, steps, features)
    inputs = moved.view(len(x), len(t), *x.shape[1:])
    outputs = apply(reconstruct, inputs.flatten(0, 1))
    return Walks(t, inputs, outputs.view(len(x), len(t), *x.shape[1:]))


def _check_tangents(num_tangents: int, values: Tensor) -> None:
    if num_tangents > values.shape[1]:
        raise ValueError(
            f"num_tangents must be at most {values.shape[1]}, the smaller of code and features, got {num_tangents}."
            " Take fewer."
        )
