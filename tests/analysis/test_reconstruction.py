"""The reconstruction function against linear decoders; the mixture against scipy, autograd and its own moments."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from torch import nn

import contractive as ct
from contractive import analysis
from contractive.analysis import GaussianMixture, sampling
from measured import gaussian, linear, rotation, seeded
from problems import by_jacrev


def test_norms_of_a_projection():
    # r projects onto the first two of four axes: two singular values of one
    axes = torch.eye(4).double()
    found = analysis.reconstruction_norms(linear(axes[:2]), linear(axes[:2].T), gaussian(5, 4))
    torch.testing.assert_close(found.squared_frobenius, torch.full((5,), 2.0, dtype=torch.float64))
    torch.testing.assert_close(found.operator, torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize(
    "build",
    [
        lambda: ct.mlp(6, hidden=(5,), code=3),
        lambda: ct.tied(6, 4),
        lambda: ct.mlp(4, code=7),
        lambda: ct.conv((1, 4, 4), code=3, channels=(2,)),
    ],
    ids=["narrow", "tied", "wide code", "convolution"],
)
def test_norms_are_those_of_the_whole_jacobian(build):
    torch.manual_seed(0)
    model = build().double()
    x = (
        gaussian(6, 4, 1, 4, 4)[0]
        if isinstance(model.encoder[0], nn.Conv2d)
        else gaussian(4, model.encoder[0].in_features)
    )
    values = torch.linalg.svdvals(by_jacrev(model, x)[1])
    found = analysis.reconstruction_norms(model.encoder, model.decoder, x)
    torch.testing.assert_close(found.squared_frobenius, values.square().sum(1).detach())
    torch.testing.assert_close(found.operator, values[:, 0].detach())


def test_the_dimension_is_the_trace_of_the_jacobian(monkeypatch):
    torch.manual_seed(0)
    models = [ct.mlp(7, hidden=(6,), code=4, output="linear"), ct.tied(7, 3), ct.mlp(7, code=9)]
    x = gaussian(6, 7)
    for model in (model.double().eval() for model in models):
        wanted = by_jacrev(model, x)[1].diagonal(dim1=1, dim2=2).sum(1)
        found = analysis.local_dimension(model.encoder, model.decoder, x)
        torch.testing.assert_close(found.traces, wanted.detach())
        with monkeypatch.context() as patch:
            patch.setattr("contractive.analysis._rows.MEMORY_BUDGET", 1)
            again = analysis.local_dimension(model.encoder, model.decoder, x)
        torch.testing.assert_close(again.traces, found.traces)


def length(kappa, dimension):
    """Mean length of von Mises and Fisher's distribution, I_(n+1)(kappa) / I_n(kappa) with n = (dimension - 1) / 2."""
    if dimension == 1:
        return torch.special.i1e(kappa) / torch.special.i0e(kappa)
    if dimension == 2:
        return 1 / torch.tanh(kappa) - 1 / kappa
    return 1 / length(kappa, dimension - 2) - (dimension - 1) / kappa


@pytest.mark.parametrize("dimension", [1, 2, 4, 6])
def test_the_best_denoiser_of_a_sphere_has_its_dimension(dimension):
    sigma, axes = 0.1, rotation(20)[: dimension + 1]

    def denoised(y):  # the mean of uniform points of the sphere, given y = point + sigma * noise
        norm = y.norm(dim=1, keepdim=True)
        return length(norm / sigma**2, dimension) * y / norm @ axes

    points = gaussian(4000, dimension + 1)
    x = points / points.norm(dim=1, keepdim=True) @ axes
    found = analysis.local_dimension(linear(axes), denoised, x, num_points=50)
    assert found.mean == pytest.approx(dimension, rel=0.03)
    assert found.traces.std() < 1e-8
    assert found.components == dimension + 1  # all the linear rule can see


@pytest.mark.parametrize("dimension", [1, 2])
def test_that_denoiser_is_the_posterior_mean(dimension):
    sigma, y = 0.1, torch.tensor([[1.1, *[0.0] * dimension]], dtype=torch.float64)
    draw = gaussian(400_000, dimension + 1)
    draw = draw / draw.norm(dim=1, keepdim=True)
    weights = torch.softmax(draw @ y[0] / sigma**2, 0)  # Bayes' rule by sampling
    torch.testing.assert_close(
        float((weights @ draw)[0]), float(length(y.norm() / sigma**2, dimension)), rtol=0.005, atol=0
    )


