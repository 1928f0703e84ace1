"""What the reconstruction function r = g o f does to the input: its error, its Jacobian, and where it sends points.

r(x) - x estimates the score grad log p(x) (Alain and Bengio, JMLR 2014); a mixture of Gaussians has the true one.
"""

from dataclasses import dataclass
from math import log, pi

import torch
from torch import Tensor

from contractive.analysis._rows import (
    Map,
    apply,
    check_rows,
    code_size,
    equal_rows,
    parts,
    principal_axes,
    spread_rows,
    variance,
)
from contractive.analysis._spectra import Norms
from contractive.analysis._tangents import factored, reconstruction_parts
from contractive.core.errors import InvalidValue
from contractive.core.randomness import draw
from contractive.core.results import Result, TableResult
from contractive.jacobian import jacobian


@dataclass(frozen=True, repr=False)
class Reconstruction(Result):
    """Reconstruction error."""

    errors: Tensor  # ||r(x) - x||^2 per example, summed over features, shape (rows,)
    r2: float  # 1 - mean error / variance of the rows: 1 is perfect, 0 as their mean; NaN for equal rows

    @property
    def mean(self) -> float:
        """Mean error per example."""
        return float(self.errors.mean())


@torch.no_grad()
def reconstruction(reconstruct: Map, x: Tensor) -> Reconstruction:
    """Measure the squared error of `reconstruct`, g(f(x)), at the rows of x (rows, *features)."""
    flat = x.flatten(1)
    errors = (apply(reconstruct, x) - flat).square().sum(1)
    around_mean = variance(flat)
    return Reconstruction(errors, 1 - float(errors.mean()) / around_mean if around_mean > 0 else float("nan"))


@torch.no_grad()
def reconstruction_norms(encode: Map, decode: Map, x: Tensor, *, num_points: int = 200) -> Norms:
    """Compute ||J_r||_F^2 and sigma_max of r = g o f exactly at evenly spaced rows of x (rows, *features)."""
    check_rows(x, 1)
    rows = spread_rows(x, num_points)
    found = [torch.linalg.svdvals(factored(encode, decode, part)[1]) for part in reconstruction_parts(encode, rows)]
    values = torch.cat(found)
    return Norms(values.square().sum(1), values[:, 0])


@dataclass(frozen=True, repr=False)
class LocalDimension(TableResult):
    """Dimension of the data at single rows, from the reconstruction, beside that of a linear subspace for all rows."""

    traces: Tensor  # tr J_r, (rows,)
    components: int  # principal components that hold the share of the variance of the rows
    share: float
    _table = ("traces",)

    @property
    def mean(self) -> float:
        """Mean of the traces."""
        return float(self.traces.mean())


@torch.no_grad()
def local_dimension(
    encode: Map, decode: Map, x: Tensor, *, num_points: int = 500, share: float = 0.95
) -> LocalDimension:
    """Estimate the dimension of the data at rows of x by tr J_r of the reconstruction r = g o f.

    The best reconstruction of rows with little noise projects them onto the manifold of the data (Alain and Bengio,
    JMLR 2014): J_r is then a projection onto its tangent space, and the trace of a projection is its rank. Too small
    where the penalty or the noise also shrinks tangent directions, too large where noise is reproduced. `components`
    is the rule of eigenvalues, which cannot tell a curved surface from a larger flat one.
    """
    check_rows(x, 2, num_points=num_points)
    if not 0 < share < 1:
        raise InvalidValue("share", "lie between 0 and 1", share, "0.95 is usual.")
    rows = spread_rows(x, num_points)
    traces = []
    for part in parts(rows, 4 * rows[0].numel() * code_size(encode, rows)):
        outer = jacobian(lambda code: decode(code), encode(part))  # (rows, features, code)
        traces.append((outer * jacobian(encode, part).mT).sum((1, 2)))  # tr(J_g J_f) without the product
    _, _, variances, total = principal_axes(x.flatten(1))
    if not total > 0:
        raise equal_rows(x)
    components = int((variances.cumsum(0) < share * total).sum()) + 1
    return LocalDimension(torch.cat(traces), components, share)


@dataclass(frozen=True, repr=False)
class VectorField(Result):
    """r(x) - x at some points."""

    points: Tensor  # x, (rows, *features)
    steps: Tensor  # r(x) - x, flattened, (rows, features)


@torch.no_grad()
def vector_field(reconstruct: Map, x: Tensor) -> VectorField:
    """Compute r(x) - x at the rows of x (rows, *features), for instance at the points of `grid`."""
    check_rows(x, 1)
    outputs, flat = apply(reconstruct, x), x.flatten(1)
    if outputs.shape != flat.shape:
        got = f"{outputs.shape[1]} numbers for {flat.shape[1]}"
        raise InvalidValue("reconstruct", "give the features back", got, "Pass g(f(x)).")
    return VectorField(x, outputs - flat)


def grid(low: tuple[float, float], high: tuple[float, float], num: int = 25) -> Tensor:
    """Return num x num points of the plane, evenly spaced between two corners, (num * num, 2), column by column."""
    axes = [torch.linspace(start, end, num) for start, end in zip(low, high, strict=True)]
    return torch.cartesian_prod(*axes)


