import pickle

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler

import contractive as ct
from contractive.core.errors import InvalidValue
from contractive.estimators import budget
from contractive.objectives import Masking

IRIS = load_iris()
pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")  # a few epochs learn little


# the paper's network and objective from random weights; from principal components on: test_start.py
PAPER = {"start": "random", "objective": "contractive", "weight": 0.1, "scale": "standard"}


def quick(**parameters):
    settings = {**PAPER, "n_components": 8, "max_epochs": 30, "random_state": 0}
    return ct.ContractiveAutoencoder(**{**settings, **parameters})


@pytest.fixture(scope="module")
def fitted():
    return quick(max_epochs=120, batch_size=32, n_components=16).fit(IRIS.data)


def test_fit_does_the_work_of_contractive_fit_and_nothing_else():
    estimator = quick(weight=0.2, max_epochs=7, batch_size=50, learning_rate="constant", random_state=4)
    estimator.fit(IRIS.data)
    seed = int(np.random.RandomState(4).randint(2**31 - 1))
    torch.manual_seed(seed)
    by_hand = ct.mlp(4, code=8, output="linear")
    rows = StandardScaler().fit_transform(IRIS.data).astype(np.float32)
    objective = ct.objectives.contractive(0.2)
    arguments = {"max_epochs": 7, "batch_size": 50, "learning_rate": 3e-3, "seed": seed, "device": "cpu"}
    history = ct.fit(by_hand, rows, objective, progress=False, **arguments)
    for ours, theirs in zip(estimator.autoencoder_.parameters(), by_hand.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert estimator.history_["train_total"].tolist() == history["train_total"]
    assert isinstance(estimator.history_, pd.DataFrame)


def test_transform_and_inverse_are_encoder_and_decoder_in_the_users_units(fitted):
    z = (IRIS.data - IRIS.data.mean(0)) / IRIS.data.std(0)
    net = pickle.loads(pickle.dumps(fitted.autoencoder_)).double()
    code = net.encode(torch.from_numpy(z)).detach()
    np.testing.assert_allclose(fitted.transform(IRIS.data), code.numpy(), rtol=1e-12)
    back = net.decode(code).detach().numpy() * IRIS.data.std(0) + IRIS.data.mean(0)
    np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(IRIS.data)), back, rtol=1e-12)
    assert np.abs(back - IRIS.data).mean() < 0.3  # centimetres


def test_scores_are_minus_the_error_in_scaled_units_and_the_share_explained(fitted):
    z = (IRIS.data - IRIS.data.mean(0)) / IRIS.data.std(0)
    back = fitted.inverse_transform(fitted.transform(IRIS.data))
    errors = (((back - IRIS.data) / IRIS.data.std(0)) ** 2).sum(1)
    np.testing.assert_allclose(fitted.score_samples(IRIS.data), -errors, rtol=1e-9)
    assert fitted.score(IRIS.data) == pytest.approx(1 - errors.sum() / (z**2).sum(), rel=1e-9)
    assert fitted.reconstruction_error_ == pytest.approx(errors.mean(), rel=1e-4)
    assert 0.8 < fitted.score(IRIS.data) < 1


def test_the_unit_of_a_feature_does_not_matter():
    units = np.array([1.0, 1e6, 1e-6, 3.0])
    here, there = quick().fit(IRIS.data), quick().fit(IRIS.data * units)
    np.testing.assert_allclose(there.score_samples(IRIS.data * units), here.score_samples(IRIS.data), rtol=1e-3)


LOW, MIDDLE, HIGH = np.percentile(IRIS.data, [25, 50, 75], axis=0)


@pytest.mark.parametrize(
    ("scale", "offset", "width"),
    [
        ("standard", IRIS.data.mean(0), IRIS.data.std(0)),
        ("common", IRIS.data.mean(0), np.sqrt(IRIS.data.var(0).mean())),
        ("robust", MIDDLE, HIGH - LOW),
        ("minmax", IRIS.data.min(0), np.ptp(IRIS.data, axis=0)),
        ("none", 0.0, 1.0),
        (None, 0.0, 1.0),
    ],
    ids=str,
)
def test_every_scaling_is_what_its_name_says_and_undone_by_the_inverse(scale, offset, width):
    estimator = quick(scale=scale, max_epochs=2).fit(IRIS.data)
    z = torch.from_numpy(((IRIS.data - offset) / width).astype(np.float32))
    with torch.no_grad():
        back = estimator.autoencoder_(z).numpy() * width + offset
    np.testing.assert_allclose(estimator.inverse_transform(estimator.transform(IRIS.data)), back, rtol=1e-4, atol=1e-4)


