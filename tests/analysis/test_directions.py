"""Sensitivity along principal directions against maps built along them."""

import pytest
import torch
from scipy.stats import spearmanr
from torch import nn

from contractive import analysis
from contractive.analysis import Directions
from contractive.analysis._spectra import _chosen, products, squared_products
from measured import gaussian, layer, linear, rotation
from problems import by_jacrev


def data(deviations, rows=400, seed=1):
    """Rows with exactly these standard deviations along the axes of a rotation."""
    white = gaussian(rows, len(deviations), seed=seed)
    white = white - white.mean(0)
    white = white @ torch.linalg.inv(torch.linalg.cholesky(white.T @ white / rows)).T
    axes = rotation(len(deviations))
    return white * torch.tensor(deviations, dtype=torch.float64) @ axes, axes


def test_variances_and_sensitivities_of_a_linear_map():
    x, axes = data([4.0, 2.0, 1.0])
    found = analysis.directions(linear(torch.diag(torch.tensor([3.0, 5.0, 1.0], dtype=torch.float64)) @ axes), x)
    torch.testing.assert_close(found.variances, torch.tensor([16.0, 4.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close(found.squared_sensitivities, torch.tensor([9.0, 25.0, 1.0], dtype=torch.float64))
    torch.testing.assert_close((found.axes * axes).sum(1).abs(), torch.ones(3, dtype=torch.float64))
    assert found.isotropic == pytest.approx(35 / 3)
    assert found.rank_correlation == pytest.approx(0.5)


def test_a_map_along_the_data_is_fully_correlated():
    x, axes = data([4.0, 3.0, 2.0, 1.0])
    scales = torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=torch.float64)
    assert analysis.directions(linear(torch.diag(scales) @ axes), x).rank_correlation == pytest.approx(1)
    assert analysis.directions(linear(torch.diag(scales.flip(0)) @ axes), x).rank_correlation == pytest.approx(-1)


def test_products_are_those_of_the_whole_jacobian():
    encoder = nn.Sequential(nn.Conv2d(1, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 4), nn.Sigmoid()).double()
    x, axes = gaussian(5, 1, 3, 3), gaussian(6, 9, seed=3)
    _, matrices = by_jacrev(encoder, x)
    expected = matrices @ axes.T
    torch.testing.assert_close(products(encoder, x, axes), expected.detach())
    torch.testing.assert_close(squared_products(encoder, x, axes), expected.square().sum(1).detach())


def test_parts_give_the_same(monkeypatch):
    encoder = layer([[1.0, -2.0, 0.5], [0.3, 3.0, 1.0]], [0.1, -1.0])
    x, axes = gaussian(50, 3), gaussian(2, 3)
    whole = squared_products(encoder, x, axes)
    monkeypatch.setattr("contractive.analysis._rows.MEMORY_BUDGET", 1)
    torch.testing.assert_close(squared_products(encoder, x, axes), whole)


def test_directions_without_variance_are_left_out():
    x = torch.cat([gaussian(30, 2), torch.zeros(30, 3, dtype=torch.float64)], 1)
    found = analysis.directions(nn.Identity(), x)
    assert found.index.tolist() == [0, 1]


def test_fewer_rows_than_features():
    found = analysis.directions(nn.Identity(), gaussian(4, 9))
    assert len(found.variances) == 3  # four centred rows span three directions
    torch.testing.assert_close(found.squared_sensitivities, torch.ones(3, dtype=torch.float64))


def test_chosen_directions_lead_and_spread():
    assert _chosen(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert _chosen(100, 6).tolist() == [0, 1, 2, 3, 51, 99]
    assert _chosen(100, 1).tolist() == [0]


def test_classes_have_their_own_directions():
    x = torch.zeros(40, 2, dtype=torch.float64)
    x[:20, 0], x[20:, 1] = gaussian(20), gaussian(20, seed=2)
    labels = torch.tensor([3] * 20 + [7] * 20)
    found = analysis.directions_by_class(linear([[2.0, 0.0], [0.0, 5.0]]), x, labels)
    assert set(found) == {3, 7}
    torch.testing.assert_close(found[3].squared_sensitivities, torch.tensor([4.0], dtype=torch.float64))
    torch.testing.assert_close(found[7].squared_sensitivities, torch.tensor([25.0], dtype=torch.float64))


@pytest.mark.parametrize("tied", [False, True])
def test_rank_correlation_is_spearmans(tied):
    one, other = gaussian(30), gaussian(30, seed=2)
    if tied:
        one, other = one.round(), other.round()
    found = Directions(torch.arange(30), one, other, torch.eye(30), 1.0)
    assert found.rank_correlation == pytest.approx(spearmanr(one, other).statistic)


def test_equal_sensitivities_have_no_correlation():
    x, _ = data([2.0, 1.0])
    flat = Directions(torch.arange(2), torch.tensor([2.0, 1.0]), torch.ones(2), torch.eye(2), 1.0)
    assert flat.rank_correlation != flat.rank_correlation
    assert analysis.directions(linear([[0.0, 0.0]]), x).isotropic == 0


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"x": torch.rand(1, 2)}, "x must have at least 2 rows"),
        ({"x": torch.ones(4, 2)}, "x must vary, got 4 equal rows"),
        ({"num_directions": 0}, "num_directions must be at least 1"),
        ({"num_points": 0}, "num_points must be at least 1"),
    ],
)
def test_misuse_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        analysis.directions(**({"encode": nn.Identity(), "x": torch.rand(3, 2)} | options))


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"labels must be one per row, got shape \(2,\) for 3 rows"):
        analysis.directions_by_class(nn.Identity(), torch.rand(3, 2), torch.zeros(2))
