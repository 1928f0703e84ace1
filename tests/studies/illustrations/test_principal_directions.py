import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from contractive.studies.illustrations._principal_directions import QUICK, Settings, _cloud, theory


@pytest.mark.parametrize("weight", [0.0, 0.03, 0.2, 1.0])
@pytest.mark.parametrize("spread", [1.0, 0.2])
def test_theory_is_the_minimum(weight, spread):
    best = minimize_scalar(lambda a: spread**2 * (1 - a**2) ** 2 + weight * a**2, bounds=(0, 1.5), method="bounded")
    assert theory((weight,), (spread,))[0, 0] == pytest.approx(best.x, abs=1e-3)


@pytest.mark.parametrize("settings", [Settings(), QUICK], ids=["full", "quick"])
def test_the_cloud_has_exactly_the_stated_moments(settings):
    x, directions = _cloud(settings, 0)
    along = (x @ directions.T).numpy()
    np.testing.assert_allclose(np.cov(along.T, bias=True), np.diag(np.square(settings.spreads)), atol=1e-5)
    np.testing.assert_allclose(along.mean(0), 0, atol=1e-5)


def test_linear_encoders_follow_the_formula(quick):
    result = quick("principal-directions")
    np.testing.assert_allclose(result.norms["linear"], result.theory, atol=0.03)


@pytest.mark.parametrize("kind", ["linear", "tanh"])
def test_little_variance_goes_first(quick, kind):
    norms = quick("principal-directions").norms[kind]
    assert norms[0, 0] / norms[0, 1] == pytest.approx(1, abs=0.1)
    assert norms[-1, 0] > 10 * norms[-1, 1]


def test_the_error_grows_by_what_is_dropped(quick):
    result = quick("principal-directions")
    assert result.errors["linear"][0] < 1e-3
    lost = 0.2**2 + (1 - result.theory[-1, 0] ** 2) ** 2  # all of u2, part of u1
    assert result.errors["linear"][-1] == pytest.approx(lost, rel=0.05)
