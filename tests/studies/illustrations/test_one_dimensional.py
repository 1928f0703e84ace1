from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from contractive.studies.illustrations._one_dimensional import CENTRES, denoising_optimum


@pytest.mark.parametrize("y", [-3.0, -1.2, 0.0, 0.7, 1.5])
def test_the_best_denoiser_is_the_posterior_mean(y):
    def density(x):
        return sum(norm.pdf(x, c, 0.1) for c in CENTRES) * norm.pdf(y, x, 0.3)

    options = {"limit": 400, "points": CENTRES}
    weight, moment = (quad(g, -4, 4, **options)[0] for g in (density, lambda x: x * density(x)))
    assert denoising_optimum(np.array([y]), 0.1, 0.3)[0] == pytest.approx(moment / weight, rel=1e-6)


def test_contractive_fixed_points_alternate_and_sit_on_the_data(quick):
    result = quick("one-dimensional")
    curve = result.curves["contractive"]
    assert len(curve.attracting) == 4
    assert len(curve.repelling) == 3
    np.testing.assert_allclose(curve.attracting, CENTRES, atol=0.05)
    assert (np.abs(curve.slopes[::2]) < 1).all()
    assert (curve.slopes[1::2] > 1).all()


def test_contracts_at_the_data_expands_between_as_theory_says(quick):
    result = quick("one-dimensional")
    slopes = result.curves["contractive"].centre_slopes
    assert result.expected_slope == pytest.approx(0.0025 / 0.0325)
    np.testing.assert_allclose(slopes, result.expected_slope, atol=0.12)
    assert result.expansion > 1.5
    assert (result.curves["standard"].centre_slopes > 0.6).all()


def test_denoising_finds_the_same_fixed_points(quick):
    np.testing.assert_allclose(quick("one-dimensional").curves["denoising"].attracting, CENTRES, atol=0.1)


@pytest.mark.parametrize("kind", ["standard", "contractive", "denoising"])
def test_fixed_points_and_slopes_are_those_of_the_curve(quick, kind):
    result = quick("one-dimensional")
    curve = result.curves[kind]
    assert len(curve.fixed_points)
    there = np.interp(curve.fixed_points, result.grid, curve.values)
    np.testing.assert_allclose(there, curve.fixed_points, atol=1e-4)
    slopes = np.interp(curve.fixed_points, result.grid, np.gradient(curve.values, result.grid))
    np.testing.assert_allclose(curve.slopes, slopes, atol=0.02)


def test_a_steepest_slope_is_the_smallest_of_the_gaps(quick):
    result = quick("one-dimensional")
    slope = np.diff(result.curves["contractive"].values) / np.diff(result.grid)
    gaps = [slope[(result.grid[1:] > a) & (result.grid[1:] < b)].max() for a, b in pairwise(CENTRES)]
    assert result.expansion == pytest.approx(min(gaps), rel=0.01)
