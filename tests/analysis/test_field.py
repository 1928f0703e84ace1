"""The reconstruction function against linear decoders, and scores against a mixture's closed form."""

import math

import pytest
import torch
from torch import nn

import contractive as ct
from contractive import analysis
from contractive.analysis import GaussianMixture
from measured import gaussian, linear, seeded
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


def test_the_field_is_the_step_of_the_reconstruction():
    x = gaussian(5, 2, 2)
    found = analysis.vector_field(lambda rows: 3 * rows + 1, x)
    torch.testing.assert_close(found.steps, (2 * x + 1).flatten(1))
    torch.testing.assert_close(found.score(0.5), 4 * (2 * x + 1).flatten(1))
    assert found.points is x


def test_the_best_denoiser_has_the_true_score():
    # r(x) = x + sigma^2 grad log p_sigma(x), exactly
    mixture = GaussianMixture.isotropic(gaussian(3, 2), 0.3)
    smoothed, sigma = mixture.smoothed(0.4), 0.4
    x = smoothed.sample(200, generator=seeded())
    field = analysis.vector_field(lambda rows: rows + sigma**2 * smoothed.score(rows), x)
    error = analysis.score_error(field.score(sigma), smoothed.score(x))
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
        (lambda: analysis.vector_field(nn.Identity(), torch.rand(2, 3)).score(0), "sigma must be above 0, got 0"),
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
