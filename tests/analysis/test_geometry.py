"""Distances against torch.cdist, near rows far from the origin included. Principal components against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

from contractive import analysis
from contractive.analysis._rows import nearest, pairwise_distances
from measured import gaussian


def test_nearest_are_those_of_all_distances():
    queries, among = gaussian(20, 2, 3), gaussian(50, 2, 3, seed=2)
    expected = torch.cdist(queries.flatten(1), among.flatten(1)).topk(4, largest=False)
    distances, indices = nearest(queries, among, 4)
    torch.testing.assert_close(distances, expected.values)
    assert torch.equal(indices, expected.indices)


def test_a_row_is_not_its_own_neighbour():
    x = gaussian(30, 4)
    _, indices = nearest(x, x, 3, skip=torch.arange(30))
    assert not (indices == torch.arange(30).unsqueeze(1)).any()


def test_parts_give_the_same(monkeypatch):
    x = gaussian(30, 4)
    whole, pairs = nearest(x, x, 3, skip=torch.arange(30)), pairwise_distances(x)
    monkeypatch.setattr("contractive.analysis._rows.MEMORY_BUDGET", 1)
    assert torch.equal(nearest(x, x, 3, skip=torch.arange(30))[1], whole[1])
    torch.testing.assert_close(pairwise_distances(x), pairs)


def test_pairs_are_those_of_pdist():
    x = gaussian(12, 3)
    torch.testing.assert_close(pairwise_distances(x).sort().values, torch.pdist(x).sort().values)


def test_near_rows_far_away_keep_their_digits():
    x = (1000 + gaussian(10, 3)).float()
    torch.testing.assert_close(pairwise_distances(x), torch.pdist(x.double()).float())


@pytest.mark.parametrize("shape", [(50, 6), (5, 9)], ids=["tall", "wide"])
def test_components_are_sklearns(shape, monkeypatch):
    monkeypatch.setattr("contractive.analysis._rows.MEMORY_BUDGET", 1)
    x = gaussian(*shape) @ torch.diag(torch.arange(1.0, shape[1] + 1).double()) + 3
    expected = PCA(3).fit(x.numpy())
    found = analysis.principal_components(nn.Identity(), x, 3)
    np.testing.assert_allclose(found.explained, expected.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(found.mean, expected.mean_, rtol=1e-10)
    signs = np.sign((found.axes.numpy() * expected.components_).sum(1))
    np.testing.assert_allclose(found.axes.numpy() * signs[:, None], expected.components_, atol=1e-8)
    np.testing.assert_allclose(found.coordinates.numpy() * signs, expected.transform(x.numpy()), atol=1e-8)
    assert (found.axes.gather(1, found.axes.abs().argmax(1, keepdim=True)) > 0).all()


def test_the_map_is_of_the_code():
    x = gaussian(20, 2, 2)
    found = analysis.principal_components(lambda rows: rows.flatten(1)[:, :2], x)
    expected = analysis.principal_components(nn.Identity(), x.flatten(1)[:, :2].contiguous())
    torch.testing.assert_close(found.coordinates, expected.coordinates)


@pytest.mark.parametrize("rows", [3, 7], ids=["wide", "tall"])
def test_equal_rows_explain_nothing(rows):
    x = torch.full((rows, 4), 0.1, dtype=torch.float64)  # their mean is not exactly 0.1
    assert torch.isnan(analysis.principal_components(nn.Identity(), x).explained).all()
    with pytest.raises(ValueError, match="x must vary"):
        analysis.directions(nn.Identity(), x)


@pytest.mark.parametrize(
    ("rows", "components", "match"),
    [(1, 1, "x must have at least 2 rows"), (5, 0, "num_components must be at least 1"), (5, 4, "must be at most 3")],
)
def test_misuse_is_refused(rows, components, match):
    with pytest.raises(ValueError, match=match):
        analysis.principal_components(nn.Identity(), torch.rand(rows, 3), components)
