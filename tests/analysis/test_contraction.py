"""Ratios of an isometry, a projection and a sphere by hand, the limit r -> 0; norms of a known map off the data."""

import math

import pytest
import torch
from torch import nn

from contractive import analysis
from contractive.jacobian import squared_norm
from measured import gaussian, layer, linear, rotation, seeded


def test_a_scaled_rotation_has_one_ratio_at_all_radii():
    curve = analysis.contraction_curve(linear(0.7 * rotation(5)), gaussian(50, 5), generator=seeded())
    flat = torch.full((30,), 0.7, dtype=torch.float64)
    for values in (curve.mean, curve.root_mean_square, curve.low, curve.high):
        torch.testing.assert_close(values, flat)


def test_radii_and_distances_are_those_of_the_data():
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]], dtype=torch.float64)
    curve = analysis.contraction_curve(nn.Identity(), x, generator=seeded())
    assert curve.distances == pytest.approx((1, math.hypot(3, 3), 5))
    assert float(curve.radii[-1]) == pytest.approx(7.5)
    assert len(curve.radii) == 30
    assert float(curve.radii[0]) > 0


def test_the_ratio_of_a_coordinate_is_the_mean_cosine():
    # f(x) = x_1 in three dimensions: |u_1| is uniform on [0, 1], mean 1/2, mean square 1/3, quantiles 0.05 and 0.95
    options = {"radii": [0.1, 1.0], "num_points": 2000, "num_directions": 4, "generator": seeded()}
    curve = analysis.contraction_curve(linear([[1.0, 0.0, 0.0]]), gaussian(2000, 3), **options)
    seen = torch.stack([curve.mean, curve.root_mean_square, curve.low, curve.high])
    expected = torch.tensor([[1 / 2], [3**-0.5], [0.05], [0.95]], dtype=torch.float64).expand(4, 2)
    torch.testing.assert_close(seen, expected, rtol=0, atol=0.012)


def test_the_limit_is_the_jacobian_norm():
    x = gaussian(2000, 3)
    encoder = layer([[1.0, -2.0, 0.5], [0.3, 3.0, 1.0]], [0.1, -1.0])
    curve = analysis.contraction_curve(encoder, x, radii=[1e-5], num_points=2000, num_directions=8, generator=seeded())
    expected = math.sqrt(float(squared_norm(encoder, x).detach().mean()) / 3)
    assert float(curve.root_mean_square) == pytest.approx(expected, rel=0.02)


def test_a_bounded_code_contracts_ever_more():
    x = gaussian(100, 2)
    curve = analysis.contraction_curve(layer([[5.0, 1.0]], [0.0]), x, radii=[1.0, 100.0, 1000.0], generator=seeded())
    assert float(curve.mean[2]) == pytest.approx(float(curve.mean[1]) / 10, rel=0.1)


def test_depths_are_those_of_the_prefixes():
    x = gaussian(40, 4)
    first, second = linear(2 * rotation(4)), linear(0.25 * rotation(4, seed=3))
    encoder = nn.Sequential(first, nn.Identity(), second, nn.Identity())
    one, both = analysis.contraction_by_depth(encoder, x, radii=[0.5, 1.0], generator=seeded())
    torch.testing.assert_close(one.mean, torch.full((2,), 2.0, dtype=torch.float64))
    torch.testing.assert_close(both.mean, torch.full((2,), 0.5, dtype=torch.float64))


def test_the_last_depth_is_the_whole_encoder():
    encoder = nn.Sequential(
        nn.Conv2d(1, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3), nn.BatchNorm1d(3), nn.Sigmoid()
    )
    encoder.eval()
    x = torch.rand(20, 1, 3, 3, generator=seeded())
    depths = analysis.contraction_by_depth(encoder, x, generator=seeded(1))
    assert len(depths) == 2
    torch.testing.assert_close(depths[-1].mean, analysis.contraction_curve(encoder, x, generator=seeded(1)).mean)


