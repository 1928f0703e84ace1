import numpy as np
import pytest
from scipy.stats import betabinom
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.metrics import average_precision_score, roc_auc_score

import contractive as ct
from contractive.estimators._detector_parameters import repeats_itself
from contractive.estimators._surprise import discoveries

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
    return ct.ContractiveOutlierDetector(**{"max_epochs": 8, "n_components": 32, "random_state": 0, **parameters})


def trimmed(**parameters):
    return quick(**{"support_fraction": 0.7, **parameters})


def test_it_finds_what_lies_off_the_manifold_though_every_feature_is_in_its_range(plane):
    normal, strange = plane
    detector = quick(max_epochs=60).fit(normal[:300])
    scores = detector.score_samples(np.r_[normal[300:], strange])
    assert roc_auc_score([1] * 100 + [0] * 50, scores) > 0.9


def test_outliers_that_lie_together_among_the_training_rows_are_found(plane):
    together = np.array([2.0, -2, 2, -2, 2]) + 0.05 * np.random.RandomState(1).standard_normal((30, 5))
    rows = np.r_[plane[0][:300], together]
    detector = quick().fit(rows)
    inner, numbers = detector._fit.inner, detector._fit.numbers
    assert 0.7 <= inner.mean() < 0.71
    assert not inner[300:].any()
    assert roc_auc_score([0] * 300 + [1] * 30, numbers["nearest"]) < 0.5  # they are each other's neighbours
    assert roc_auc_score([1] * 300 + [0] * 30, detector.score_samples(rows)) > 0.95


def test_labels_follow_the_score_and_the_share_asked_for(plane):
    detector = quick(contamination=0.05).fit(plane[0])
    scores, decision = detector.score_samples(plane[0]), detector.decision_function(plane[0])
    assert (detector.predict(plane[0]) == -1).sum() == 20
    np.testing.assert_array_equal(detector.predict(plane[0]), np.where(scores < detector.offset_, -1, 1))
    np.testing.assert_allclose(decision, scores - np.percentile(scores, 5))
    np.testing.assert_array_equal(quick(contamination=0.05).fit_predict(plane[0]), detector.predict(plane[0]))


def test_its_networks_are_those_of_the_autoencoder(plane):
    assert set(ct.ContractiveAutoencoder().get_params()) < set(quick().get_params())
    detector = quick(scale="standard").fit(plane[0])
    rest = detector._fit.folds != 0
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    own = {
        name: value for name, value in quick().get_params().items() if name in ct.ContractiveAutoencoder().get_params()
    }
    own |= {"scale": "none", "weight": 0.03, "random_state": seed}
    alone = ct.ContractiveAutoencoder(**own).fit(detector.scaled(plane[0])[rest])
    network = detector.autoencoder_.state_dict()
    assert all((value == network[name]).all() for name, value in alone.autoencoder_.state_dict().items())


def test_a_feature_in_large_units_does_not_rule_the_score():
    x, _ = make_blobs(300, 4, centers=1, random_state=0)
    odd = np.tile(x.mean(0), (2, 1))
    odd[0, 0] += 8  # eight standard deviations, in the small unit
    odd[1, 3] += 3  # three, in the large one
    units = np.array([1.0, 1, 1, 1e6])
    scores = quick().fit(x * units).score_samples(odd * units)
    assert scores[0] < scores[1]


def test_more_than_the_training_rows_are_called_outliers_where_there_are_more(plane):
    detector = quick(contamination=0.02).fit(plane[0])
    assert (detector.predict(plane[1] + 30) == -1).all()


@pytest.mark.parametrize("share", [0, -0.1, 0.6, "auto", True], ids=str)
def test_contamination_must_be_a_share(plane, share):
    with pytest.raises(ValueError, match=rf"contamination must be above 0 and at most 0\.5, got {share!r}"):
        quick(contamination=share).fit(plane[0])


@pytest.mark.parametrize("share", [0, 1.1, "all", False], ids=str)
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
    assert detector.score_by_ == "table"


