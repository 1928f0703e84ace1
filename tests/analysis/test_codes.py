"""Statistics of codes written down by hand and of fair coins; similarity of codes that are rotations or unrelated."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes
from sklearn.neighbors import NearestNeighbors
from torch import nn

from contractive import analysis
from measured import gaussian, rotation, seeded

FOUR = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])


def of(code, **options):
    return analysis.codes(nn.Identity(), code, **options)


def test_saturated_and_dead_units_are_counted():
    found = of(torch.tensor([[0.01, 0.5, 0.5], [0.99, 0.5, 0.9]]))
    assert found.saturation == pytest.approx(2 / 6)
    assert found.unit_saturation.tolist() == [1, 0, 0]
    assert found.dead == pytest.approx(1 / 3)
    assert found.num_examples == 2


def test_all_corners_of_the_square():
    found = of(FOUR)
    assert found.saturation == 1
    assert found.distinct == 4
    assert found.code_entropy == pytest.approx(2)
    assert found.unit_entropy.tolist() == pytest.approx([1, 1])
    assert found.bit_entropy == pytest.approx(1)
    # of the 6 pairs, 4 differ in one bit of two and 2 in both
    assert found.hamming == pytest.approx((4 * 0.5 + 2 * 1) / 6)
    assert found.spread == pytest.approx(1)
    assert found.duplicates == 0
    assert found.mean.tolist() == [0.5, 0.5]


def test_one_corner_has_nothing_to_tell():
    found = of(torch.tensor([[0.9, 0.1]]).repeat(5, 1))
    assert found.distinct == 1
    assert found.code_entropy == 0
    assert found.unit_entropy.tolist() == [0, 0]
    assert found.hamming == 0
    assert found.spread == pytest.approx(0, abs=1e-12)


def test_hamming_distance_is_that_of_all_pairs():
    code = torch.rand(20, 7, generator=seeded())
    bits = (code > 0.5).double()
    pairs = [(bits[i] - bits[j]).abs().mean() for i in range(20) for j in range(i)]
    assert of(code).hamming == pytest.approx(float(torch.stack(pairs).mean()))


def test_entropy_of_a_loaded_coin():
    found = of(torch.tensor([[1.0], [0.0], [0.0], [0.0]]))
    expected = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    assert found.bit_entropy == pytest.approx(expected)
    assert found.code_entropy == pytest.approx(expected)


def test_fair_coins_are_spread_over_the_cube():
    found = of(torch.randint(2, (4000, 16), generator=seeded()).double())
    assert found.hamming == pytest.approx(0.5, abs=0.01)
    assert found.bit_entropy == pytest.approx(1, abs=0.001)
    assert found.spread == pytest.approx(1, abs=0.001)


def test_units_that_repeat_others_are_counted_once_each():
    base = torch.rand(50, 2, generator=seeded()).double()
    copies = torch.stack([base[:, 0], 1 - base[:, 0], base[:, 1], 0.5 * base[:, 0] + 0.1, torch.full((50,), 0.3)], 1)
    found = of(copies)
    assert found.duplicates == pytest.approx(2 / 5)
    assert found.dead == pytest.approx(1 / 5)


@pytest.mark.parametrize("values", [gaussian(30, 4), gaussian(30, 4).relu()], ids=["linear", "relu"])
def test_codes_outside_the_cube_have_no_binary_figures(values):
    found = of(values)
    figures = (found.saturation, found.code_entropy, found.distinct, found.hamming, found.spread, found.bit_entropy)
    assert all(math.isnan(figure) for figure in figures)
    assert torch.isnan(found.unit_saturation).all()
    assert torch.isnan(found.unit_entropy).all()
    assert not math.isnan(found.dead + found.duplicates)
    assert (float(found.edges[0]), float(found.edges[-1])) == pytest.approx((float(values.min()), float(values.max())))


def test_histograms_are_numpys():
    code = torch.rand(300, 3, generator=seeded())
    code[0, 0], code[1, 0] = 0, 1
    found = of(code, num_bins=7)
    np.testing.assert_allclose(found.edges, np.linspace(0, 1, 8))
    for unit in range(3):
        counts, _ = np.histogram(code[:, unit].double().numpy(), found.edges.numpy())
        np.testing.assert_allclose(found.histograms[unit], counts / 300)


def test_constant_codes_have_a_histogram():
    found = of(torch.full((3, 2), 5.0))
    assert found.histograms.sum(1).tolist() == [1, 1]
    assert found.dead == 1


def test_one_example_has_no_distance():
    assert math.isnan(of(torch.rand(1, 3)).hamming)


@pytest.mark.parametrize(
    ("measure", "match"),
    [
        (lambda: of(torch.ones(0, 2)), "x must have at least one row"),
        (lambda: of(torch.ones(2, 2), num_bins=0), "num_bins must be at least 1, got 0"),
    ],
)
def test_misuse_of_codes_is_refused(measure, match):
    with pytest.raises(ValueError, match=match):
        measure()


def test_a_rotation_and_a_scale_change_nothing():
    x = gaussian(60, 5)
    found = analysis.similarity(x, 3 * x @ rotation(5) + 7)
    assert (found.cka, found.procrustes, found.neighbors) == pytest.approx((1, 1, 1))


def test_equal_codes_are_refused_whatever_their_numbers():
    equal = torch.full((7, 3), 0.1, dtype=torch.float64)  # their mean is not exactly 0.1
    with pytest.raises(ValueError, match=r"codes\['one'\] must vary, got 7 equal rows"):
        analysis.similarity(equal, gaussian(7, 3), num_neighbors=2)


def test_stretching_lowers_what_a_rotation_cannot_mend():
    x = gaussian(60, 5)
    found = analysis.similarity(x, x * torch.tensor([10.0, 1, 1, 1, 1]))
    assert found.cka < 0.9
    assert found.procrustes < 0.95
    assert found.neighbors < 0.9


def test_unrelated_codes_share_neighbours_by_chance():
    found = analysis.similarity(gaussian(800, 20), gaussian(800, 20, seed=2), num_neighbors=40)
    assert found.neighbors_chance == 40 / 799
    assert found.neighbors == pytest.approx(40 / 799, abs=0.005)
    assert found.cka < 0.1


def test_cka_is_that_of_the_gram_matrices():
    x, y = gaussian(30, 4), gaussian(30, 7, seed=2).tanh()
    centre = torch.eye(30, dtype=torch.float64) - 1 / 30
    k, m = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    assert analysis.similarity(x, y).cka == pytest.approx(float((k * m).sum() / (k.norm() * m.norm())))


def test_procrustes_is_scipys():
    x, y = gaussian(30, 4), gaussian(30, 4, seed=2)
    disparity = procrustes(x.numpy(), y.numpy())[2]  # 1 - (nuclear norm)^2, with the best scale
    assert 1 - analysis.similarity(x, y).procrustes ** 2 == pytest.approx(disparity)


def test_neighbours_are_sklearns():
    x, y = gaussian(50, 3), gaussian(50, 6, seed=2)
    near = [NearestNeighbors(n_neighbors=5).fit(rows.numpy()).kneighbors()[1] for rows in (x, y)]
    shared = [len(set(one) & set(other)) / 5 for one, other in zip(*near, strict=True)]
    assert analysis.similarity(x, y, num_neighbors=5).neighbors == pytest.approx(np.mean(shared))


def test_a_table_holds_all_pairs():
    codes = {"a": gaussian(40, 3), "b": gaussian(40, 5, seed=2), "c": gaussian(40, 3) @ rotation(3)}
    table = analysis.similarities(codes)
    assert table.names == ("a", "b", "c")
    for matrix in (table.cka, table.procrustes, table.neighbors):
        torch.testing.assert_close(matrix, matrix.T)
        torch.testing.assert_close(matrix.diag(), torch.ones(3, dtype=torch.float64))
        assert float(matrix[0, 2]) == pytest.approx(1)
    assert float(table.cka[0, 1]) == pytest.approx(analysis.similarity(codes["a"], codes["b"]).cka)


@pytest.mark.parametrize(
    ("one", "options", "match"),
    [
        (torch.rand(20, 2), {}, r"codes must be of the same examples, got rows \{'one': 20, 'other': 30\}"),
        (torch.ones(30, 2), {}, r"codes\['one'\] must vary, got 30 equal rows"),
        (torch.rand(30, 2), {"num_neighbors": 30}, r"codes\['one'\] must have at least 31 rows"),
        (torch.rand(30, 2), {"num_neighbors": 0}, "num_neighbors must be at least 1"),
    ],
)
def test_misuse_of_similarity_is_refused(one, options, match):
    with pytest.raises(ValueError, match=match):
        analysis.similarity(one, torch.rand(30, 2), **options)
