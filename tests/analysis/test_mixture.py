"""The mixture against scipy, its score against autograd, its samples against its moments."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from contractive.analysis import GaussianMixture
from measured import gaussian, seeded


def mixture():
    roots = gaussian(3, 2, 2)
    weights = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    return GaussianMixture(weights, 3 * gaussian(3, 2, seed=2), roots @ roots.mT + 0.1 * torch.eye(2).double())


def test_density_is_scipys():
    p, x = mixture(), 3 * gaussian(20, 2, seed=3)
    parts = [
        float(w) * multivariate_normal(m.numpy(), c.numpy()).pdf(x.numpy())
        for w, m, c in zip(p.weights, p.means, p.covariances, strict=True)
    ]
    np.testing.assert_allclose(p.log_density(x).exp(), np.sum(parts, 0), rtol=1e-10)


def test_score_is_the_gradient_of_the_density():
    p, x = mixture(), (3 * gaussian(20, 2, seed=3)).requires_grad_()
    (expected,) = torch.autograd.grad(p.log_density(x).sum(), x)
    torch.testing.assert_close(p.score(x).detach(), expected)


def test_score_of_one_gaussian_by_hand():
    p = GaussianMixture.isotropic(torch.tensor([[1.0, 2.0]]), 0.5)
    torch.testing.assert_close(p.score(torch.tensor([[2.0, 2.0]])), torch.tensor([[-4.0, 0.0]]))


def test_score_far_away_is_finite():
    assert torch.isfinite(mixture().score(1e4 * gaussian(5, 2))).all()


def test_smoothing_gives_the_posterior_mean():
    # E[x | x + e = y] by sums over a fine grid, in one dimension
    p = GaussianMixture.isotropic(torch.tensor([[-1.0], [1.5]], dtype=torch.float64), 0.4)
    sigma, y = 0.7, torch.tensor([[0.3]], dtype=torch.float64)
    grid = torch.linspace(-8, 8, 20001, dtype=torch.float64)
    weights = (p.log_density(grid.unsqueeze(1)) - (y[0] - grid).square() / (2 * sigma**2)).exp()
    expected = (weights * grid).sum() / weights.sum()
    assert float(y + sigma**2 * p.smoothed(sigma).score(y)) == pytest.approx(float(expected), rel=1e-8)


def test_samples_have_the_moments():
    p = mixture()
    x = p.sample(40_000, generator=seeded())
    mean = p.weights @ p.means
    second = (p.weights[:, None, None] * (p.covariances + p.means.unsqueeze(2) * p.means.unsqueeze(1))).sum(0)
    errors = (x - mean).std(0) / 40_000**0.5
    assert ((x.mean(0) - mean).abs() < 4 * errors).all()
    torch.testing.assert_close(x.T @ x / len(x), second, rtol=0.05, atol=0.05)
    assert torch.equal(x, p.sample(40_000, generator=seeded()))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"weights": torch.ones(2) / 2}, r"shapes must be \(m,\), \(m, d\) and \(m, d, d\)"),
        ({"weights": torch.tensor([0.5, 0.6, 0.5])}, "weights must be above 0 and sum to 1"),
        ({"weights": torch.tensor([0.0, 0.5, 0.5])}, "weights must be above 0 and sum to 1"),
        ({"covariances": -torch.eye(2).expand(3, 2, 2)}, "covariances must be positive definite"),
    ],
)
def test_what_is_no_mixture_is_refused(change, match):
    whole = {"weights": torch.ones(3) / 3, "means": torch.zeros(3, 2), "covariances": torch.eye(2).expand(3, 2, 2)}
    with pytest.raises(ValueError, match=match):
        GaussianMixture(**(whole | change))


def test_the_score_of_many_rows_copies_no_covariance_for_each():
    p = mixture()
    x = 3 * gaussian(50_000, 2, seed=3)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as seen:
        p.score(x)
    rows = x.numel() * x.element_size() * 3  # for three components
    assert max(event.cpu_memory_usage for event in seen.events()) < 3 * rows
