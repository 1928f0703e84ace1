"""Jacobians of single examples against a layer by hand and the singular value decomposition of a known matrix."""

import pytest
import torch
from torch import nn

from contractive import analysis
from contractive.analysis._examples import decompose, right_singular
from measured import gaussian, layer, linear, rotation
from problems import by_jacrev


def test_a_sigmoid_layer_by_hand():
    weight = [[1.0, 0.0, 2.0], [0.0, -3.0, 4.0]]
    x = gaussian(4, 3)
    encoder = layer(weight, [0.5, -0.5])
    h = encoder(x).detach()
    expected = (h * (1 - h)).unsqueeze(2) * torch.tensor(weight, dtype=torch.float64)
    found = analysis.example_jacobians(encoder, x)
    torch.testing.assert_close(found.matrices, expected)
    torch.testing.assert_close(found.unit_norms, (h * (1 - h)) * torch.tensor([5**0.5, 5.0], dtype=torch.float64))
    torch.testing.assert_close(found.feature_norms, expected.square().sum(1).sqrt())
    assert found.shape == (3,)


def test_directions_of_a_known_matrix():
    right = rotation(5)
    matrix = rotation(3) @ torch.diag(torch.tensor([4.0, 2.0, 0.5], dtype=torch.float64)) @ right[:3]
    found = analysis.example_jacobians(linear(matrix), gaussian(2, 5))
    torch.testing.assert_close(found.values[0], torch.tensor([4.0, 2.0, 0.5], dtype=torch.float64))
    torch.testing.assert_close((found.directions[1] @ right[:3].T).abs(), torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(found.least_contracted(1), found.directions[:, :1])
    torch.testing.assert_close(found.most_contracted(2), found.directions[:, [2, 1]])
    # signs that are always the same
    assert (found.directions.gather(2, found.directions.abs().argmax(2, keepdim=True)) > 0).all()


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (1, 6), (6, 1)])
def test_decomposition_gives_the_matrix_back(shape):
    matrices = gaussian(7, *shape)
    values, vectors = decompose(matrices)
    torch.testing.assert_close(values, torch.linalg.svdvals(matrices))
    gram = vectors.mT @ (values.square().unsqueeze(2) * vectors)
    torch.testing.assert_close(gram, matrices.mT @ matrices)
    eye = torch.eye(min(shape), dtype=torch.float64).expand(7, -1, -1)
    torch.testing.assert_close(vectors @ vectors.mT, eye)


def test_parts_give_the_same(monkeypatch):
    encoder = layer([[1.0, -2.0, 0.5], [0.3, 3.0, 1.0]], [0.1, -1.0])
    x = gaussian(9, 3)
    whole = right_singular(encoder, x, 1)
    monkeypatch.setattr("contractive.analysis._evaluate.MEMORY_BUDGET", 1)
    for one, other in zip(right_singular(encoder, x, 1), whole, strict=True):
        torch.testing.assert_close(one, other)


def test_images_of_a_convolution():
    encoder = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Sigmoid(), nn.Flatten()).double()
    x = gaussian(3, 1, 3, 3)
    found = analysis.example_jacobians(encoder, x)
    torch.testing.assert_close(found.matrices, by_jacrev(encoder, x)[1].detach())
    assert found.shape == (1, 3, 3)


def test_one_row_per_class_and_the_most_typical():
    x = torch.tensor([[0.0], [1.0], [5.0], [9.0], [10.0], [14.0]])
    rows, labels = analysis.one_per_class(x, torch.tensor([2, 2, 2, 0, 0, 0]))
    assert labels.tolist() == [0, 2]
    assert rows.flatten().tolist() == [10, 1]


def test_too_many_examples_are_refused():
    with pytest.raises(ValueError, match="x must have at most 1 examples for this code, got 2"):
        analysis.example_jacobians(lambda x: x[:, :1].expand(-1, 40_000), torch.rand(2, 1000))


def test_no_example_is_refused():
    with pytest.raises(ValueError, match="x must have at least 1 rows"):
        analysis.example_jacobians(nn.Identity(), torch.rand(0, 2))


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="labels must be one per row"):
        analysis.one_per_class(torch.rand(3, 2), torch.zeros(3, 1))
