"""Weights of rows, and the weight of the penalty that is found by its error increase."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

import contractive as ct
from contractive.estimators._scaling import learn, quantile
from contractive.estimators._surprise import Ranks

X = load_iris().data
COUNTS = np.random.RandomState(3).randint(0, 4, len(X))


def trimmed(**parameters):
    """The detector that learns from the rows it fits best."""
    return ct.ContractiveOutlierDetector(**{"support_fraction": 0.7, **parameters})


KINDS = [ct.ContractiveAutoencoder, ct.ContractiveOutlierDetector, trimmed]
pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")  # a few epochs learn little


def one_step(kind=ct.ContractiveAutoencoder, **parameters):
    """All rows in one batch, one step: nothing is left of the order."""
    settings = {"n_components": 6, "max_epochs": 1, "batch_size": 10_000, "solver": "sgd", "learning_rate_init": 0.01}
    return kind(**{**settings, "random_state": 0, **parameters})


@pytest.mark.parametrize("scale", ["standard", "common", "robust", "minmax", "none"])
def test_weights_equal_repeated_rows(scale):
    weighted = one_step(scale=scale).fit(X, sample_weight=COUNTS)
    repeated = one_step(scale=scale).fit(np.repeat(X, COUNTS, axis=0))
    plain = one_step(scale=scale).fit(X)
    for a, b in zip(weighted.autoencoder_.parameters(), repeated.autoencoder_.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), rtol=1e-4)
    assert weighted.reconstruction_error_ == pytest.approx(repeated.reconstruction_error_, rel=1e-4)
    assert weighted.score(X) == pytest.approx(repeated.score(X), rel=1e-4)
    if scale != "none":
        assert not np.allclose(plain.transform(X), repeated.transform(X), rtol=1e-4) or scale == "minmax"
    assert not np.allclose(plain.reconstruction_error_, repeated.reconstruction_error_, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_limits_of_the_detector_count_weights_as_repeated_rows(kind):
    """Repeated rows are each other's nearest neighbours; the limit alone is that of repeated scores."""
    there = COUNTS > 0
    share = one_step(kind, contamination=0.1).fit(X, sample_weight=COUNTS)
    scores = share.score_samples(X[there])
    assert share.offset_ == pytest.approx(np.quantile(np.repeat(scores, COUNTS[there]), 0.1))
    rate = one_step(kind, false_alarm_rate=0.1).fit(X, sample_weight=COUNTS)
    expected = Ranks.of(-rate.score_samples(X[there]), COUNTS[there].astype(float)).limit(0.1)
    assert rate.offset_ == pytest.approx(-expected)


def test_partial_fit_takes_weights():
    weighted = one_step().partial_fit(X, sample_weight=COUNTS)
    repeated = one_step().partial_fit(np.repeat(X, COUNTS, axis=0))
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), rtol=1e-4)
    second = weighted.partial_fit(X, sample_weight=COUNTS).transform(X)
    np.testing.assert_allclose(second, repeated.partial_fit(np.repeat(X, COUNTS, axis=0)).transform(X), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_weight_are_as_if_they_were_not_there(kind):
    """Bit for bit, over many small batches: they take no part in anything."""
    there = np.arange(len(X)) % 3 > 0
    parameters = {"max_epochs": 5, "batch_size": 16, "random_state": 0}
    weighted = kind(**parameters).fit(X, sample_weight=2.0 * there)
    alone = kind(**parameters).fit(X[there])
    assert np.array_equal(weighted.score_samples(X), alone.score_samples(X))
    assert weighted.n_features_in_ == 4


def test_equal_weights_change_nothing():
    same = one_step().fit(X, sample_weight=np.full(len(X), 0.3))
    assert np.array_equal(same.transform(X), one_step().fit(X).transform(X))


def test_weights_go_with_the_rows_that_are_not_held_out():
    """A weight that were given to another row would move the scaling, which the weights also set."""
    weights = np.random.RandomState(0).rand(len(X)) + 0.1
    estimator = one_step(early_stopping=True).fit(X, sample_weight=weights)
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    rows, _, kept, _ = train_test_split(X, weights, test_size=0.1, random_state=seed)
    np.testing.assert_allclose(estimator._scaling.offset, np.average(rows, axis=0, weights=kept), rtol=1e-9)


@pytest.mark.parametrize("q", [0.0, 0.05, 0.25, 0.5, 0.9, 1.0])
def test_a_weighted_quantile_is_that_of_repeated_values(q):
    values = np.random.RandomState(1).randn(20)
    times = np.random.RandomState(2).randint(1, 5, 20)
    assert quantile(values, q, 0.7 * times) == pytest.approx(np.quantile(np.repeat(values, times), q))
    assert quantile(values, q) == np.quantile(values, q)


def test_the_robust_scale_of_a_constant_feature_is_one():
    assert learn("robust", np.ones((3, 2)), np.array([1.0, 2, 3])).scale.tolist() == [1, 1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (np.r_[-1, np.ones(149)], "sample_weight must be at least 0, got -1. 0 leaves a row out."),
        (np.r_[1, np.zeros(149)], "sample_weight must be above 0 for at least 2 rows, got 1. Weigh more rows."),
        (np.ones(3), "sample_weight.shape == \\(3,\\), expected \\(150,\\)"),
        (np.full(150, np.nan), "sample_weight contains NaN"),
    ],
    ids=["negative", "one", "short", "nan"],
)
def test_wrong_weights_are_refused(kind, weights, match):
    with pytest.raises(ValueError, match=match):
        one_step(kind).fit(X, sample_weight=weights)