@dataclass(frozen=True, repr=False)
class ScoreError(Result):
    """An estimated score against the true one."""

    cosines: Tensor  # cosine of the two vectors at each point, (rows,): independent of sigma; NaN where one is zero
    relative: float  # sqrt(sum ||estimate - truth||^2 / sum ||truth||^2): 0 is perfect, 1 as good as zero

    @property
    def mean_cosine(self) -> float:
        """Mean of `cosines` where there is one."""
        return float(self.cosines.nanmean())


def score_error(estimate: Tensor, truth: Tensor) -> ScoreError:
    """Compare an estimate of the score with the truth, both (rows, features), for instance of a `GaussianMixture`."""
    if estimate.shape != truth.shape:
        got = f"{tuple(estimate.shape)} and {tuple(truth.shape)}"
        raise InvalidValue("estimate", "have the shape of truth", got, "Flatten both.")
    size = truth.square().sum()
    if not bool(size > 0):
        raise InvalidValue("truth", "not be zero everywhere", "only zeros", "Take points away from the mode.")
    lengths = estimate.norm(dim=1) * truth.norm(dim=1)
    relative = ((estimate - truth).square().sum() / size).sqrt()
    return ScoreError((estimate * truth).sum(1) / lengths, float(relative))


@dataclass(frozen=True, repr=False)
class GaussianMixture(Result):
    """sum_m w_m N(mu_m, C_m), with density and score in closed form."""

    weights: Tensor  # w, positive, summing to 1, (components,)
    means: Tensor  # mu, (components, features)
    covariances: Tensor  # C, positive definite, (components, features, features)

    def __post_init__(self) -> None:
        m, d = self.means.shape
        if self.weights.shape != (m,) or self.covariances.shape != (m, d, d):
            got = [tuple(tensor.shape) for tensor in (self.covariances, self.weights, self.means)]
            rule = "have the shape (m, d, d) for `weights` (m,) and `means` (m, d)"
            raise InvalidValue("covariances", rule, got, "One row per component.")
        if bool((self.weights <= 0).any()) or abs(float(self.weights.sum()) - 1) > 1e-5:
            got = self.weights.tolist()
            raise InvalidValue("weights", "be above 0 and sum to 1", got, "Divide by their sum.")
        if bool(torch.linalg.cholesky_ex(self.covariances)[1].any()):
            raise InvalidValue(
                "covariances", "be positive definite", "one that is not", "Add a little to the diagonal."
            )

    @classmethod
    def isotropic(cls, means: Tensor, sigma: float) -> "GaussianMixture":
        """Return equally likely components N(mu_m, sigma^2 I) at the rows of `means` (components, features)."""
        count, features = means.shape
        eye = torch.eye(features, dtype=means.dtype, device=means.device)
        return cls(means.new_full((count,), 1 / count), means, (sigma**2 * eye).expand(count, -1, -1))

    def log_density(self, x: Tensor) -> Tensor:
        """Log p(x) at the rows of x (rows, features), shape (rows,)."""
        return torch.logsumexp(self._joint(x)[0], 1)

    def score(self, x: Tensor) -> Tensor:
        """Grad log p(x) = sum_m p(m | x) C_m^-1 (mu_m - x) at the rows of x (rows, features), the same shape."""
        joint, pulls = self._joint(x)
        return (joint.softmax(1).unsqueeze(2) * pulls).sum(1)

    def smoothed(self, sigma: float) -> "GaussianMixture":
        """Return the density of x + e, e ~ N(0, sigma^2 I).

        With its score s the best reconstruction of a denoising autoencoder is x + sigma^2 s(x), exactly and for any
        sigma (Robbins 1956, Miyasawa 1961).
        """
        eye = torch.eye(self.means.shape[1], dtype=self.means.dtype, device=self.means.device)
        return GaussianMixture(self.weights, self.means, self.covariances + sigma**2 * eye)

    def sample(self, num: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw independent points, (num, features)."""
        device = generator.device if generator is not None else self.means.device
        chosen = torch.multinomial(self.weights.to(device), num, replacement=True, generator=generator)
        chosen = chosen.to(self.means.device)
        noise = draw(torch.randn, (num, self.means.shape[1], 1), like=self.means, generator=generator)
        # with C = L L^T, L e has the covariance C
        return self.means[chosen] + (torch.linalg.cholesky(self.covariances)[chosen] @ noise).squeeze(2)

    def _joint(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(log w_m N(x; mu_m, C_m) (rows, components), C_m^-1 (mu_m - x) (rows, components, features))."""
        factors = torch.linalg.cholesky(self.covariances)
        away = self.means - x.unsqueeze(1)  # (rows, components, features)
        pulls = torch.cholesky_solve(away.permute(1, 2, 0), factors).permute(2, 0, 1)
        quadratic = (away * pulls).sum(2)
        log_determinants = 2 * factors.diagonal(dim1=1, dim2=2).log().sum(1)
        constant = self.means.shape[1] * log(2 * pi)
        return self.weights.log() - 0.5 * (quadratic + log_determinants + constant), pulls