def test_a_share_of_outliers_is_no_reason_to_trim_where_all_rows_are_asked_for():
    assert quick(contamination=0.1, support_fraction=1).learned_share == 1
    assert quick(contamination=0.1, support_fraction=0.9).learned_share == 0.9
    assert quick(contamination=0.1).chosen_score(np.zeros((4, 2))) == "trimmed"
    # all rows are normal, nobody knows, some are outliers
    chosen = [quick(support_fraction=share).chosen_score(np.zeros((4, 2))) for share in (1, None, 0.7)]
    assert chosen == ["novelty", "table", "trimmed"]
    assert quick(contamination=0.1, support_fraction=1).chosen_score(np.zeros((4, 2))) == "table"


def test_strange_rows_are_not_learned_from(mixed):
    detector = trimmed().fit(mixed[0])
    assert detector.support_.sum() == 315  # 70 %
    assert detector.support_[mixed[1]].mean() < 0.1
    assert detector.score_by_ == "trimmed"


def test_the_rest_is_the_detector_that_saw_the_support_alone(mixed):
    x = mixed[0]
    detector = quick(contamination=0.1).fit(x)  # a share of outliers in these rows: 0.7 of them are learned from
    assert detector.support_.sum() == 315
    alone = quick(score_by="trimmed").fit(x[detector.support_])
    np.testing.assert_array_equal(alone.score_samples(x), detector.score_samples(x))
    assert detector.offset_ == pytest.approx(np.percentile(detector.score_samples(x), 10))
    assert detector.offset_ < alone.offset_


def test_the_limit_of_a_trimmed_detector_is_of_all_rows(mixed):
    detector = trimmed(false_alarm_rate=0.1).fit(mixed[0])
    scores = -detector.score_samples(mixed[0])
    assert detector._ranks.rows == 450
    assert (scores > -detector.offset_).sum() == 44  # (1 + 44) / 451 <= 0.1


def test_a_heap_of_strange_rows_is_not_learned(plane):
    heap = 5 * plane[1][:1] + 0.1 * np.random.RandomState(1).standard_normal((40, 5))
    x, strange = np.r_[plane[0], heap], np.arange(440) >= 400
    shares = (0.7, None, 1)
    trimmed, whole, novelty = (-quick(support_fraction=share).fit(x).score_samples(x) for share in shares)
    assert average_precision_score(strange, trimmed) > 0.99
    assert average_precision_score(strange, whole) > 0.99
    assert average_precision_score(strange, novelty) < 0.5  # the heap is then one more kind of normal


def test_the_support_has_no_rows_of_weight_0_and_counts_by_weight(mixed):
    x = mixed[0]
    weights = np.where(np.arange(450) % 2, 0.0, 1.0)
    detector = trimmed().fit(x, sample_weight=weights)
    np.testing.assert_array_equal(detector.support_[::2], trimmed().fit(x[::2]).support_)
    assert not detector.support_[1::2].any()


@pytest.mark.filterwarnings("ignore::contractive.PromiseWarning")
def test_four_rows_are_kept_at_least():
    x = np.random.RandomState(0).standard_normal((9, 3))
    assert quick(support_fraction=0.01, max_epochs=1).fit(x).support_.sum() == 4
    with pytest.raises(ValueError, match=r"sample_weight must be above 0 for at least 4 rows, got 3\. Weigh more"):
        quick().fit(x, sample_weight=[1, 1, 1, 0, 0, 0, 0, 0, 0])


def test_the_weight_is_found_once(mixed):
    found = trimmed(weight="auto", max_epochs=10).fit(mixed[0])
    np.testing.assert_array_equal(found.support_, trimmed(weight=0.1, max_epochs=10).fit(mixed[0]).support_)
    assert found.weight_ > 0
    assert {"weight", "error_increase"} <= {*found.history_}


