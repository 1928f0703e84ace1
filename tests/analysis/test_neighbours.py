"""Distances against torch.cdist, near rows far from the origin included."""

import torch

from contractive.analysis._neighbours import nearest, pairwise_distances
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
    monkeypatch.setattr("contractive.analysis._evaluate.MEMORY_BUDGET", 1)
    assert torch.equal(nearest(x, x, 3, skip=torch.arange(30))[1], whole[1])
    torch.testing.assert_close(pairwise_distances(x), pairs)


def test_pairs_are_those_of_pdist():
    x = gaussian(12, 3)
    torch.testing.assert_close(pairwise_distances(x).sort().values, torch.pdist(x).sort().values)


def test_near_rows_far_away_keep_their_digits():
    x = (1000 + gaussian(10, 3)).float()
    torch.testing.assert_close(pairwise_distances(x), torch.pdist(x.double()).float())