def test_a_constant_feature_is_no_trouble():
    x = np.c_[IRIS.data, np.full(len(IRIS.data), 7.0)]
    estimator = quick().fit(x)
    assert np.isfinite(estimator.score_samples(x)).all()
    assert estimator._scaling.scale[4] == 1


@pytest.mark.parametrize("scale", ["standard", "common", "robust", "minmax"])
@pytest.mark.parametrize("weights", [None, np.linspace(1, 2, len(IRIS.data))], ids=["alike", "weighted"])
def test_a_constant_feature_of_any_size_changes_no_score(scale, weights):
    """The mean of 150 times in nanoseconds, all the same, is another number: it must not count as variance."""
    times = np.c_[IRIS.data, np.full(len(IRIS.data), 5e18 / 3)]
    small = np.c_[IRIS.data, np.full(len(IRIS.data), 1.0)]
    scores = [quick(scale=scale, max_epochs=2).fit(x, sample_weight=weights).score(x) for x in (times, small)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)


def test_further_rows_beyond_the_range_of_the_first_are_refused_for_the_cross_entropy():
    estimator = quick(scale="minmax").partial_fit(IRIS.data[:100])
    with pytest.raises(ValueError, match=r"X must lie within the range of the rows the scaling was learned from"):
        estimator.partial_fit(IRIS.data * 2)
    quick(scale="minmax", loss="squared_error").partial_fit(IRIS.data[:100]).partial_fit(IRIS.data * 2)


@pytest.mark.parametrize(
    ("parameters", "term"),
    [
        ({"objective": "contractive"}, "contractive"),
        ({"objective": "higher_order"}, "higher_order"),
        ({"objective": "reconstruction_contractive"}, "reconstruction_contractive"),
        ({"objective": "sparse"}, "kl_sparsity"),
        ({"objective": ct.objectives.code_l1}, "custom"),
        ({"objective": ct.objectives.l1(0.3), "weight": None}, "code_l1"),
        ({"objective": "standard", "weight": None}, None),
        ({"objective": "denoising", "weight": None}, None),
        ({"objective": "contractive", "noise": 0.1, "tied": True, "hidden_layer_sizes": (6,)}, "contractive"),
        (
            {"objective": "contractive", "noise": Masking(0.2), "solver": "sgd", "learning_rate_init": 0.01},
            "contractive",
        ),
        ({"scale": "minmax", "activation": "logistic", "hidden_layer_sizes": 6, "alpha": 1e-4}, "contractive"),
    ],
    ids=[
        "contractive",
        "higher order",
        "reconstruction",
        "sparse",
        "function",
        "objective",
        "none",
        "denoising",
        "tied with noise",
        "masking and sgd",
        "minmax",
    ],
)
def test_every_variant_trains(parameters, term):
    estimator = quick(**parameters, max_epochs=5).fit(IRIS.data)
    columns = set(estimator.history_.columns)
    assert columns - {"penalty_rows", "epoch", "seconds", "learning_rate", "train_total", "train_reconstruction"} == (
        {f"train_{term}"} if term else set()
    )
    assert estimator.transform(IRIS.data).shape == (150, 8)


def test_parameters_reach_the_objective():
    made = lambda **parameters: quick(**parameters)._made_objective()  # noqa: E731
    assert made(objective="denoising").corruption.sigma == 0.3
    assert made(objective="denoising", noise=0.7).corruption.sigma == 0.7
    assert made(objective="standard").corruption is None
    heavy = made(weight=2, alpha=0.5)
    assert (heavy.terms[0].weight, heavy.weight_decay, heavy.loss) == (2.0, 0.5, ct.objectives.squared_error)
    assert made(scale="minmax").loss is ct.objectives.cross_entropy
    custom = made(objective=ct.objectives.code_l1, weight=3)
    assert custom.terms[0].penalty is ct.objectives.code_l1
    assert custom.terms[0].weight == 3
    assert made(objective="weight_decay", weight=0.2, alpha=0.5).weight_decay == 0.7


@pytest.mark.parametrize("name", ct.objectives.OBJECTIVES)
def test_every_named_objective_is_one_of_the_estimator(name):
    weight = 0.02 if ct.objectives.OBJECTIVES[name].weight_name == "weight" else None
    assert quick(objective=name, weight=weight, max_epochs=1).fit(IRIS.data).weight_ == (weight or 0)


