import numpy as np
import pytest

from contractive.studies.illustrations._manifold import _SCALE, angle, swiss_roll


def test_normals_are_those_of_the_points():
    x, normals = swiss_roll(20_000, 0.0, 0)
    points = x.numpy()
    for at in range(0, 20_000, 2500):
        near = points[np.argsort(((points - points[at]) ** 2).sum(1))[:60]]
        flat = np.linalg.svd(near - near.mean(0))[2][2]
        assert angle(flat[None], normals[at : at + 1])[0] < 4


def test_noise_moves_points_by_its_spread():
    (clean, _), (noisy, _) = swiss_roll(5000, 0.0, 0), swiss_roll(5000, 0.2, 0)
    assert float((noisy - clean).std()) * _SCALE == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize("degrees", [0, 10, 45, 90, 130])
def test_angle_between_known_planes(degrees):
    turned = np.array([[np.cos(np.radians(degrees)), np.sin(np.radians(degrees)), 0]])
    assert angle(np.array([[1.0, 0, 0]]), turned)[0] == pytest.approx(min(degrees, 180 - degrees), abs=1e-5)


def test_random_planes_are_one_radian_off_on_average(quick):
    random = quick("manifold").angles["random"]
    error = random.std(ddof=1) / np.sqrt(len(random))
    assert abs(random.mean() - np.degrees(1)) < 4 * error


def test_learned_tangents_are_those_of_the_sheet(quick):
    result = quick("manifold")
    median = {name: np.median(angles) for name, angles in result.angles.items()}
    assert median["contractive"] < 10
    assert result.share > 0.6
    assert median["standard"] > 2 * median["contractive"]
    assert median["random"] > 45


def test_two_directions_survive(quick):
    values = quick("manifold").singular_values["contractive"]
    assert values[1] > 0.6
    assert values[2] < 0.3


def test_the_tile_of_random_planes_says_the_same_kind_of_middle(quick):
    tile = next(tile for tile in quick("manifold").tiles if "random" in tile.label)
    unit = np.random.default_rng(0).normal(size=(20000, 3))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    assert round(float(np.median(angle(unit, np.eye(3)[:1])))) == 60
    assert "median 60°" in tile.detail