def test_seen_networks_cannot_calibrate(plane):
    with pytest.raises(ValueError, match="warm_start must be False, got True: rows seen before cannot calibrate"):
        quick(warm_start=True).fit(plane[0])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("false_alarm_rate", value) for value in (0, 0.6, None, True)),
        *(("false_discovery_rate", value) for value in (0, 0.6, "bh")),
    ],
    ids=str,
)
def test_rates_must_be_shares(plane, name, value):
    with pytest.raises(ValueError, match=rf"{name} must be above 0 and at most 0\.5, got {value!r}"):
        quick(**{name: value}).fit(plane[0])


@pytest.mark.parametrize("name", ["calibration", "score_by", "impute", "scale"])
def test_names_must_be_known(plane, name):
    with pytest.raises(ValueError, match=f"{name} must be one of .*got 'other'"):
        quick(**{name: "other"}).fit(plane[0])


def test_a_share_of_training_rows_and_of_discoveries_exclude_each_other(plane):
    with pytest.raises(ValueError, match="contamination must come without `false_discovery_rate`, got"):
        quick(contamination=0.1, false_discovery_rate=0.1).fit(plane[0])


def flat(rows, seed):
    """Exchangeable rows near a plane in five dimensions."""
    random = np.random.RandomState(seed)
    mixing = np.random.RandomState(0).standard_normal((2, 5))
    return random.standard_normal((rows, 2)) @ mixing + 0.1 * random.standard_normal((rows, 5))


@pytest.mark.parametrize("calibration", ["cross", "split"])
def test_new_normal_rows_are_flagged_at_the_rate_promised(calibration):
    n, flagged = 120, {0.05: [], 0.1: []}
    for seed in range(4):
        detector = quick(calibration=calibration, max_epochs=12).fit(flat(n, 2 * seed + 1))
        p_values = detector.p_values(flat(2000, 2 * seed + 2))
        for rate, counts in flagged.items():
            counts.append((p_values <= rate).sum())
    rows = int(detector._ranks.rows)
    assert rows == {"cross": 120, "split": 24}[calibration]
    for rate, counts in flagged.items():
        k = int(rate * (rows + 1) + 1e-9)
        low, high = betabinom.interval(0.999, 2000, k, rows + 1 - k)
        assert low <= min(counts)
        assert max(counts) <= high
        np.testing.assert_array_equal(detector.predict(flat(50, 99)) == -1, detector.p_values(flat(50, 99)) <= 0.05)


def test_rows_that_are_named_calibrate_and_the_others_are_learned_from_in_order(plane):
    rows, later = plane[0][:60], np.arange(60) >= 40
    detector = ct.ContractiveOutlierDetector(max_epochs=1, n_components=4, random_state=0)
    detector.fit(rows, calibrates=later)
    assert detector.smallest_false_alarm_rate_ == 1 / 21
    assert detector.support_.tolist() == (~later).tolist()
    expected = 1 + (detector.score_samples(rows[later])[:, None] <= detector.score_samples(rows[:3])).sum(0)
    np.testing.assert_allclose(detector.p_values(rows[:3]), expected / 21)
    assert detector._fit.folds.tolist() == np.repeat(np.arange(5), 8).tolist()
    with pytest.raises(
        ValueError, match=r"calibrates must leave at least 4 rows to learn from, and one .*, got 60 of 60"
    ):
        detector.fit(rows, calibrates=np.ones(60, bool))


def test_wrong_masks_and_single_weights(plane):
    rows = plane[0][:60]
    detector = ct.ContractiveOutlierDetector(max_epochs=1, n_components=4, random_state=0)
    with pytest.raises(ValueError, match=r"calibrates must be a mask of shape \(60,\), got \(3,\). Give True or False"):
        detector.fit(rows, calibrates=np.ones(3, bool))
    alike, plain = (clone(detector).fit(rows, sample_weight=weight).score_samples(rows) for weight in (2.0, None))
    np.testing.assert_array_equal(alike, plain)


