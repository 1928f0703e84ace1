"""Tangents against neighbours: a flat sheet, a circle, random subspaces; angles against scipy."""

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from torch import nn

from contractive import analysis
from measured import gaussian, linear, rotation, seeded


def test_a_flat_sheet_holds_its_neighbours():
    plane = rotation(10)[:2]
    x = gaussian(60, 2) @ plane
    found = analysis.tangent_agreement(linear(plane), x, 2, num_neighbors=4, generator=seeded())
    assert found.shares.shape == (60, 4)
    torch.testing.assert_close(found.shares, torch.ones(60, 4, dtype=torch.float64))
    torch.testing.assert_close(found.principal_shares, torch.ones(60, 4, dtype=torch.float64))
    assert found.angles.max() < 1e-6
    assert found.mean_share == pytest.approx(1)


def test_a_code_across_the_sheet_holds_nothing():
    axes = rotation(10)
    found = analysis.tangent_agreement(linear(axes[2:4]), gaussian(60, 2) @ axes[:2], 2, generator=seeded())
    assert found.shares.max() < 1e-20


def test_random_subspaces_hold_their_dimension():
    found = analysis.tangent_agreement(nn.Identity(), gaussian(500, 12), 3, num_points=500, generator=seeded())
    means = found.random_shares.mean(1)
    error = float(means.std()) / 500**0.5
    assert found.expected_random == 3 / 12
    assert abs(float(means.mean()) - 3 / 12) < 4 * error
    assert error < 0.01
    assert found.random_angles.shape == (500, 3)


def test_the_circle_turns_its_tangents():
    # points of the unit circle at equal angles; the code is the position on the circle, its tangent is orthogonal to x
    step = 2 * torch.pi / 40
    turns = step * torch.arange(40, dtype=torch.float64)
    x = torch.stack([turns.cos(), turns.sin()], 1)
    found = analysis.tangent_agreement(lambda rows: torch.atan2(rows[:, 1:], rows[:, :1]), x, 1, num_neighbors=2)
    torch.testing.assert_close(found.angles, torch.full((40, 2, 1), step, dtype=torch.float64))
    chord = torch.full((40, 2), float(np.cos(step / 2) ** 2), dtype=torch.float64)
    torch.testing.assert_close(found.shares, chord)


@pytest.mark.parametrize("seed", range(4))
def test_principal_angles_are_scipys(seed):
    one, other = (torch.linalg.qr(gaussian(9, 3, seed=seed + shift))[0].T for shift in (0, 100))
    expected = np.sort(subspace_angles(one.T.numpy(), other.T.numpy()))
    np.testing.assert_allclose(analysis.principal_angles(one, other), expected, rtol=1e-10)


@pytest.mark.parametrize("angle", [1e-9, 1e-3, 1.0, torch.pi / 2])
def test_small_and_large_angles_keep_their_digits(angle):
    one = torch.eye(2, dtype=torch.float64)[:1]
    other = torch.tensor([[np.cos(angle), np.sin(angle)]])
    assert float(analysis.principal_angles(one, other)) == pytest.approx(angle, rel=1e-12)


def test_a_copy_of_a_point_has_no_share():
    x = gaussian(6, 3)
    x[1] = x[0]
    found = analysis.tangent_agreement(nn.Identity(), x, 3, num_neighbors=1)
    assert torch.isnan(found.shares[:2]).all()
    assert found.mean_share == pytest.approx(1)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"num_neighbors": 0}, "num_neighbors must be at least 1"),
        ({"num_neighbors": 8}, "x must have at least 9 rows, got 8"),
        ({"num_points": 0}, "num_points must be at least 1"),
        ({"num_tangents": 4}, "num_tangents must be at most 3"),
    ],
)
def test_misuse_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        analysis.tangent_agreement(**({"encode": nn.Identity(), "x": torch.rand(8, 3), "num_tangents": 2} | options))
