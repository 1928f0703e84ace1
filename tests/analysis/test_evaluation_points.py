"""Where a map contracts: the points are where they are said to be, and their norms are those of the map there."""

import pytest
import torch
from torch import nn

from contractive import analysis
from measured import gaussian, seeded

PLACES = ("training", "test", "midpoints", "between", "same distance", "box", "scaled out")


class Bowl(nn.Module):
    """x -> ||x||^2 / 2: its Jacobian is x, so that the norms tell where they were taken."""

    def forward(self, x):
        return x.square().sum(1, keepdim=True) / 2


def measured(x, **options):
    return analysis.evaluation_points(Bowl(), x, generator=seeded(), **options)


def test_every_place_has_its_norms():
    found = measured(gaussian(30, 3), test=gaussian(10, 3, seed=2), num_points=20)
    assert tuple(found.norms) == PLACES
    sizes = {name: len(norms.operator) for name, norms in found.norms.items()}
    assert sizes == dict.fromkeys(PLACES, 20) | {"test": 10}


def test_norms_at_the_data_are_those_of_the_data():
    x, test = gaussian(12, 3), gaussian(6, 3, seed=2)
    found = measured(x, test=test)
    torch.testing.assert_close(found.norms["training"].operator, x.norm(dim=1))
    torch.testing.assert_close(found.norms["test"].frobenius, test.norm(dim=1))
    assert found.distances["training"].max() < 1e-6
    torch.testing.assert_close(found.distances["test"], torch.cdist(test, x).amin(1))


def test_far_points_are_as_far_as_they_say():
    # all data at distance 2 from their mean, which is 0
    half = gaussian(200, 5)
    half = 2 * half / half.norm(dim=1, keepdim=True)
    found = measured(torch.cat([half, -half]), factor=3.0, num_points=50)
    radius = {name: norms.operator for name, norms in found.norms.items()}
    for name, expected in (("training", 2.0), ("same distance", 2.0), ("scaled out", 6.0)):
        torch.testing.assert_close(radius[name], torch.full_like(radius[name], expected))
    assert radius["midpoints"].max() < 2
    torch.testing.assert_close(found.distances["scaled out"], torch.full((50,), 4.0, dtype=torch.float64))


def test_far_points_start_from_the_mean():
    # rows (4, 0) and (6, 0): three times as far out is (2, 0) and (8, 0); at distance 1 no norm is beyond 4 to 6
    found = measured(torch.tensor([[4.0, 0.0], [6.0, 0.0]], dtype=torch.float64), factor=3.0, num_points=200)
    assert set(found.norms["scaled out"].operator.tolist()) == {2.0, 8.0}
    around = found.norms["same distance"].operator
    assert 4 <= around.min() < 4.2
    assert 5.8 < around.max() <= 6


def test_points_between_lie_on_the_line():
    x = torch.tensor([[1.0, 0.0], [1.0, 2.0]], dtype=torch.float64)  # the midpoint is (1, 1): norm sqrt 2
    found = measured(x, num_points=40)
    torch.testing.assert_close(found.norms["midpoints"].operator, torch.full((40,), 2**0.5, dtype=torch.float64))
    between = found.norms["between"].operator
    assert (between >= 1).all()
    assert (between <= 5**0.5).all()
    assert between.std() > 0.1


def test_the_box_is_filled_evenly():
    # rows (0, 0) and (3, 4): E||p||^2 of a uniform point is (9 + 16) / 3, and no point is beyond 5
    found = measured(torch.tensor([[0.0, 0.0], [3.0, 4.0]], dtype=torch.float64), num_points=20000)
    squares = found.norms["box"].squared_frobenius
    assert float(squares.mean()) == pytest.approx(25 / 3, rel=0.02)
    assert squares.max() <= 25
    assert squares.max() > 20


def test_images_keep_their_shape():
    encoder = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Sigmoid(), nn.Flatten())
    found = analysis.evaluation_points(encoder, torch.rand(8, 1, 3, 3), num_points=5, generator=seeded())
    assert all(torch.isfinite(norms.operator).all() for norms in found.norms.values())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"training": torch.rand(1, 2)}, "training must have at least 2 rows, got 1"),
        ({"test": torch.rand(0, 2)}, "test must have at least 1 rows, got 0"),
        ({"num_points": 0}, "num_points must be at least 1, got 0"),
        ({"factor": 1.0}, r"factor must be above 1, got 1\.0"),
    ],
)
def test_misuse_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        analysis.evaluation_points(**({"encode": nn.Identity(), "training": torch.rand(3, 2)} | options))
