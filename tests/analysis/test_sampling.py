"""Walks against the moments they must have, densities against scikit-learn."""

import math

import numpy as np
import pytest
import torch
from sklearn.neighbors import KernelDensity
from torch import nn

import contractive as ct
from contractive.analysis import sampling
from contractive.analysis.sampling import Parzen


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def z_scores(x, mean, variance):
    """How many standard errors the mean and the variance of independent Gaussian rows are off, the largest."""
    n = len(x)
    of_mean = (x.mean(0) - mean) / (variance / n) ** 0.5
    of_variance = (x.var(0) - variance) / (variance * (2 / n) ** 0.5)
    return float(torch.cat([of_mean, of_variance]).abs().max())


def test_a_step_has_the_moments_of_the_formula():
    torch.manual_seed(0)
    autoencoder = ct.Autoencoder(ct.mlp(6, code=3).encoder, nn.Identity()).double()
    x = torch.rand(1, 6, dtype=torch.float64)
    code = sampling.step(autoencoder, x.expand(20000, -1), sigma=2.0, generator=generator()).detach()
    j = ct.jacobian(autoencoder.encoder, x)[0].detach()
    covariance = 4 * (j @ j.T) @ (j @ j.T)
    assert z_scores(code, autoencoder.encode(x)[0].detach(), covariance.diagonal()) < 4
    torch.testing.assert_close(torch.cov(code.T), covariance, rtol=0, atol=0.05 * float(covariance.max()))


def test_a_step_without_noise_is_a_reconstruction():
    autoencoder = ct.conv((1, 6, 6), code=4, channels=(2,)).eval()
    x = torch.rand(3, 1, 6, 6)
    torch.testing.assert_close(sampling.step(autoencoder, x, sigma=0), autoencoder(x).detach())


def test_a_walk_is_its_steps_and_repeatable():
    autoencoder = ct.tied(8, 5).eval()
    start = torch.rand(4, 8)
    path = sampling.walk(autoencoder, start, 7, keep_every=3, generator=generator())
    assert path.shape == (2, 4, 8)
    assert torch.equal(path, sampling.walk(autoencoder, start, 7, keep_every=3, generator=generator()))
    draw, x = generator(), start
    for _ in range(6):
        x = sampling.step(autoencoder, x, generator=draw)
    torch.testing.assert_close(path[1], x)
    assert sampling.walk(autoencoder, start, 2, keep_every=3).shape == (0, 4, 8)


MEAN, VARIANCE = torch.tensor([1.0, -2.0]).double(), torch.tensor([0.5, 2.0]).double()
SIGMA = 0.3


def optimal(x):
    """The best denoiser of N(MEAN, VARIANCE) data under noise SIGMA: E[x | noisy x]."""
    return MEAN + VARIANCE / (VARIANCE + SIGMA**2) * (x - MEAN)


def exact(x):
    return (MEAN - x) / VARIANCE


def test_the_optimal_denoiser_gives_the_score_of_the_noisy_data():
    x = torch.randn(5, 2, dtype=torch.float64)
    torch.testing.assert_close(sampling.score(optimal, SIGMA)(x), (MEAN - x) / (VARIANCE + SIGMA**2))


def test_energy_difference_of_a_gaussian():
    x, y = torch.randn(2, 6, 2, dtype=torch.float64)
    log_p = torch.distributions.Normal(MEAN, VARIANCE.sqrt()).log_prob
    wanted = log_p(y).sum(1) - log_p(x).sum(1)
    for num_points in (1, 2, 5):
        torch.testing.assert_close(sampling.energy_difference(exact, x, y, num_points=num_points), wanted)