class Doubled(nn.Sequential):
    def forward(self, x):
        return 2 * super().forward(x)


class Named(nn.Sequential):
    pass


def test_an_altered_encoder_is_one_layer():
    x, modules = gaussian(40, 4), (linear(2 * rotation(4)), nn.Identity(), linear(0.25 * rotation(4, seed=3)))
    hooked = nn.Sequential(*modules)
    hooked.register_forward_hook(lambda module, given, value: 2 * value)
    replaced = nn.Sequential(*modules)
    replaced.forward = lambda x: 2 * nn.Sequential(*modules)(x)
    for encoder in (Doubled(*modules), hooked, replaced):
        (whole,) = analysis.contraction_by_depth(encoder, x, generator=seeded(1))
        torch.testing.assert_close(whole.mean, analysis.contraction_curve(encoder, x, generator=seeded(1)).mean)
        torch.testing.assert_close(whole.mean, torch.ones(30, dtype=torch.float64))
    assert len(analysis.contraction_by_depth(Named(*modules), x)) == 2


def test_hooks_of_layers_count_at_every_depth():
    encoder = nn.Sequential(linear(rotation(4)), linear(rotation(4, seed=3)))
    encoder[0].register_forward_hook(lambda module, given, value: 3 * value)
    depths = analysis.contraction_by_depth(encoder, gaussian(40, 4), radii=[1.0])
    assert [float(curve.mean) for curve in depths] == pytest.approx([3, 3])


def test_a_module_used_twice_counts_twice():
    half, identity = linear(0.5 * rotation(4)), nn.Identity()
    depths = analysis.contraction_by_depth(nn.Sequential(half, identity, half, identity), gaussian(40, 4), radii=[1.0])
    assert [float(curve.mean) for curve in depths] == pytest.approx([0.5, 0.25])


def test_the_same_seed_gives_the_same_curve():
    x = gaussian(20, 3)
    one, other = (analysis.contraction_curve(layer([[1.0, 2, 3]], [0]), x, generator=seeded(5)) for _ in range(2))
    assert torch.equal(one.mean, other.mean)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"x": torch.rand(1, 2)}, "x must have at least 2 rows"),
        ({"x": torch.ones(4, 2)}, "x must vary, got 4 equal rows"),
        ({"radii": [1.0, 0.0]}, r"radii must be numbers above 0, got \[1\.0, 0\.0\]"),
        ({"radii": []}, r"radii must be numbers above 0, got \[\]"),
        ({"num_points": 0}, "num_points must be at least 1"),
        ({"num_directions": 0}, "num_directions must be at least 1"),
    ],
)
def test_misuse_of_a_curve_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        analysis.contraction_curve(**({"encode": nn.Identity(), "x": torch.rand(3, 2)} | options))


def test_depth_needs_a_sequence_of_layers():
    with pytest.raises(TypeError, match=r"encoder must be an nn\.Sequential, got Linear"):
        analysis.contraction_by_depth(nn.Linear(2, 2), torch.rand(3, 2))
    with pytest.raises(ValueError, match="encoder must have a layer with a weight matrix"):
        analysis.contraction_by_depth(nn.Sequential(nn.Tanh()), torch.rand(3, 2))


def test_small_steps_are_divided_by_what_rounding_left_of_them():
    x = torch.rand(40, 784, generator=torch.Generator().manual_seed(0))
    curve = analysis.contraction_curve(nn.Identity(), x, radii=[1e-6, 1e-5], generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(curve.mean, torch.ones(2))
    with pytest.raises(ValueError, match="radii must be above the rounding of x, got 1e-12"):
        analysis.contraction_curve(nn.Identity(), x, radii=[1e-12])


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
def test_misuse_of_points_is_refused(options, match):
    with pytest.raises(ValueError, match=match):
        analysis.evaluation_points(**({"encode": nn.Identity(), "training": torch.rand(3, 2)} | options))
