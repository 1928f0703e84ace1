import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.metrics import average_precision_score, roc_auc_score

import contractive as ct

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


@pytest.fixture(scope="module")
def plane():
    """Rows near a plane in five dimensions, and rows with the same columns, shuffled one by one: off the plane."""
    random = np.random.RandomState(0)
    angle = random.uniform(0, 2 * np.pi, 400)
    circle = np.c_[np.cos(angle), np.sin(angle)] + 0.05 * random.standard_normal((400, 2))
    rows = circle @ random.standard_normal((2, 5))
    return rows, np.stack([random.permutation(column) for column in rows.T], axis=1)[:50]


def quick(**parameters):
    return ct.ContractiveOutlierDetector(**{"max_epochs": 50, "random_state": 0, **parameters})


def trimmed(**parameters):
    return quick(**{"support_fraction": 0.7, **parameters})


def test_it_finds_what_lies_off_the_manifold_though_every_feature_is_in_its_range(plane):
    normal, strange = plane
    detector = quick(max_epochs=200).fit(normal[:300])
    scores = detector.score_samples(np.r_[normal[300:], strange])
    assert roc_auc_score([1] * 100 + [0] * 50, scores) > 0.9


def test_labels_follow_the_score_and_the_share_asked_for(plane):
    detector = quick(contamination=0.05).fit(plane[0])
    scores, decision = detector.score_samples(plane[0]), detector.decision_function(plane[0])
    assert (detector.predict(plane[0]) == -1).sum() == 20
    np.testing.assert_array_equal(detector.predict(plane[0]), np.where(scores < detector.offset_, -1, 1))
    np.testing.assert_allclose(decision, scores - np.percentile(scores, 5))
    np.testing.assert_array_equal(quick(contamination=0.05).fit_predict(plane[0]), detector.predict(plane[0]))


def test_it_is_the_engine_of_the_autoencoder(plane):
    detector = quick().fit(plane[0])
    parameters = detector.get_params()
    parameters.pop("contamination")
    parameters.pop("support_fraction")
    autoencoder = ct.ContractiveAutoencoder(**parameters).fit(plane[0])
    np.testing.assert_array_equal(autoencoder.score_samples(plane[1]), detector.score_samples(plane[1]))
    assert set(ct.ContractiveAutoencoder().get_params()) == set(parameters)


def test_a_feature_in_large_units_does_not_rule_the_score():
    x, _ = make_blobs(300, 4, centers=1, random_state=0)
    odd = np.tile(x.mean(0), (2, 1))
    odd[0, 0] += 8  # eight standard deviations, in the small unit
    odd[1, 3] += 3  # three, in the large one
    units = np.array([1.0, 1, 1, 1e6])
    scores = quick().fit(x * units).score_samples(odd * units)
    assert scores[0] < scores[1]


def test_more_than_the_training_rows_are_called_outliers_where_there_are_more(plane):
    detector = quick(contamination=0.02, max_epochs=200).fit(plane[0])
    assert (detector.predict(plane[1] + 30) == -1).all()


@pytest.mark.parametrize("share", [0, -0.1, 0.6, "auto", True, None], ids=str)
def test_contamination_must_be_a_share(plane, share):
    with pytest.raises(ValueError, match=rf"contamination must be above 0 and at most 0\.5, got {share!r}"):
        quick(contamination=share).fit(plane[0])


@pytest.mark.parametrize("share", [0, 1.1, "all", False, None], ids=str)
def test_support_fraction_must_be_a_share(plane, share):
    with pytest.raises(ValueError, match=rf"support_fraction must be above 0 and at most 1, got {share!r}\. 1 learns"):
        quick(support_fraction=share).fit(plane[0])


@pytest.fixture(scope="module")
def mixed(plane):
    """Normal rows with strange ones among them, and which these are."""
    return np.r_[plane[0], plane[1] * 3], np.arange(450) >= 400


def test_all_rows_are_learned_from_unless_told_otherwise(mixed):
    detector = quick().fit(mixed[0])
    assert detector.support_.all()
    told = quick(support_fraction=1.0).fit(mixed[0])
    np.testing.assert_array_equal(told.score_samples(mixed[0]), detector.score_samples(mixed[0]))


def test_strange_rows_are_not_learned_from(mixed):
    detector = trimmed().fit(mixed[0])
    assert detector.support_.sum() == 315  # 70 %
    assert detector.support_[mixed[1]].mean() < 0.1


def test_the_rest_is_the_detector_that_saw_the_support_alone(mixed):
    x = mixed[0]
    detector = trimmed().fit(x)
    alone = quick().fit(x[detector.support_])
    np.testing.assert_array_equal(alone.score_samples(x), detector.score_samples(x))
    assert detector.offset_ == np.percentile(detector.score_samples(x), 10) < alone.offset_


def test_the_support_is_what_a_third_of_the_training_reconstructs_best(mixed):
    x = mixed[0]
    first = quick(max_epochs=17).fit(x)  # 50 / 3, up
    scores = first.score_samples(x)
    np.testing.assert_array_equal(trimmed().fit(x).support_, scores >= np.percentile(scores, 30))


def test_a_heap_of_strange_rows_is_not_learned(plane):
    heap = 5 * plane[1][:1] + 0.1 * np.random.RandomState(1).standard_normal((40, 5))
    x, strange = np.r_[plane[0], heap], np.arange(440) >= 400
    trimmed, whole = (-quick(support_fraction=share).fit(x).score_samples(x) for share in (0.7, 1.0))
    assert average_precision_score(strange, trimmed) > 0.99
    assert average_precision_score(strange, whole) < 0.95


def test_the_support_has_no_rows_of_weight_0_and_counts_by_weight(mixed):
    x = mixed[0]
    weights = np.where(np.arange(450) % 2, 0.0, 1.0)
    detector = trimmed().fit(x, sample_weight=weights)
    np.testing.assert_array_equal(detector.support_[::2], trimmed().fit(x[::2]).support_)
    assert not detector.support_[1::2].any()


def test_trained_on_the_present_network_judges(mixed):
    x = mixed[0]
    detector = trimmed(warm_start=True).fit(x)
    scores = detector.score_samples(x)
    np.testing.assert_array_equal(detector.fit(x).support_, scores >= np.percentile(scores, 30))


def test_two_rows_are_kept_at_least():
    x = np.random.RandomState(0).standard_normal((6, 3))
    assert quick(support_fraction=0.01, max_epochs=1).fit(x).support_.sum() == 2


def test_the_support_is_found_before_the_weight(mixed):
    x = mixed[0]
    found = trimmed(weight="auto", max_epochs=10).fit(x)
    np.testing.assert_array_equal(found.support_, trimmed(weight=0.1, max_epochs=10).fit(x).support_)
    assert found.weight_ > 0