@pytest.mark.parametrize(
    ("objective", "match"),
    [
        ("denoising", r"weight must be None with the objective denoising, got 0\.7\. Set `noise`, its sigma\."),
        ("standard", r"weight must be None with the objective standard, got 0\.7\. It has no penalty\."),
        (ct.objectives.l1(0.1), r"weight must be None with the objective l1, got 0\.7\. It has its own weights\."),
    ],
    ids=["noise", "no penalty", "an objective"],
)
@pytest.mark.parametrize("estimator", [ct.ContractiveAutoencoder, ct.ContractiveOutlierDetector])
def test_a_weight_without_effect_is_refused(estimator, objective, match):
    with pytest.raises(InvalidValue, match=match):
        estimator(objective=objective, weight=0.7).fit(IRIS.data)
    estimator(objective=objective, max_epochs=1, random_state=0).fit(IRIS.data)


def test_the_default_weight_is_that_of_the_record():
    made = lambda objective: quick(objective=objective, weight=None)._made_objective()  # noqa: E731
    assert made("weight_decay").weight_decay == 1e-4
    assert [made(name).terms[0].weight for name in ("l1", "contractive", "gain_weighted")] == [0.01, 0.1, 0]
    assert made("denoising").corruption.sigma == 0.3
    assert made(ct.objectives.code_l1).terms[0].weight == 0.1


@pytest.mark.parametrize(
    ("rows", "batch", "epochs"),
    [(80, 80, 300), (1_797, 128, 40), (25_600, 128, 5), (100_000, 500, 5), (567_498, 1024, 5)],
)
def test_the_automatic_budget(rows, batch, epochs):
    for settings in (budget(rows), quick(max_epochs="auto")._training(rows)):
        assert (settings.batch_size, settings.max_epochs) == (batch, epochs)
    for settings in (budget(rows, 10_000, 7), quick(batch_size=10_000, max_epochs=7)._training(rows)):
        assert (settings.batch_size, settings.max_epochs) == (min(10_000, rows), 7)


def test_the_same_seed_gives_the_same_bits_and_leaves_the_global_generators_alone():
    torch.manual_seed(1)
    np.random.seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    codes = [quick(hidden_layer_sizes=(16,), noise=0.1).fit_transform(IRIS.data) for _ in range(2)]
    assert np.array_equal(*codes)
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])
    assert not np.array_equal(codes[0], quick(hidden_layer_sizes=(16,), random_state=1).fit_transform(IRIS.data))


def test_early_stopping_holds_rows_out_and_keeps_the_best():
    estimator = quick(early_stopping=True, max_epochs=500, n_iter_no_change=3, learning_rate_init=0.1)
    history = estimator.fit(IRIS.data).history_
    assert estimator.n_iter_ == len(history) < 500
    assert history["val_total"].notna().all()
    assert history["val_total"].iloc[-3:].min() >= history["val_total"].min()
    seed = int(np.random.RandomState(0).randint(2**31 - 1))
    trained_on, _ = train_test_split(IRIS.data, test_size=0.1, random_state=seed)
    np.testing.assert_allclose(estimator._scaling.offset, trained_on.mean(0))


