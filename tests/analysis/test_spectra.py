"""Spectra and norms of linear maps with chosen singular values, and effective ranks by hand."""

import math

import pytest
import torch
from torch import nn

from contractive import analysis
from contractive.analysis import Spectra
from measured import gaussian, linear, rotation


def with_values(values, features):
    """A linear map with these singular values."""
    k = len(values)
    return linear(rotation(k) @ torch.diag(torch.tensor(values, dtype=torch.float64)) @ rotation(features)[:k])


def of(*values, features=None):
    return Spectra(torch.tensor([values], dtype=torch.float64), features or len(values))


def test_spectrum_of_a_linear_map():
    found = analysis.spectra(with_values([3.0, 1.0, 0.5], 6), gaussian(7, 6), num_points=5)
    expected = torch.tensor([3.0, 1.0, 0.5], dtype=torch.float64)
    assert found.values.shape == (5, 3)
    assert found.features == 6
    torch.testing.assert_close(found.mean, expected)
    torch.testing.assert_close(found.quantile(0.9), expected)


def test_quantiles_are_over_points():
    found = Spectra(torch.tensor([[4.0, 0.0], [2.0, 1.0], [0.0, 0.0]]), 2)
    assert found.quantile(0.5).tolist() == [2, 0]
    assert found.mean.tolist() == [2, pytest.approx(1 / 3)]


def test_equal_values_have_full_rank():
    flat = of(0.5, 0.5, 0.5, 0.5)
    assert float(flat.entropy_rank) == pytest.approx(4)
    assert float(flat.participation_ratio) == pytest.approx(4)
    assert int(flat.dimension_by_gap) == 4
    assert int(flat.dimension_by_share()) == 4


def test_ranks_by_hand():
    # squares 9 and 1: shares 0.9, 0.1
    found = of(3.0, 1.0, 0.0)
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert float(found.entropy_rank) == pytest.approx(math.exp(entropy))
    assert float(found.participation_ratio) == pytest.approx(100 / 82)
    assert int(found.dimension_by_share(0.89)) == 1
    assert int(found.dimension_by_share(0.95)) == 2


def test_one_direction_has_rank_one():
    found = of(7.0, 0.0, 0.0)
    assert float(found.entropy_rank) == pytest.approx(1)
    assert float(found.participation_ratio) == pytest.approx(1)
    assert int(found.dimension_by_gap) == 1
    assert int(found.dimension_by_share()) == 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((4.0, 3.0, 0.1, 0.09), 2),
        ((1.0, 1e-18, 1e-25), 1),  # below rounding there is no gap
        ((1.0, 0.9, 0.7, 0.5), 4),
        ((8.0, 3.9, 3.8), 1),
        ((2.0,), 1),
    ],
    ids=["two", "rounding", "no gap", "just half", "one value"],
)
def test_dimension_by_gap(values, expected):
    assert int(of(*values, features=10).dimension_by_gap) == expected


def test_dimension_of_data_on_a_plane():
    # the code sees 2 of 6 features and the others a hundred times less
    found = analysis.spectra(with_values([2.0, 1.5, 0.015, 0.01], 6), gaussian(3, 6))
    assert found.dimension_by_gap.tolist() == [2, 2, 2]
    assert found.dimension_by_share().tolist() == [2, 2, 2]


def test_a_constant_code_has_no_dimension():
    found = Spectra(torch.zeros(2, 3), 3)
    assert found.dimension_by_gap.tolist() == [0, 0]
    assert found.dimension_by_share().tolist() == [0, 0]
    assert Spectra(torch.zeros(2, 1), 3).dimension_by_gap.tolist() == [0, 0]
    assert torch.isnan(found.entropy_rank).all()
    assert torch.isnan(found.participation_ratio).all()


@pytest.mark.parametrize("scale", [1e-25, 1e25], ids=["tiny", "huge"])
def test_figures_do_not_depend_on_the_scale(scale):
    plain, scaled = (Spectra(factor * torch.tensor([[3.0, 2.0, 0.1]]), 3) for factor in (1, scale))
    torch.testing.assert_close(scaled.entropy_rank, plain.entropy_rank)
    torch.testing.assert_close(scaled.participation_ratio, plain.participation_ratio)
    assert scaled.dimension_by_share().tolist() == plain.dimension_by_share().tolist() == [2]


def test_participation_never_exceeds_entropy_rank():
    found = Spectra(gaussian(100, 8).abs().sort(descending=True).values, 8)
    assert (found.participation_ratio <= found.entropy_rank + 1e-12).all()
    assert (found.entropy_rank <= 8).all()


@pytest.mark.parametrize("share", [0.0, 1.0, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        of(1.0, 2.0).dimension_by_share(share)


def test_no_point_is_refused():
    with pytest.raises(ValueError, match="x must have at least 1 rows, got 0"):
        analysis.spectra(nn.Identity(), torch.rand(0, 2))


def test_norms_of_a_linear_map():
    matrix = torch.diag(torch.tensor([2.0, 0.5, 0.1]))
    norms = analysis.norms(linear(matrix), gaussian(5, 3))
    torch.testing.assert_close(norms.squared_frobenius, torch.full((5,), 4.26, dtype=torch.float64))
    torch.testing.assert_close(norms.frobenius, torch.full((5,), 4.26**0.5, dtype=torch.float64))
    torch.testing.assert_close(norms.operator, torch.full((5,), 2.0, dtype=torch.float64))
    assert norms.contractive_share == 0
    assert analysis.norms(linear(matrix / 2), gaussian(5, 3)).contractive_share == 1


def test_norms_of_a_sigmoid_layer_by_hand():
    encoder = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid())
    with torch.no_grad():
        encoder[0].weight.fill_(8.0)
        encoder[0].bias.zero_()
    norms = analysis.norms(encoder, torch.tensor([[0.0], [1.0]]))
    h = 1 / (1 + math.exp(-8))
    torch.testing.assert_close(norms.operator, torch.tensor([2.0, 8 * h * (1 - h)]))
    assert norms.contractive_share == 0.5