def test_a_projection_has_its_rank_as_dimension():
    axes, x = rotation(5)[:2], gaussian(30, 5)
    found = analysis.local_dimension(linear(axes), linear(axes.T), x, share=0.5)
    torch.testing.assert_close(found.traces, torch.full((30,), 2.0).double())
    variances = np.linalg.eigvalsh(np.cov(x.numpy().T))[::-1]
    assert found.components == int((np.cumsum(variances) < 0.5 * variances.sum()).sum()) + 1
    assert found.to_pandas().shape == (30, 1)
    for options, match in (({"share": 1.0}, "share must lie between 0 and 1"), ({"x": x[:1]}, "at least 2 rows")):
        with pytest.raises(ValueError, match=match):
            analysis.local_dimension(**{"encode": linear(axes), "decode": linear(axes.T), "x": x} | options)
    with pytest.raises(ValueError, match="x must vary, got 3 equal rows"):
        analysis.local_dimension(linear(axes), linear(axes.T), torch.ones(3, 5).double())


def test_the_field_is_the_step_of_the_reconstruction():
    x = gaussian(5, 2, 2)
    found = analysis.vector_field(lambda rows: 3 * rows + 1, x)
    torch.testing.assert_close(found.steps, (2 * x + 1).flatten(1))
    torch.testing.assert_close(sampling.score(lambda rows: 3 * rows + 1, 0.5)(x), 4 * (2 * x + 1))
    assert found.points is x


def test_the_best_denoiser_has_the_true_score():
    # r(x) = x + sigma^2 grad log p_sigma(x), exactly
    mixture = GaussianMixture.isotropic(gaussian(3, 2), 0.3)
    smoothed, sigma = mixture.smoothed(0.4), 0.4
    x = smoothed.sample(200, generator=seeded())
    best = sampling.score(lambda rows: rows + sigma**2 * smoothed.score(rows), sigma)
    error = analysis.score_error(best(x), smoothed.score(x))
    assert error.relative < 1e-12
    assert error.mean_cosine == pytest.approx(1)


def test_errors_of_a_score_by_hand():
    truth = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    error = analysis.score_error(torch.tensor([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), truth)
    assert error.cosines[:2].tolist() == [0, 1]
    assert math.isnan(error.cosines[2])
    assert error.mean_cosine == pytest.approx(0.5)
    assert error.relative == pytest.approx(math.sqrt((2 + 1 + 1) / 5))
    assert analysis.score_error(torch.zeros(3, 2), truth).relative == pytest.approx(1)


def test_the_grid_has_its_corners():
    points = analysis.grid((0.0, 10.0), (1.0, 20.0), 3)
    assert points.shape == (9, 2)
    assert points[0].tolist() == [0, 10]
    assert points[1].tolist() == [0, 15]
    assert points[-1].tolist() == [1, 20]


@pytest.mark.parametrize(
    ("measure", "match"),
    [
        (
            lambda: analysis.vector_field(lambda x: x[:, :1], torch.rand(2, 3)),
            "reconstruct must give the features back, got 1",
        ),
        (
            lambda: sampling.score(nn.Identity(), 0),
            "sigma must be above 0 and finite, got 0",
        ),
        (lambda: analysis.score_error(torch.rand(2, 3), torch.rand(3, 2)), "estimate must have the shape of truth"),
        (lambda: analysis.score_error(torch.rand(2, 3), torch.zeros(2, 3)), "truth must not be zero everywhere"),
        (
            lambda: analysis.reconstruction_norms(nn.Identity(), nn.Identity(), torch.rand(0, 2)),
            "x must have at least 1",
        ),
    ],
)
def test_misuse_is_refused(measure, match):
    with pytest.raises(ValueError, match=match):
        measure()


def test_reconstruction_error_and_share_of_variance():
    x = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    assert analysis.reconstruction(lambda rows: rows, x).r2 == 1
    mean = analysis.reconstruction(lambda rows: rows * 0 + rows.mean(0), x)
    assert mean.errors.tolist() == [1, 1]
    assert mean.r2 == 0
    assert math.isnan(analysis.reconstruction(lambda rows: rows, x[:1]).r2)


def test_equal_rows_have_no_share_of_variance():
    for dtype in (torch.float32, torch.float64):
        assert math.isnan(analysis.reconstruction(lambda rows: rows + 1, torch.full((7, 4), 0.1, dtype=dtype)).r2)


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
        (
            {"weights": torch.ones(2) / 2},
            r"covariances must have the shape \(m, d, d\) for `weights` \(m,\) and `means` \(m, d\)",
        ),
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