MIXED = np.random.RandomState(0).rand(600, 3) @ np.random.RandomState(1).rand(3, 10)
BUDGET = {"n_components": 6, "max_epochs": 40, "batch_size": 32, "learning_rate_init": 0.01, "random_state": 0}
BUDGET |= {"start": "random", "objective": "contractive"}


@pytest.mark.parametrize("kind", KINDS[1:])
def test_the_detector_takes_the_weight_that_its_first_network_finds(kind):
    parameters = {**BUDGET, "max_epochs": 5}
    found = kind(**parameters, weight="auto").fit(MIXED)
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    rest = found.scaled(MIXED[found.support_])[found._fit.folds != 0]
    own = {**parameters, "scale": "none", "weight": "auto", "random_state": seed}
    alone = ct.ContractiveAutoencoder(**own).fit(rest)
    assert (found.weight_, found.error_increase_) == (alone.weight_, alone.error_increase_)


def test_the_weight_found_costs_what_was_allowed():
    """Against a run without penalty on the same rows, both judged by hand on the rows held out."""
    parameters = {**BUDGET, "validation_fraction": 0.3, "max_error_increase": 0.3}
    found = ct.ContractiveAutoencoder(**parameters, weight="auto").fit(MIXED)
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    rows, held = train_test_split(MIXED, test_size=0.3, random_state=seed)
    free = ct.ContractiveAutoencoder(**{**parameters, "weight": 0.0}).fit(rows)
    errors = [-estimator.score_samples(held).mean() for estimator in (found, free)]
    assert errors[0] / errors[1] - 1 == pytest.approx(0.3, abs=0.06)
    history = found.history_
    assert history["error_increase"].iloc[-1] == pytest.approx(errors[0] / errors[1] - 1, abs=1e-3)
    assert found.weight_ == history["weight"].iloc[-1] > 0
    assert found.error_increase_ == history["error_increase"].iloc[-1]
    assert len(history) == found.n_iter_ == 40
    assert found.get_params()["weight"] == "auto"


def test_what_was_found_is_saved(tmp_path):
    found = ct.ContractiveAutoencoder(**{**BUDGET, "max_epochs": 4}, weight="auto").fit(MIXED)
    found.save(tmp_path)
    again = ct.ContractiveAutoencoder.load(tmp_path)
    assert (again.weight_, again.weight, again.max_error_increase) == (found.weight_, "auto", 0.1)
    assert again.error_increase_ == found.error_increase_
    pd.testing.assert_frame_equal(again.history_, found.history_)  # NaN where the penalty had no weight yet
    assert "NaN" not in (tmp_path / "estimator.json").read_text()


@pytest.mark.parametrize(
    ("parameters", "weight"),
    [
        ({"weight": 0.2}, 0.2),
        ({"objective": "denoising"}, 0.0),
        ({"objective": ct.objectives.l1(0.03)}, 0.03),
    ],
    ids=["plain", "none", "objective"],
)
def test_the_weight_given_is_there_to_read(parameters, weight):
    found = one_step(**parameters).fit(X)
    assert (found.weight_, found.error_increase_) == (weight, None)


@pytest.mark.parametrize(
    "penalty", ["sparse", ct.objectives.code_l1, ct.objectives.l1(0.1)], ids=["name", "function", "objective"]
)
def test_any_penalty_can_be_given_a_largest_increase(penalty):
    assert one_step(objective=penalty, weight="auto", max_epochs=4).fit(X).weight_ > 0


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"early_stopping": True}, "early_stopping must be False with weight='auto', got True: its totals"),
        ({"warm_start": True}, "warm_start must be False with weight='auto', got True: the search begins with a fresh"),
        ({"objective": "denoising"}, "objective must have a weight to find with weight='auto', got 'denoising'. Set"),
        ({"objective": ct.objectives.standard()}, "objective must have a weight to find with .*, got 'standard'. Set"),
        ({"max_error_increase": 0}, "max_error_increase must be above 0 and finite, got 0"),
        ({"max_error_increase": "low"}, "max_error_increase must be a number, got 'low'"),
        ({"max_epochs": 1}, "max_epochs must be at least 2 with `max_error_increase`, got 1. Train longer."),
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_a_search_cannot_go_with_is_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        one_step(**{"weight": "auto", "max_epochs": 4, **parameters}).fit(X)


def test_partial_fit_cannot_find_a_weight():
    with pytest.raises(ValueError, match=r"weight must be a number in partial_fit, got 'auto'\. Find it with fit on"):
        one_step(weight="auto").partial_fit(X)