def test_held_out_rows_are_as_many_as_the_rate_needs():
    x = flat(60, 0)
    detector = quick(calibration="split", max_epochs=2).fit(x)
    assert detector.support_.sum() == 60 - 19
    assert detector.smallest_false_alarm_rate_ == pytest.approx(1 / 20)
    assert np.isfinite(detector.offset_)
    # the calibration rows are ranked among themselves, all networks being new to them
    scores = -detector.score_samples(x[~detector.support_])
    np.testing.assert_allclose(np.sort(scores), detector._ranks.values)


def test_few_rows_say_what_can_be_promised():
    with pytest.warns(
        ct.PromiseWarning, match=r"rate=0\.05 cannot be promised from 10 .* the smallest rate is 0\.09091"
    ):
        detector = quick(max_epochs=2).fit(flat(10, 0))
    assert (detector.predict(flat(10, 1) * 100) == 1).all()
    assert (quick(max_epochs=2, false_alarm_rate=1 / 11).fit(flat(10, 0)).predict(flat(5, 1) * 100) == -1).all()


def test_discoveries_are_those_of_benjamini_and_hochberg():
    p_values = np.array([0.001, 0.013, 0.021, 0.04, 0.5])
    np.testing.assert_array_equal(discoveries(p_values, 0.05), [True, True, True, True, False])  # 0.04 <= 4/5 0.05
    np.testing.assert_array_equal(discoveries(p_values, 0.03), [True, False, False, False, False])


def test_few_of_the_rows_flagged_in_a_batch_are_normal():
    detector = quick(false_discovery_rate=0.2, max_epochs=12).fit(flat(200, 1))
    shares = []
    for seed in range(10):
        batch = np.r_[
            flat(90, 10 + seed), flat(10, 50 + seed) + 3 * np.random.RandomState(seed).standard_normal((10, 5))
        ]
        flagged = detector.predict(batch) == -1
        shares.append(flagged[:90].sum() / max(1, flagged.sum()))
        np.testing.assert_array_equal(flagged, discoveries(detector.p_values(batch), 0.2))
    assert flagged[90:].sum() >= 3
    assert np.mean(shares) <= 0.2


def test_the_residual_is_public_and_adds_up(plane):
    detector = quick(max_epochs=20).fit(plane[0])
    z = detector.scaled(plane[1])
    np.testing.assert_allclose(detector.unscaled(z), plane[1], rtol=1e-9)
    each = np.array([member.reconstruct(z) for member in detector._fit.members])
    np.testing.assert_allclose(detector.reconstruct(plane[1]), detector.unscaled(each.mean(0)))
    np.testing.assert_allclose(detector.feature_errors(plane[1]), np.square(each - z).mean(0))