def test_energy_difference_of_a_mixture():
    def log_p(x):
        return torch.logaddexp(-0.5 * (x - 1).square().sum(1), -0.5 * (x + 1).square().sum(1))

    def gradient(x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(log_p(x).sum(), x)[0]

    x, y = torch.randn(2, 6, 2, dtype=torch.float64)
    found = sampling.energy_difference(gradient, x, y, num_points=30)
    torch.testing.assert_close(found, log_p(y) - log_p(x), rtol=1e-6, atol=1e-8)


def test_metropolis_has_the_right_stationary_distribution():
    start = torch.zeros(4000, 2, dtype=torch.float64)
    found = sampling.metropolis(exact, start, 150, step_size=1.2, generator=generator())
    assert z_scores(found.points, MEAN, VARIANCE) < 4
    assert 0.3 < found.acceptance < 0.8


def test_metropolis_on_a_denoiser_samples_the_noisy_data():
    start = torch.zeros(4000, 2, dtype=torch.float64)
    found = sampling.metropolis(sampling.score(optimal, SIGMA), start, 150, step_size=1.2, generator=generator(1))
    assert z_scores(found.points, MEAN, VARIANCE + SIGMA**2) < 4


def test_langevin_has_the_variance_its_step_size_allows():
    size = 0.6
    start = torch.zeros(4000, 2, dtype=torch.float64)
    found = sampling.langevin(exact, start, 150, step_size=size, generator=generator())
    shrink = 1 - size**2 / 2 / VARIANCE  # an autoregression, whose variance is known
    assert z_scores(found, MEAN, size**2 / (1 - shrink**2)) < 4


def test_no_steps_leave_the_start():
    start = torch.rand(3, 2).double()
    assert torch.equal(sampling.langevin(exact, start, 0, step_size=1), start)
    found = sampling.metropolis(exact, start, 0, step_size=1)
    assert torch.equal(found.points, start)
    assert math.isnan(found.acceptance)


def test_densities_are_those_of_scikit_learn(monkeypatch):
    monkeypatch.setattr("contractive.analysis.sampling._PAIRS_AT_ONCE", 100)
    torch.manual_seed(0)
    samples, points = torch.rand(40, 5), torch.rand(30, 5)
    truth = KernelDensity(bandwidth=0.3).fit(samples.numpy()).score_samples(points.numpy())
    np.testing.assert_allclose(sampling.log_densities(samples, points, 0.3).numpy(), truth, rtol=1e-6)


@pytest.mark.parametrize("between", [0.0, 2e7], ids=["one group", "two groups far apart"])
def test_densities_far_from_zero_keep_their_digits(between):
    samples, points = torch.rand(2, 40, 5, generator=generator()).double()
    samples, points = (rows + 1e7 + between * (torch.arange(40) % 2).unsqueeze(1) for rows in (samples, points))
    squares = (points.unsqueeze(1) - samples).square().sum(2)
    truth = (-squares / 0.18).exp().mean(1).log() - 2.5 * math.log(2 * math.pi * 0.09)
    torch.testing.assert_close(sampling.log_densities(samples, points, 0.3), truth, rtol=0, atol=1e-9)
    assert sampling.choose_bandwidth(samples, points, [1e-3, 0.3, 1e3]) == 0.3


def test_parzen_picks_the_bandwidth_of_the_data():
    torch.manual_seed(0)
    samples, validation, test = torch.randn(3, 2000, 1)
    widths = (0.01, 0.05, 0.2, 0.8, 3.0)
    found = sampling.parzen(samples, test, validation=validation, candidates=widths)
    means = [float(sampling.log_densities(samples, validation, width).mean()) for width in widths]
    assert found.bandwidth == widths[int(np.argmax(means))] == 0.2
    scores = sampling.log_densities(samples, test, 0.2)
    assert found == Parzen(float(scores.mean()), float(scores.std()) / math.sqrt(2000), 0.2, 2000)
    entropy = -0.5 * math.log(2 * math.pi * math.e)
    assert abs(found.mean - entropy) < 4 * found.standard_error + 0.03


def test_a_sheet_puts_every_image_in_its_place():
    images = torch.arange(5.0)[:, None, None].expand(5, 2, 3)
    laid = sampling.sheet(images, (2, 3), columns=2, gap=1, background=-1)
    assert laid.shape == (8, 7)
    assert laid[:2, :3].tolist() == [[0.0] * 3] * 2
    assert laid[3:5, 4:7].tolist() == [[3.0] * 3] * 2
    assert laid[6:, 4:].tolist() == [[-1.0] * 3] * 2
    assert set(laid[2]) == {-1.0}
    assert np.array_equal(sampling.sheet(images.numpy(), (2, 3), columns=5, gap=0)[0, ::3], np.arange(5))


AE = ct.mlp(4, code=2)
X = torch.rand(3, 4)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: sampling.step(AE, X, sigma=-1), "sigma must be at least 0, got -1"),
        (lambda: sampling.walk(AE, X, 0), "num_steps must be at least 1, got 0"),
        (lambda: sampling.walk(AE, X, 3, keep_every=0), "keep_every must be at least 1, got 0"),
        (lambda: sampling.score(AE, 0), "sigma must be above 0 and finite, got 0"),
        (lambda: sampling.energy_difference(exact, X, X, num_points=0), "num_points must be at least 1, got 0"),
        (lambda: sampling.langevin(exact, X, 1, step_size=0), "step_size must be above 0 and finite, got 0"),
        (lambda: sampling.metropolis(exact, X, 1, step_size=-2), "step_size must be above 0 and finite, got -2"),
        (lambda: sampling.log_densities(X, X, 0), "bandwidth must be above 0 and finite, got 0"),
        (lambda: sampling.log_densities(X, X[:, :2], 1), "points must have 4 features like samples, got 2"),
        (lambda: sampling.log_densities(X[:0], X, 1), "samples must have at least one row, got none"),
        (lambda: sampling.choose_bandwidth(X, X, []), r"candidates must be bandwidths above 0, got \[\]"),
        (lambda: sampling.choose_bandwidth(X, X, [1, 0]), "candidates must be bandwidths above 0"),
        (lambda: sampling.choose_bandwidth(X, X, [1, float("nan")]), "candidates must be bandwidths above 0"),
        (lambda: sampling.choose_bandwidth(X, X, np.zeros(2)), "candidates must be bandwidths above 0"),
        (lambda: sampling.sheet(X, (2, 3)), "rows must be images of 2 x 3 numbers"),
        (lambda: sampling.sheet(X, (2, 2), columns=0), "columns must be at least 1"),
    ],
)
def test_misuse_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
