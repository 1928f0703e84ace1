"""Every measure against a map whose figures are known by hand."""

import math

import pytest
import torch
from torch import nn

from contractive import analysis
from contractive.corruption import Gaussian, Masking


def linear(matrix):
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False, dtype=matrix.dtype)
    with torch.no_grad():
        layer.weight.copy_(matrix)
    return layer


def test_norms_of_a_linear_map():
    matrix = torch.diag(torch.tensor([2.0, 0.5, 0.1]))
    norms = analysis.norms(linear(matrix), torch.randn(5, 3))
    torch.testing.assert_close(norms.squared_frobenius, torch.full((5,), 4.26))
    torch.testing.assert_close(norms.operator, torch.full((5,), 2.0))
    assert norms.contractive_share == 0
    assert analysis.norms(linear(matrix / 2), torch.randn(5, 3)).contractive_share == 1


def test_norms_of_a_sigmoid_layer_by_hand():
    encoder = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid())
    with torch.no_grad():
        encoder[0].weight.fill_(8.0)
        encoder[0].bias.zero_()
    norms = analysis.norms(encoder, torch.tensor([[0.0], [1.0]]))
    h = 1 / (1 + math.exp(-8))
    torch.testing.assert_close(norms.operator, torch.tensor([2.0, 8 * h * (1 - h)]))
    assert norms.contractive_share == 0.5


def test_sensitivity_of_an_isotropic_scaling_is_its_factor():
    x = torch.randn(400, 6)
    moved = analysis.sensitivity(linear(3 * torch.eye(6)), x, Gaussian(0.2), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(moved.ratios, torch.full((400,), 3.0), rtol=1e-4, atol=0)
    assert moved.mean == pytest.approx(3, rel=1e-4)
    assert moved.scale_free == pytest.approx(1, rel=1e-4)


def test_scale_free_sensitivity_ignores_the_scale_and_sees_the_direction():
    x = torch.randn(5000, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor([3.0, 1.0])
    keeps_wide, keeps_narrow = (linear(torch.tensor([row])) for row in ([1.0, 0.0], [0.0, 1.0]))
    generator = torch.Generator().manual_seed(0)
    wide = analysis.sensitivity(keeps_wide, x, Gaussian(0.1), generator=generator).scale_free
    narrow = analysis.sensitivity(keeps_narrow, x, Gaussian(0.1), generator=generator).scale_free
    shrunk = analysis.sensitivity(linear(torch.tensor([[0.01, 0.0]])), x, Gaussian(0.1), generator=generator).scale_free
    # E||df||^2 / Var f = s^2 / v_i and E||e||^2 / Var x = 2 s^2 / (9 + 1): 5 / v_i
    assert wide == pytest.approx(5 / 9, rel=0.1)
    assert narrow == pytest.approx(5, rel=0.1)
    assert shrunk == pytest.approx(wide, rel=0.1)


def test_scale_free_sensitivity_of_a_constant_code_is_infinite():
    x = torch.rand(10, 3)
    assert analysis.sensitivity(lambda rows: rows[:, :1] * 0, x, Gaussian(0.1)).scale_free == math.inf


def test_examples_that_noise_left_alone_have_no_ratio():
    x = torch.rand(50, 1)
    moved = analysis.sensitivity(linear(torch.eye(1)), x, Masking(0.5), generator=torch.Generator().manual_seed(0))
    assert len(moved.ratios) < 50
    assert torch.isfinite(moved.ratios).all()


def test_reconstruction_error_and_share_of_variance():
    x = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    assert analysis.reconstruction(lambda rows: rows, x).r2 == 1
    mean = analysis.reconstruction(lambda rows: rows * 0 + rows.mean(0), x)
    assert mean.errors.tolist() == [1, 1]
    assert mean.r2 == 0
    assert math.isnan(analysis.reconstruction(lambda rows: rows, x[:1]).r2)


def test_saturated_and_dead_units_are_counted():
    code = torch.tensor([[0.01, 0.5, 0.5], [0.99, 0.5, 0.9]])
    found = analysis.codes(lambda rows: rows, code)
    assert found.saturation == pytest.approx(2 / 6)
    assert found.dead == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("measure", "match"),
    [
        (lambda: analysis.sensitivity(nn.Identity(), torch.rand(3, 2), Gaussian(0)), "corruption must change the data"),
        (lambda: analysis.sensitivity(nn.Identity(), torch.ones(3, 2), Gaussian(1)), "x must vary, got 3 equal rows"),
        (lambda: analysis.codes(nn.Identity(), torch.ones(0, 2)), "x must have at least one row"),
    ],
)
def test_misuse_is_refused(measure, match):
    with pytest.raises(ValueError, match=match):
        measure()
