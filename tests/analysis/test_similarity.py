"""Similarities of codes that are rotations of each other, unrelated, or written down by hand."""

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes
from sklearn.neighbors import NearestNeighbors

from contractive import analysis
from measured import gaussian, rotation


def test_a_rotation_and_a_scale_change_nothing():
    x = gaussian(60, 5)
    found = analysis.similarity(x, 3 * x @ rotation(5) + 7)
    assert (found.cka, found.procrustes, found.neighbors) == pytest.approx((1, 1, 1))


def test_equal_codes_are_refused_whatever_their_numbers():
    equal = torch.full((7, 3), 0.1, dtype=torch.float64)  # their mean is not exactly 0.1
    with pytest.raises(ValueError, match="code one must vary, got 7 equal rows"):
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
        (torch.ones(30, 2), {}, "code one must vary, got 30 equal rows"),
        (torch.rand(30, 2), {"num_neighbors": 30}, "code one must have at least 31 rows"),
        (torch.rand(30, 2), {"num_neighbors": 0}, "num_neighbors must be at least 1"),
    ],
)
def test_misuse_is_refused(one, options, match):
    with pytest.raises(ValueError, match=match):
        analysis.similarity(one, torch.rand(30, 2), **options)
