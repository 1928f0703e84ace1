"""What the reconstruction function r = g o f does to the input: its Jacobian, and where it sends points."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from contractive.analysis._evaluate import apply, check_rows, code_size, parts, spread_rows
from contractive.analysis._norms import Norms
from contractive.jacobian import jacobian

Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class VectorField:
    """r(x) - x at some points.

    Attributes:
        points: x, (rows, *features).
        steps: r(x) - x, flattened, (rows, features).
    """

    points: Tensor
    steps: Tensor

    def score(self, sigma: float) -> Tensor:
        """(r(x) - x) / sigma^2, (rows, features): the estimate of grad log p(x) by Alain and Bengio (JMLR 2014).

        `sigma` is the denoising autoencoder's noise, in the units of x. For squared error with the penalty
        weight * ||J_r||^2 it is sqrt(weight).

        Raises:
            ValueError: `sigma` not above 0.
        """
        if not sigma > 0:
            raise ValueError(f"sigma must be above 0, got {sigma}. It is the noise the autoencoder was trained with.")
        return self.steps / sigma**2


@dataclass(frozen=True)
class ScoreError:
    """An estimated score against the true one.

    Attributes:
        cosines: Cosine of the two vectors at each point, (rows,): independent of sigma; NaN where one is zero.
        relative: sqrt(sum ||estimate - truth||^2 / sum ||truth||^2) over all points: 0 is perfect, 1 as good as zero.
    """

    cosines: Tensor
    relative: float

    @property
    def mean_cosine(self) -> float:
        """Mean of `cosines` where there is one."""
        return float(self.cosines.nanmean())


@torch.no_grad()
def vector_field(reconstruct: Map, x: Tensor) -> VectorField:
    """Compute r(x) - x at the rows of x (rows, *features), for instance at the points of `grid`.

    Raises:
        ValueError: A reconstruction that has not the features of x.
    """
    check_rows(x, 1)
    outputs, flat = apply(reconstruct, x), x.flatten(1)
    if outputs.shape != flat.shape:
        raise ValueError(
            f"reconstruct must give the features back, got {outputs.shape[1]} numbers for {flat.shape[1]}."
            " Pass g(f(x))."
        )
    return VectorField(x, outputs - flat)


def score_error(estimate: Tensor, truth: Tensor) -> ScoreError:
    """Compare an estimate of the score with the truth, both (rows, features), for instance of a `GaussianMixture`.

    Raises:
        ValueError: Different shapes, or a truth that is zero everywhere.
    """
    if estimate.shape != truth.shape:
        raise ValueError(
            f"estimate must have the shape of truth, got {tuple(estimate.shape)} and {tuple(truth.shape)}."
            " Flatten both."
        )
    size = truth.square().sum()
    if not bool(size > 0):
        raise ValueError("truth must not be zero everywhere, got only zeros. Take points away from the mode.")
    lengths = estimate.norm(dim=1) * truth.norm(dim=1)
    relative = ((estimate - truth).square().sum() / size).sqrt()
    return ScoreError((estimate * truth).sum(1) / lengths, float(relative))


@torch.no_grad()
def reconstruction_norms(encode: Map, decode: Map, x: Tensor, *, num_points: int = 200) -> Norms:
    """Compute ||J_r||_F^2 and sigma_max of r = g o f exactly at evenly spaced rows of x (rows, *features).

    The Jacobian of the reconstruction, features x features, is never formed where the code is smaller: J_r = J_g J_f
    has the singular values of R_g R_f^T, where J_g = Q_g R_g and J_f^T = Q_f R_f are QR factorisations.
    """
    check_rows(x, 1)
    rows = spread_rows(x, num_points)
    features, code = rows[0].numel(), code_size(encode, rows)
    values = torch.cat([_values(encode, decode, part) for part in parts(rows, 8 * features * min(code, features))])
    return Norms(values.square().sum(1), values[:, 0])


def _values(encode: Map, decode: Map, x: Tensor) -> Tensor:
    """Singular values of the Jacobian of g o f."""
    if code_size(encode, x) >= x[0].numel():
        return torch.linalg.svdvals(jacobian(lambda rows: decode(encode(rows)), x))
    inner = jacobian(encode, x)
    outer = jacobian(lambda code: decode(code), encode(x))  # as a plain function it is done by columns: k of them
    first = torch.linalg.qr(outer)[1]
    second = torch.linalg.qr(inner.mT)[1]
    return torch.linalg.svdvals(first @ second.mT)


def grid(low: tuple[float, float], high: tuple[float, float], num: int = 25) -> Tensor:
    """Num x num points of the plane, evenly spaced between two corners, (num * num, 2), the second number fastest."""
    axes = [torch.linspace(start, end, num) for start, end in zip(low, high, strict=True)]
    return torch.cartesian_prod(*axes)
