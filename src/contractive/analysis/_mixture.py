"""A mixture of Gaussians, density and score in closed form: the truth that estimated scores are held against."""

from dataclasses import dataclass
from math import log, pi

import torch
from torch import Tensor

from contractive.analysis._random import normal


@dataclass(frozen=True)
class GaussianMixture:
    """sum_m w_m N(mu_m, C_m).

    Attributes:
        weights: w, positive, summing to 1, (components,).
        means: mu, (components, features).
        covariances: C, positive definite, (components, features, features).

    Raises:
        ValueError: Shapes that do not match, weights that are no probabilities, a covariance that is not positive
            definite.
    """

    weights: Tensor
    means: Tensor
    covariances: Tensor

    def __post_init__(self) -> None:
        components, features = self.means.shape
        if self.weights.shape != (components,) or self.covariances.shape != (components, features, features):
            shapes = [tuple(tensor.shape) for tensor in (self.weights, self.means, self.covariances)]
            raise ValueError(f"shapes must be (m,), (m, d) and (m, d, d), got {shapes}. One row per component.")
        if bool((self.weights <= 0).any()) or abs(float(self.weights.sum()) - 1) > 1e-5:
            raise ValueError(f"weights must be above 0 and sum to 1, got {self.weights.tolist()}. Divide by their sum.")
        if bool(torch.linalg.cholesky_ex(self.covariances)[1].any()):
            raise ValueError(
                "covariances must be positive definite, got one that is not. Add a little to the diagonal."
            )

    @classmethod
    def isotropic(cls, means: Tensor, sigma: float) -> "GaussianMixture":
        """Equally likely components N(mu_m, sigma^2 I) at the rows of `means` (components, features)."""
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
        """The density of x + e, e ~ N(0, sigma^2 I).

        With its score s the best reconstruction of a denoising autoencoder is x + sigma^2 s(x), exactly and for any
        sigma (Robbins 1956, Miyasawa 1961).
        """
        eye = torch.eye(self.means.shape[1], dtype=self.means.dtype, device=self.means.device)
        return GaussianMixture(self.weights, self.means, self.covariances + sigma**2 * eye)

    def sample(self, num: int, *, generator: torch.Generator | None = None) -> Tensor:
        """Independent points, (num, features)."""
        device = generator.device if generator is not None else self.means.device
        chosen = torch.multinomial(self.weights.to(device), num, replacement=True, generator=generator)
        chosen = chosen.to(self.means.device)
        noise = normal((num, self.means.shape[1], 1), self.means, generator)
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