def test_partial_fit_goes_on_with_weights_and_scaling():
    estimator = quick()
    for start in range(0, 150, 50):
        estimator.partial_fit(IRIS.data[start : start + 50])
    assert estimator.n_iter_ == 3
    assert estimator.history_["epoch"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(estimator._scaling.offset, IRIS.data[:50].mean(0))
    before = estimator.score(IRIS.data)
    for _ in range(40):
        estimator.partial_fit(IRIS.data)
    assert estimator.score(IRIS.data) > before + 0.1


def test_warm_start_trains_on_and_a_cold_start_begins_again():
    warm = quick(warm_start=True, learning_rate="constant").fit(IRIS.data)
    first = warm.reconstruction_error_
    warm.fit(IRIS.data)
    assert warm.n_iter_ == 60
    assert warm.reconstruction_error_ < first
    warm.set_params(warm_start=False).fit(IRIS.data)
    assert (warm.n_iter_, warm.reconstruction_error_) == (30, first)


def test_a_fit_that_fails_leaves_nothing_that_looks_fitted():
    estimator = quick().fit(IRIS.data)
    estimator.set_params(solver="sgd", learning_rate_init=1e6)
    with pytest.raises(ct.TrainingDiverged):
        estimator.fit(IRIS.data)
    with pytest.raises(NotFittedError):
        estimator.transform(IRIS.data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_codes_keep_the_precision_of_the_rows(fitted, dtype):
    rows = IRIS.data.astype(dtype)
    assert fitted.transform(rows).dtype == dtype
    assert fitted.inverse_transform(fitted.transform(rows)).dtype == dtype
    assert fitted.score_samples(rows).dtype == np.float64


@pytest.mark.parametrize(("library", "kind"), [(pd, "pandas"), (pl, "polars")], ids=["pandas", "polars"])
def test_frames_go_in_and_come_out(library, kind):
    frame = library.DataFrame(dict(zip("abcd", IRIS.data.T, strict=True)))
    estimator = quick(max_epochs=3).set_output(transform=kind)
    codes = estimator.fit(frame).transform(frame)
    assert isinstance(codes, library.DataFrame)
    assert list(codes.columns) == [f"contractiveautoencoder{i}" for i in range(8)]
    assert estimator.feature_names_in_.tolist() == list("abcd")
    assert estimator.get_feature_names_out().tolist() == list(codes.columns)


def test_it_works_where_scikit_learn_puts_it():
    classify = make_pipeline(quick(), StandardScaler(), LogisticRegression(max_iter=500))
    scores = cross_val_score(classify, IRIS.data, IRIS.target, cv=2)
    assert scores.mean() > 0.85
    grid = {"contractiveautoencoder__weight": [0.1]}
    with joblib.parallel_config("multiprocessing"):
        search = GridSearchCV(classify, grid, cv=2, n_jobs=2).fit(IRIS.data, IRIS.target)
    assert search.cv_results_["mean_test_score"][0] == pytest.approx(scores.mean())


def test_a_notebook_shows_its_parameters_and_whether_it_is_fitted():
    fresh, fitted = quick(weight=0.25), quick(weight=0.25).fit(IRIS.data)
    for estimator, word in ((fresh, "Not fitted"), (fitted, "Fitted")):
        shown = estimator._repr_mimebundle_()["text/html"]
        assert "ContractiveAutoencoder" in shown
        assert "0.25" in shown
        assert f"<span>{word}</span>" in shown


def test_it_works_in_a_column_transformer():
    frame = pd.DataFrame(IRIS.data, columns=list("abcd")).assign(kind=np.where(IRIS.target == 0, "x", "y"))
    columns = ColumnTransformer([("codes", quick(), list("abcd")), ("kind", OneHotEncoder(), ["kind"])])
    assert columns.fit_transform(frame).shape == (150, 10)
    assert columns.get_feature_names_out()[0] == "codes__contractiveautoencoder0"


@pytest.mark.parametrize("tied", [False, True], ids=["untied", "tied"])
def test_pickle_joblib_and_clone(tmp_path, tied):
    estimator = quick(tied=tied, max_epochs=2, scale="minmax", loss="squared_error").fit(IRIS.data)
    joblib.dump(estimator, tmp_path / "estimator.joblib")
    for again in (pickle.loads(pickle.dumps(estimator)), joblib.load(tmp_path / "estimator.joblib")):
        assert np.array_equal(again.transform(IRIS.data), estimator.transform(IRIS.data))
    assert clone(estimator).get_params() == estimator.get_params()
    assert not hasattr(clone(estimator), "autoencoder_")


def test_held_out_rows_beyond_the_range_of_the_training_rows_do_not_stop_the_cross_entropy():
    x = np.concatenate([IRIS.data[:40], IRIS.data[:40] * [[1.5, 0.5, 2, 3]]])
    for seed in range(3):
        estimator = quick(scale="minmax", early_stopping=True, validation_fraction=0.5, max_epochs=2, random_state=seed)
        assert np.isfinite(estimator.fit(x).history_["val_total"]).all()


def test_the_cross_entropy_takes_scaled_rows_as_they_are():
    rows = MinMaxScaler().fit_transform(IRIS.data)
    estimator = quick(scale="none", loss="cross_entropy", max_epochs=5).fit(rows)
    assert 0 < float(estimator.autoencoder_(torch.randn(3, 4)).detach().min())


@pytest.mark.parametrize(
    ("parameters", "error", "match"),
    [
        ({"objective": "l3"}, ValueError, "objective must be one of standard, .*, got 'l3'. Choose one"),
        ({"weight": -1}, ValueError, "weight must be at least 0, got -1"),
        ({"weight": float("nan")}, ValueError, "weight must be a finite number, got nan"),
        ({"weight": True}, TypeError, "weight must be a number, got True"),
        ({"alpha": "much"}, TypeError, "alpha must be a number, got 'much'"),
        ({"n_components": 0}, ValueError, "n_components must be at least 1, got 0. Leave it out"),
        ({"n_components": 2.5}, TypeError, "n_components must be a whole number, got 2.5"),
        ({"hidden_layer_sizes": (3, 0)}, ValueError, "hidden_layer_sizes must be at least 1, got 0"),
        ({"hidden_layer_sizes": "wide"}, TypeError, "hidden_layer_sizes must be whole numbers, got 'wide'"),
        ({"hidden_layer_sizes": None}, TypeError, "hidden_layer_sizes must be whole numbers, got None"),
        ({"max_epochs": "some"}, TypeError, "max_epochs must be a whole number, got 'some'"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change must be at least 1, got 0"),
        ({"learning_rate_init": 0}, ValueError, "learning_rate_init must be above 0 and finite, got 0"),
        ({"start": "zero"}, ValueError, "start must be one of auto, pca, random, got 'zero'"),
        ({"learning_rate": "linear"}, ValueError, "learning_rate must be one of constant, cosine, .*, got 'linear'"),
        ({"validation_fraction": 1}, ValueError, "validation_fraction must lie strictly between 0 and 1, got 1"),
        ({"activation": "step"}, ValueError, "activation must be one of sigmoid, .*, got 'step'"),
        ({"decoder_activation": "step"}, ValueError, "decoder_activation must be one of sigmoid, .*, got 'step'"),
        ({"solver": "lbfgs"}, ValueError, "solver must be one of adam, sgd, got 'lbfgs'"),
        ({"scale": "loud"}, ValueError, "scale must be one of auto, standard, log, common, .*, none, got 'loud'"),
        ({"center": 1}, TypeError, "center must be True or False, got 1"),
        ({"center": True, "start": "pca"}, ValueError, "start must be random, .*, got start='pca' and center=True"),
        ({"tied": "yes"}, TypeError, "tied must be True or False, got 'yes'"),
        ({"noise": -0.1}, ValueError, "noise must be at least 0, got -0.1"),
        ({"loss": "cross_entropy"}, ValueError, "loss must be squared_error with scale='standard', got cross_entropy"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_refused(parameters, error, match):
    with pytest.raises(error, match=match):
        quick(**parameters).fit(IRIS.data)


@pytest.mark.parametrize("tied", [False, True])
def test_the_mean_is_taken_off_inside_the_encoder(tied):
    estimator = quick(center=True, tied=tied, scale="none", max_epochs=1).fit(IRIS.data)
    np.testing.assert_allclose(estimator.autoencoder_.encoder[0].mean, IRIS.data.mean(0), rtol=1e-6)
    codes = estimator.transform(IRIS.data)
    estimator.partial_fit(IRIS.data[:50])
    np.testing.assert_allclose(estimator.autoencoder_.encoder[0].mean, IRIS.data.mean(0), rtol=1e-6)
    assert not np.allclose(codes, estimator.transform(IRIS.data))


def test_more_that_is_refused(fitted):
    with pytest.raises(ValueError, match="codes must have 16 columns, got 3"):
        fitted.inverse_transform(np.zeros((2, 3)))
    with pytest.raises(NotFittedError, match="ContractiveAutoencoder must be fitted first, got no history"):
        quick().history_  # noqa: B018
    with pytest.raises(NotFittedError):
        quick().score_samples(IRIS.data)


def test_rows_that_cannot_be_written_are_no_trouble(fitted):
    codes = fitted.transform(IRIS.data)
    back = fitted.inverse_transform(codes)
    codes.flags.writeable = False
    np.testing.assert_array_equal(fitted.inverse_transform(codes), back)


def test_a_table_without_variance_scores_zero():
    estimator = quick(max_epochs=2).fit(np.ones((5, 3)))
    assert estimator.score(np.ones((2, 3))) == 0.0


def test_a_fit_that_learned_nothing_says_so():
    with pytest.warns(ct.CollapseWarning, match="no better than that of the data's mean"):
        quick(weight=1e4).fit(IRIS.data)


def test_a_fit_that_is_worse_than_principal_components_says_so():
    with pytest.warns(ct.CollapseWarning, match="Principal components of the same size leave 0.0419 of the variance"):
        quick(n_components=2, max_epochs=3).fit(IRIS.data)
