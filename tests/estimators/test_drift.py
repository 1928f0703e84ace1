import numpy as np
import pytest
from scipy.stats import ks_2samp

import contractive as ct
from contractive.estimators._drift import holm

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def test_p_values_are_corrected_as_holm_does_by_hand():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.9, 0.8])), [1, 1])


def table(rows, seed):
    """Rows near a plane in four dimensions."""
    random = np.random.RandomState(seed)
    return random.standard_normal((rows, 2)) @ [[1, 0, 1, 1], [0, 1, 1, -1]] + 0.1 * random.standard_normal((rows, 4))


@pytest.fixture(scope="module")
def detector():
    return ct.ContractiveOutlierDetector(max_epochs=60, n_components=16, random_state=0).fit(table(300, 0))


def test_rows_of_the_same_distribution_rarely_count_as_changed(detector):
    found = np.array([detector.drift(table(100, seed)).p_value for seed in range(1, 31)])
    # at most 5 % in the mean; more than 6 of 30 has a probability below 0.001
    assert (found <= 0.05).sum() <= 6


def test_training_rows_given_as_new_ones_have_not_changed(detector):
    rows = table(300, 0)
    for same in (rows, rows[::-1]):
        assert detector.drift(same).p_value == 1.0
    assert detector.drift(rows[:3]).p_value > 0.01
    assert detector.drift(np.concatenate([rows[:100], table(100, 5) + 2.0])).p_value < 1e-3


def test_a_shifted_feature_is_named(detector):
    new = table(300, 99)
    new[:, 2] += 1.0
    found = detector.drift(new)
    assert found.p_value < 1e-3
    assert "x2" in found.changed()
    assert found.features[2].p_value < 0.01
    assert found.features[2].off < 0.01  # the others did not follow: it leaves the plane


def test_motion_along_the_plane_is_told_from_motion_off_it(detector):
    along = detector.drift(table(300, 98) + 0.5 * np.array([1, 0, 1, 1]))
    assert min(each.along for each in along.features) < 1e-3
    off = table(300, 97)
    off = off + 0.5 * np.random.RandomState(0).standard_normal(off.shape)
    found = detector.drift(off)
    assert min(each.off for each in found.features) < 0.05
    assert found.score < 0.01


def test_the_p_values_are_those_of_scipy_before_correction(detector):
    new = table(80, 5)
    found = detector.drift(new)
    raw = np.array([ks_2samp(old, now).pvalue for old, now in zip(detector._rows.T, new.T, strict=True)])
    assert all(each.p_value >= p for each, p in zip(found.features, raw, strict=True))
    assert [each.feature for each in found.features] == ["x0", "x1", "x2", "x3"]


def test_the_stretch_that_changed_is_found_and_corrected_over_all_stretches(detector):
    new = table(350, 96)
    new[250:, 1] += 3.0
    found = detector.drift(new)
    assert [(each.first, each.last) for each in found.stretches] == [(0, 115), (116, 232), (233, 349)]
    *before, last = found.stretches
    assert min(each.p_value for each in before) > 0.05
    assert last.p_value < 1e-6
    assert last.feature == "x1"
    raw = ks_2samp(detector._rows[:, 1], new[233:, 1]).pvalue
    assert last.p_value <= raw * 3 * (1 + 3 * 4) * (1 + 1e-9)  # of all tests of three stretches the smallest
    assert detector.drift(table(199, 1)).stretches == ()


def test_one_row_is_no_sample(detector):
    with pytest.raises(ValueError, match="rows of X must be at least 2, got 1"):
        detector.drift(table(1, 0))
