"""An estimator that begins as principal components: its defaults, its parameters, and how its scaling is chosen."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split

import contractive as ct
from contractive.core.columns import is_signal
from contractive.core.errors import InvalidValue
from contractive.estimators._scaling import learn
from contractive.models import Autoencoder, residual
from contractive.training import WarmCosine, fit_from_components

IRIS, WINE = load_iris().data, load_wine().data


def curved(n=500, seed=0):
    """Six features in other units, of a curved surface."""
    g = np.random.default_rng(seed)
    a, b = g.normal(size=(2, n))
    bent = np.stack([a, b, a * a / 2, a * b, b * b / 2, a + b], 1) + 0.05 * g.normal(size=(n, 6))
    return bent * [1, 10, 100, 1, 1, 1] + 5


def quick(**parameters):
    return ct.ContractiveAutoencoder(**{"n_components": 2, "random_state": 0, **parameters})


def shares_of_variance(estimator, x, y):
    """(of the estimator, of principal components of the same size) on rows y."""
    scaling = estimator._scaling
    pca = PCA(estimator.n_components_).fit(scaling.apply(x))
    z = scaling.apply(y)
    left = np.square(z - pca.inverse_transform(pca.transform(z))).sum() / np.square(z).sum()
    return estimator.score(y), 1 - left


def test_the_default_is_better_than_principal_components_where_rows_are_curved():
    x, y = curved(), curved(seed=1)
    ours, theirs = shares_of_variance(quick().fit(x), x, y)
    assert theirs < 0.75
    assert ours > 0.9


def test_the_default_is_as_good_as_principal_components_where_they_are_not():
    x, y = train_test_split(IRIS, test_size=0.4, random_state=0)
    estimator = ct.ContractiveAutoencoder(random_state=0).fit(x)
    ours, theirs = shares_of_variance(estimator, x, y)
    assert ours == pytest.approx(theirs, abs=2e-3)


def test_fit_does_the_work_of_fit_from_components_and_nothing_else():
    estimator = quick(max_epochs=12, batch_size=100, weight=0.01, random_state=4).fit(WINE)
    seed = int(np.random.RandomState(4).randint(2**31 - 1))
    z = torch.from_numpy(((WINE - WINE.mean(0)) / WINE.std(0)).astype(np.float32))
    net, objective = residual(13, code=2), ct.objectives.gain_weighted(0.01)
    found = fit_from_components(net, z, objective, WarmCosine(12, 100, 0.01), seed=seed, device="cpu", progress=False)
    for ours, theirs in zip(estimator.autoencoder_.parameters(), net.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert (estimator.n_iter_, estimator.weight_, estimator.error_increase_) == (len(found.history), 0.01, None)


@pytest.mark.parametrize(("features", "code"), [(1, 1), (2, 1), (7, 3), (100, 50), (300, 64)])
def test_the_code_has_half_of_the_features_and_at_most_64(features, code):
    x = np.random.default_rng(0).normal(size=(20, features))
    assert ct.ContractiveAutoencoder(max_epochs=1, random_state=0).fit(x).n_components_ == code


@pytest.mark.parametrize(
    ("parameters", "builder"),
    [
        ({}, "residual"),
        ({"objective": "standard"}, "residual"),
        ({"objective": "reconstruction_contractive", "weight": 0.01}, "residual"),
        ({"objective": "denoising"}, "residual"),
        ({"hidden_layer_sizes": 5}, "residual"),
        ({"objective": "contractive", "start": "pca"}, "residual"),
        ({"objective": "contractive"}, "mlp"),
        ({"objective": "weight_decay", "weight": 0.1}, "mlp"),
        ({"activation": "tanh"}, "mlp"),
        ({"hidden_layer_sizes": (5, 3)}, "mlp"),
        ({"hidden_layer_sizes": ()}, "mlp"),
        ({"scale": "minmax"}, "mlp"),
        ({"solver": "sgd", "learning_rate_init": 0.01}, "mlp"),
        ({"alpha": 0.1}, "mlp"),
        ({"noise": ct.objectives.Masking(0.2)}, "mlp"),
        ({"early_stopping": True}, "mlp"),
        ({"tied": True}, "tied"),
        ({"start": "random"}, "mlp"),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
def test_another_network_or_training_begins_at_random(parameters, builder):
    net: Autoencoder = quick(max_epochs=2, **parameters).fit(IRIS).autoencoder_
    assert net.recipe is not None
    assert net.recipe.builder == builder
    if parameters.get("hidden_layer_sizes") == 5:
        assert net.recipe.arguments["hidden"] == 5


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"tied": True}, "tied=True"),
        ({"hidden_layer_sizes": (4, 4)}, r"hidden_layer_sizes=\(4, 4\)"),
        ({"loss": "cross_entropy", "scale": "none"}, "loss='cross_entropy'"),
        ({"objective": "weight_decay", "weight": 0.1}, "objective='weight_decay'"),
        ({"noise": ct.objectives.Masking(0.1)}, "noise=Masking"),
    ],
    ids=str,
)
def test_what_cannot_begin_as_components_is_refused(parameters, name):
    with pytest.raises(InvalidValue, match=f"start must be random, or all else suit .*, got start='pca' and {name}"):
        quick(start="pca", **parameters).fit(IRIS)


@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
def test_partial_fit_begins_as_the_components_of_the_first_rows_and_goes_on():
    x = curved(2000)
    estimator = quick().partial_fit(x[:500])
    first = shares_of_variance(estimator, x[:500], x)[0]
    for _ in range(10):
        for start in range(0, 2000, 500):
            estimator.partial_fit(x[start : start + 500])
    assert estimator.n_iter_ == 41
    assert estimator.score(x) > max(first, 0.85)


def test_warm_start_trains_on():
    x = curved()
    warm = quick(warm_start=True, max_epochs=20).fit(x)
    first, epochs = warm.reconstruction_error_, warm.n_iter_
    warm.fit(x)
    assert warm.n_iter_ > epochs
    assert warm.reconstruction_error_ < 1.02 * first


def test_sample_weights_of_zero_leave_rows_out():
    x, weights = curved(), np.tile([1.0, 0.0], 250)
    one = quick(max_epochs=4).fit(np.where(weights[:, None] > 0, x, 1e6), sample_weight=weights)
    np.testing.assert_array_equal(one.transform(x), quick(max_epochs=4).fit(x[::2]).transform(x))


def test_the_weight_found_gives_the_same_model_when_it_is_given(tmp_path):
    x = curved(300)
    found = quick(weight="auto", max_error_increase=0.2, max_epochs=40).fit(x)
    assert found.error_increase_ == pytest.approx(0.2, abs=0.05)
    given = clone(found).set_params(weight=found.weight_).fit(x)
    np.testing.assert_array_equal(given.transform(x), found.transform(x))
    found.save(tmp_path)
    again = ct.ContractiveAutoencoder.load(tmp_path)
    assert (again.weight_, again.error_increase_) == (found.weight_, found.error_increase_)
    np.testing.assert_array_equal(again.transform(x), found.transform(x))


DIGITS = load_digits().data


@pytest.mark.parametrize(
    ("name", "x", "signal"),
    [
        ("smooth curves", np.random.default_rng(0).normal(size=(90, 40)).cumsum(1), True),
        ("images", DIGITS, True),
        ("images with dead pixels", np.c_[DIGITS, np.zeros((len(DIGITS), 9))], True),
        ("table", load_breast_cancer().data, False),
        ("few columns", IRIS, False),
        ("noise", np.random.default_rng(0).normal(size=(300, 40)), False),
        ("shuffled pixels", DIGITS[:, np.random.default_rng(0).permutation(64)], False),
        ("other units", DIGITS * 10.0 ** (np.arange(64) % 4), False),
        ("constant", np.ones((9, 30)), False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_scale_for_signals_and_images_only(name, x, signal):
    assert is_signal(x) is signal
    wanted = learn("common" if signal else "standard", x)
    np.testing.assert_array_equal(learn("auto", x).scale, wanted.scale)
