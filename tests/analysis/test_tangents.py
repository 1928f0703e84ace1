"""Tangents of a sphere and of a linear map, and straight walks."""

import pytest
import torch
from torch import nn

from contractive import analysis
from measured import gaussian, linear, rotation


def to_sphere(x):
    """x / ||x||: its tangent space at a point of the sphere is everything orthogonal to the point."""
    return x / x.norm(dim=1, keepdim=True)


def test_tangents_of_the_sphere_are_orthogonal_to_the_point():
    x = to_sphere(gaussian(6, 4))
    found = analysis.tangents(to_sphere, x, 3)
    torch.testing.assert_close(found.values[:, :3], torch.ones(6, 3, dtype=torch.float64))
    assert found.values[:, 3].max() < 1e-12
    assert (found.basis @ x.unsqueeze(2)).abs().max() < 1e-12


def test_tangents_are_orthonormal_and_lead():
    right = rotation(6)
    found = analysis.tangents(linear(torch.diag(torch.tensor([3.0, 2.0, 1.0])).double() @ right[:3]), gaussian(2, 6), 2)
    torch.testing.assert_close((found.basis[0] @ right[:2].T).abs(), torch.eye(2, dtype=torch.float64))
    torch.testing.assert_close(found.values[1], torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64))
    assert found.shape == (6,)


def test_walks_are_straight_and_of_the_length_asked_for():
    x = gaussian(3, 2, 2)
    walks = analysis.walks(lambda rows: 2 * rows, x, 7 * torch.ones(3, 4).double(), [-1.0, 0.0, 2.0])
    assert walks.inputs.shape == walks.reconstructions.shape == (3, 3, 2, 2)
    torch.testing.assert_close(walks.inputs[:, 1], x)
    torch.testing.assert_close(walks.inputs[:, 2], x + 2 * 0.5)
    torch.testing.assert_close(walks.inputs[:, 0], x - 0.5)
    torch.testing.assert_close(walks.reconstructions, 2 * walks.inputs)
    assert walks.steps.tolist() == [-1, 0, 2]


@pytest.mark.parametrize("count", [0, 4])
def test_tangents_that_are_not_there_are_refused(count):
    with pytest.raises(ValueError, match=r"num_tangents must be at (least 1, got 0|most 3, the smaller)"):
        analysis.tangents(nn.Linear(5, 3), torch.rand(2, 5), count)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"directions": torch.rand(3, 2)}, r"directions must be one per point, \(2, 2\), got \(3, 2\)"),
        ({"directions": torch.rand(1, 4)}, "directions must be one per point"),
        ({"directions": torch.zeros(2, 2)}, "directions must not be zero"),
        ({"steps": []}, "steps must hold at least one length"),
        ({"x": torch.rand(0, 2)}, "x must have at least 1 rows"),
    ],
)
def test_walks_that_go_nowhere_are_refused(options, match):
    usual = {"reconstruct": nn.Identity(), "x": torch.rand(2, 2), "directions": torch.rand(2, 2), "steps": [1.0]}
    with pytest.raises(ValueError, match=match):
        analysis.walks(**(usual | options))