def test_nan_is_filled_where_asked(plane):
    x = plane[0].copy()
    x[::7, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        quick(max_epochs=2).fit(x)
    detector = quick(impute="median", max_epochs=2).fit(x)
    filled = np.where(np.isnan(x), np.nanmedian(x, axis=0), x)
    np.testing.assert_array_equal(detector.score_samples(x), quick(max_epochs=2).fit(filled).score_samples(filled))
    x[:, 4] = np.nan
    with pytest.raises(ValueError, match="X must have a value in each column, got none in 4"):
        quick(impute="mean").fit(x)


def test_many_features_that_repeat_each_other_are_judged_in_the_code():
    random = np.random.RandomState(0)
    waves = np.sin(np.linspace(0, 3, 60) + random.uniform(0, 6, (80, 1))) + 0.05 * random.standard_normal((80, 60))
    assert repeats_itself(waves)
    assert not repeats_itself(waves[:, :40])
    assert not repeats_itself(waves[:20])
    assert not repeats_itself(random.standard_normal((80, 60)))
    detector = quick(max_epochs=3).fit(waves)
    assert detector.score_by_ == "structured"
    np.testing.assert_array_equal(np.ptp(detector._scaling.scale), 0)


def curves(noise):
    """Sums of three smooth curves, of which two are small, and noise."""
    random = np.random.RandomState(1)
    basis = np.sin(np.outer([1, 2, 3], np.linspace(0, 3, 60)))
    return random.standard_normal((120, 3)) * [1, 0.1, 0.1] @ basis + noise * random.standard_normal((120, 60))


@pytest.mark.parametrize(("noise", "objective", "weights"), [
    (0.0, "contractive", [3.0, 0.3, 0.03, 0.003]),  # ever smaller ones reconstruct small differences better
    (0.5, "contractive", None),
    (0.5, "standard", [None]),  # which has none
])  # fmt: skip
def test_held_out_rows_choose_the_weight_of_structured_rows(monkeypatch, noise, objective, weights):
    tried, fit = [], ct.ContractiveAutoencoder.fit

    def noted(self, x, *args, **kwargs):
        fit(self, x, *args, **kwargs)
        tried.append((self.weight, self))
        return self

    monkeypatch.setattr(ct.ContractiveAutoencoder, "fit", noted)
    detector = quick(score_by="structured", objective=objective, max_epochs=60).fit(curves(noise))
    of_first = tried[: len(tried) - 4]  # the other four folds come last, with what was chosen
    own = detector._fit.folds == 0
    errors = [-each.score_samples(detector._fit.rows[own]).mean() for _, each in of_first]
    chosen = tried[-1][0]
    assert chosen == of_first[int(np.argmin(errors))][0]
    assert {weight for weight, *_ in tried[-4:]} == {chosen}
    if weights is None:  # with so much noise the smallest reconstructs worse
        assert chosen > 0.003
    else:
        assert [weight for weight, *_ in of_first] == weights
    if objective == "contractive":
        assert detector.weight_ == chosen


def test_a_weight_that_is_given_is_not_chosen():
    assert quick(score_by="structured", weight=0.7, max_epochs=2).fit(curves(0.1)).weight_ == 0.7


@pytest.mark.parametrize("score_by", ["table", "novelty", "structured", "trimmed", "reconstruction"])
def test_every_score_finds_what_is_strange_and_is_saved(plane, tmp_path, score_by):
    detector = quick(score_by=score_by, impute="median").fit(plane[0])
    rows = np.r_[plane[0][:20], plane[1] * 5]
    assert roc_auc_score([1] * 20 + [0] * 50, detector.score_samples(rows)) > 0.9
    detector.save(tmp_path / "saved")
    read = ct.ContractiveOutlierDetector.load(tmp_path / "saved")
    np.testing.assert_allclose(read.score_samples(rows), detector.score_samples(rows), rtol=1e-6)
    np.testing.assert_array_equal(read.p_values(rows), detector.p_values(rows))
    np.testing.assert_array_equal(read.predict(rows), detector.predict(rows))
    np.testing.assert_allclose(read.guaranteed_bounds(), detector.guaranteed_bounds(), rtol=1e-6)
    assert (read.score_by_, read.smallest_false_alarm_rate_) == (score_by, detector.smallest_false_alarm_rate_)
    assert read.explain(rows[20:21])[0].ranking[0].feature == detector.explain(rows[20:21])[0].ranking[0].feature


def test_a_changed_file_of_networks_is_refused(plane, tmp_path):
    quick(max_epochs=1).fit(plane[0]).save(tmp_path)
    with np.load(tmp_path / "estimator.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    folds, inner = (next(name for name in arrays if name.endswith(end)) for end in ("folds", "inner"))
    for changed in ({folds: arrays[folds][:-1]}, {inner: arrays[inner][:-1]}, {inner: arrays[inner].astype(int)}):
        np.savez(tmp_path / "estimator.npz", **{**arrays, **changed})
        with pytest.raises(ct.models.StorageError, match=r"networks and rows must fit\. estimator\.npz was changed"):
            ct.ContractiveOutlierDetector.load(tmp_path)
    np.savez(tmp_path / "estimator.npz", **{**arrays, inner: arrays[inner].astype(int)})
    with pytest.raises(ct.models.StorageError, match="inner rows must be marked by true or false"):
        ct.ContractiveOutlierDetector.load(tmp_path)
