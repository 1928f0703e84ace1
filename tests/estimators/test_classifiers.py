"""The classifiers keep scikit-learn's contract, learn, and do what the functions they are made of do."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import contractive as ct
from contractive import objectives
from contractive.estimators import ManifoldTangentClassifier, StackedContractiveClassifier
from contractive.models import Classifier, encoder, stack
from contractive.training import fine_tune, pretrain

QUICK = {"hidden_layer_sizes": (20,), "pretraining_epochs": 1, "max_epochs": 10}
BOTH = [StackedContractiveClassifier, ManifoldTangentClassifier]


@parametrize_with_checks([make(**QUICK, random_state=0) for make in BOTH])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return train_test_split(x, y, test_size=0.4, random_state=0)


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_digits_are_told_apart(digits, make, output):
    x, x_test, y, y_test = digits
    names = np.array(list("abcdefghij"))
    model = make(hidden_layer_sizes=(60,), max_epochs=12, output=output, random_state=0).fit(x, names[y])
    predicted = model.predict(x_test)
    assert (predicted == names[y_test]).mean() > 0.93
    p = model.predict_proba(x_test)
    np.testing.assert_allclose(p.sum(1), 1)
    assert (model.classes_[p.argmax(1)] == predicted).all()


def test_it_is_pretraining_and_fine_tuning(digits):
    x, _, y, _ = digits
    model = StackedContractiveClassifier(
        hidden_layer_sizes=(12, 8), pretraining_epochs=2, max_epochs=2, scale="none", weight=0.01, random_state=3
    ).fit(x, y)
    seed = int(np.random.RandomState(3).randint(2**31 - 1))
    rows = torch.from_numpy(x).float()
    layers = stack(64, (12, 8), output="linear", seed=seed)
    with pytest.warns(ct.CollapseWarning):
        pretrain(
            layers, rows, objectives.contractive(0.01), seed=seed, max_epochs=2, learning_rate=3e-3, schedule="cosine",
            device="cpu", progress=False,
        )  # fmt: skip
    network = Classifier(encoder(layers), 8, 10, seed=seed)
    fine_tune(network, rows, y, max_epochs=2, learning_rate=0.5, decay=0.97, seed=seed, device="cpu")
    assert torch.equal(model.network_.linear.weight, network.linear.weight)
    assert len(model.pretraining_) == 2
    assert model.n_iter_ == 2


def test_layers_may_be_centred(digits):
    x, x_test, y, y_test = digits
    model = StackedContractiveClassifier(hidden_layer_sizes=(20,), center=True, max_epochs=10, random_state=0).fit(x, y)
    scaled = MinMaxScaler().fit_transform(x)
    np.testing.assert_allclose(model.network_.encoder[0].mean, scaled.mean(0), atol=1e-6)
    assert model.score(x_test, y_test) > 0.9
    with pytest.raises(ValueError, match="center must come with pretraining, which sets the means, got none"):
        clone(model).set_params(pretraining_epochs=0).fit(x, y)
    with pytest.raises(TypeError, match="center must be True or False, got 1"):
        clone(model).set_params(center=1).fit(x, y)


def test_early_stopping_keeps_the_best_epoch(digits):
    x, _, y, _ = digits
    model = StackedContractiveClassifier(
        hidden_layer_sizes=(20,), pretraining_epochs=0, early_stopping=True, n_iter_no_change=2, random_state=0
    ).fit(x, y)
    assert model.history_.stopped_early
    assert model.history_.best_epoch == model.n_iter_ - 2
    assert model.pretraining_ == ()


def test_unlabelled_rows_are_used_in_pretraining_only(digits):
    x, x_test, y, _ = digits
    few = StackedContractiveClassifier(**QUICK | {"max_epochs": 1}, random_state=0)
    alone, helped = clone(few).fit(x[:50], y[:50]), clone(few).fit(x[:50], y[:50], unlabelled=x_test)
    assert helped.pretraining_[0]["train_total"] != alone.pretraining_[0]["train_total"]
    assert not torch.equal(alone.network_.linear.weight, helped.network_.linear.weight)
    with pytest.raises(ValueError, match="features"):
        clone(few).fit(x, y, unlabelled=x[:, :5])


def test_tangents_from_a_file_are_the_same(digits, tmp_path):
    x, _, y, _ = digits
    settings = {"hidden_layer_sizes": (10,), "pretraining_epochs": 1, "max_epochs": 1, "n_tangents": 4}
    a = ManifoldTangentClassifier(**settings, random_state=0).fit(x, y)
    b = ManifoldTangentClassifier(**settings, random_state=0, tangent_file=tmp_path / "t.npy").fit(x, y)
    torch.testing.assert_close(a.network_.linear.weight, b.network_.linear.weight, rtol=1e-2, atol=1e-3)
    assert np.load(tmp_path / "t.npy").shape == (len(x), 4, 64)


def test_tangents_at_unlabelled_rows(digits, tmp_path):
    x, x_test, y, _ = digits
    settings = {"hidden_layer_sizes": (10,), "pretraining_epochs": 1, "max_epochs": 1, "n_tangents": 4}
    settings |= {"tangent_weight": 1.0, "tangent_file": tmp_path / "t.npy", "random_state": 0}
    models = {
        rows: ManifoldTangentClassifier(**settings, tangent_rows=rows).fit(x[:50], y[:50], unlabelled=x_test[:30])
        for rows in ("labelled", "all")
    }
    assert np.load(tmp_path / "t.npy").shape == (80, 4, 64)
    one, other = (model.network_.linear.weight for model in models.values())
    assert not torch.equal(one, other)
    encoded = ManifoldTangentClassifier(**settings, tangents_of="encoder").fit(x[:50], y[:50])
    assert not torch.equal(encoded.network_.linear.weight, one)


@pytest.mark.parametrize(("sizes", "num"), [((3, 12), 3), ((12, 3), 3), (6, 4), ((6, 5), 4)])
def test_directions_are_no_more_than_the_jacobian_has(sizes, num, tmp_path):
    settings = {"hidden_layer_sizes": sizes, "pretraining_epochs": 1, "max_epochs": 1, "n_tangents": 8}
    ManifoldTangentClassifier(**settings, random_state=0, tangent_file=tmp_path / "t.npy").fit(X, Y)
    assert np.load(tmp_path / "t.npy").shape == (len(X), num, X.shape[1])


def test_tangent_propagation_lowers_the_sensitivity_along_tangents(digits):
    x, _, y, _ = digits
    settings = {"hidden_layer_sizes": (30,), "pretraining_epochs": 5, "max_epochs": 10, "n_tangents": 4}
    moved = []
    for weight in (0.0, 1.0):
        model = ManifoldTangentClassifier(**settings, tangent_weight=weight, random_state=0).fit(x, y)
        rows = torch.from_numpy(x / 16).float()
        layer = stack(64, (30,))  # directions of the data themselves, the same for both
        directions = ct.jacobian.leading(layer[0].encoder, rows, 4).vectors
        network = model.network_
        moved.append(
            float(
                ct.objectives.tangent_propagation(network.chain, rows, directions, output="sigmoid")[1].mean().detach()
            )
        )
    assert moved[1] < moved[0]


X, Y = np.random.default_rng(0).random((20, 4)), np.arange(20) % 2


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (StackedContractiveClassifier(scale="log"), "scale must be one of minmax, standard, none"),
        (
            StackedContractiveClassifier(loss="absolute"),
            "loss must be one of squared_error, cross_entropy, got 'a",
        ),
        (ManifoldTangentClassifier(**QUICK, n_tangents=0), "n_tangents must be at least 1, got 0"),
        (
            ManifoldTangentClassifier(**QUICK, tangents_of="decoder"),
            "tangents_of must be one of reconstruction, encoder, got 'd",
        ),
        (ManifoldTangentClassifier(**QUICK, tangent_rows="none"), "tangent_rows must be one of labelled, all, got 'n"),
        (StackedContractiveClassifier(**QUICK, output="tanh"), "output must be one of softmax, sigmoid"),
        (
            StackedContractiveClassifier(hidden_layer_sizes=(3.7,)),
            r"hidden_layer_sizes must be whole numbers, got \(3\.7,\)",
        ),
        (
            StackedContractiveClassifier(hidden_layer_sizes="many"),
            "hidden_layer_sizes must be whole numbers, got 'many'",
        ),
    ],
)
def test_misuse_is_refused(model, match):
    with pytest.raises(ValueError, match=match):
        model.fit(X, Y)


@pytest.mark.parametrize("parameters", [{"learning_rate_init": -1.0}, {"scale": "log"}, {"max_epochs": 0}])
def test_a_refit_that_fails_leaves_no_older_network(parameters):
    model = StackedContractiveClassifier(**QUICK).fit(X, np.array(["low", "high"])[Y])
    model.set_params(**parameters)
    with pytest.raises(ValueError, match="must"):
        model.fit(1000 * X, np.array(["amber", "blue"])[Y])
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="y must have at least two classes"):
        StackedContractiveClassifier(**QUICK).fit(X, 0 * Y)


def test_numbers_of_numpy_are_numbers():
    settings = {"hidden_layer_sizes": (5,), "random_state": 0}
    found, wanted = (
        StackedContractiveClassifier(**settings, pretraining_epochs=n(1), max_epochs=n(1), batch_size=n(20)).fit(X, Y)
        for n in (np.int64, int)
    )
    assert torch.equal(found.network_.linear.weight, wanted.network_.linear.weight)


def test_an_objective_decides_alone():
    for make in BOTH:
        model = make(**QUICK, weight=objectives.denoising(0.1)).fit(X, Y)
        assert "train_contractive" not in model.pretraining_[0].columns
        assert "train_higher_order" not in model.pretraining_[0].columns
