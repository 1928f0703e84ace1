from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

import contractive as ct
from contractive.core.artifacts import ArtifactError
from contractive.data import Split
from contractive.models import NetworkSettings
from contractive.objectives import OBJECTIVES, NamedObjective, Reference
from contractive.studies.compare import CompareSettings, Results, Search, compare
from contractive.studies.metrics import METRICS, NOISE_LEVELS, noise_unit
from contractive.training import TrainingSettings

TOY = NamedObjective("toy", lambda weight, loss: ct.objectives.standard(), "", "", guess=lambda share, scales: 1.0)
TRAINING = TrainingSettings(max_epochs=8, batch_size=16, learning_rate=0.02, device="cpu")
SMALL = CompareSettings(NetworkSettings(hidden=(8,), code=4), TRAINING)


def tiny_split(labelled=True):
    """Three noisy prototypes of 3 x 4 pixels."""
    random = np.random.default_rng(0)
    prototypes = random.random((3, 12))
    labels = random.integers(0, 3, 150)
    x = np.clip(prototypes[labels] + 0.1 * random.standard_normal((150, 12)), 0, 1).astype(np.float32)
    parts = (slice(0, 90), slice(90, 120), slice(120, 150))
    kept = tuple(labels[part] for part in parts) if labelled else None
    return Split("tiny", *(x[part] for part in parts), kept, (3, 4) if labelled else None)


@pytest.fixture(scope="module")
def split():
    return tiny_split()


@pytest.fixture(scope="module")
def progress():
    """(done, expected) as the comparison reports them."""
    return []


@pytest.fixture(scope="module")
def results(split, progress):
    settings = replace(SMALL, seeds=2, weights={"sparse": 0.01})
    return compare(split, settings, on_progress=lambda what, done, expected: progress.append((done, expected)))


def test_every_objective_has_every_metric_of_every_seed(results):
    assert [each.name for each in results.objectives] == ["standard", "denoising", "sparse", "contractive"]
    for each in results.objectives:
        assert [seed.seed for seed in each.seeds] == [0, 1]
        for seed in each.seeds:
            assert set(seed.metrics) == set(METRICS)
            assert len(seed.history) == TRAINING.max_epochs
        values = [seed.metrics["r2"] for seed in each.seeds]
        assert (each.mean("r2"), each.sd("r2")) == (pytest.approx(np.mean(values)), np.std(values, ddof=1))


def test_principal_components_of_the_same_size_are_measured_alike(results, split):
    pca = PCA(4).fit(split.train)
    wrong = np.square(pca.inverse_transform(pca.transform(split.test)) - split.test).sum(1).mean()
    assert results.components["reconstruction_error"] == pytest.approx(wrong, rel=1e-4)
    assert set(results.components) == set(METRICS) - {"seconds_per_epoch", "saturation"}
    headings, rows = results.table()
    assert rows[-1][:3] == ["pca", None, None]
    assert dict(zip(headings, rows[-1], strict=True))["r2"] == results.components["r2"]


def test_weights_come_from_validation_data_within_the_allowed_error_increase(results):
    standard, denoising, sparse, contractive = results.objectives
    assert standard.weight is None
    assert standard.search == ()
    assert (sparse.weight, sparse.search) == (0.01, ())
    for each in (denoising, contractive):
        increases = {trial.weight: trial.error_increase for trial in each.search}
        errors = [one.seeds[0].history[-1]["val_reconstruction"] for one in (standard, each)]
        assert increases[each.weight] == pytest.approx(errors[1] / errors[0] - 1)
        within = [weight for weight, increase in increases.items() if increase <= 0.2]
        assert each.weight == max(within)


def test_test_data_decide_nothing(split, results):
    changed = replace(split, test=np.random.default_rng(1).random(split.test.shape, dtype=np.float32))
    other = compare(changed, replace(SMALL, seeds=1, weights={"sparse": 0.01}))
    for ours, theirs in zip(results.objectives, other.objectives, strict=True):
        assert ours.weight == theirs.weight
        assert set(ours.first.state) == set(theirs.first.state)
        for name in ours.first.state:
            np.testing.assert_array_equal(ours.first.state[name], theirs.first.state[name])


def test_metrics_are_those_of_the_trained_model(split, results):
    contractive = results["contractive"]
    autoencoder = ct.mlp(12, hidden=(8,), code=4, center=True)
    autoencoder.load_state_dict({name: torch.from_numpy(array) for name, array in contractive.first.state.items()})
    x = torch.from_numpy(split.test)
    metrics = contractive.seeds[0].metrics
    with torch.no_grad():
        error = (autoencoder(x) - x).square().sum(1).mean()
    jacobian = ct.jacobian(autoencoder.encoder, x).detach()
    assert metrics["reconstruction_error"] == pytest.approx(float(error), rel=1e-5)
    assert metrics["squared_norm"] == pytest.approx(float(jacobian.square().sum((1, 2)).mean()), rel=1e-4)
    operator = torch.linalg.matrix_norm(jacobian, 2)
    assert metrics["operator_norm"] == pytest.approx(float(operator.mean()), rel=1e-4)
    assert metrics["operator_norm_max"] == pytest.approx(float(operator.max()), rel=1e-4)
    assert metrics["contractive_share"] == pytest.approx(float((operator <= 1).double().mean()))
    np.testing.assert_allclose(contractive.first.arrays["reconstructions"].shape, (3, 12))


def test_the_unit_of_noise_is_a_typical_standard_deviation():
    x = np.array([[0.0, 0.0], [2.0, 0.0]], np.float32)
    split = Split("two", x, x, x, None, None)
    assert noise_unit(split) == pytest.approx(np.sqrt(0.5))


def test_accuracy_under_noise_has_a_value_per_level(results):
    curve = np.stack([fit.arrays["probe"] for fit in results["standard"].seeds])
    assert curve.shape == (2, 1 + len(NOISE_LEVELS))
    assert results.noise_levels == (0.0, *NOISE_LEVELS)
    assert results["standard"].seeds[0].metrics["probe_accuracy"] == curve[0, 0]


def test_data_without_labels_have_no_accuracies():
    settings = replace(SMALL, objectives=("contractive",), seeds=1, weights={"contractive": 0.01})
    found = compare(tiny_split(labelled=False), settings)
    assert "probe_accuracy" not in found["standard"].seeds[0].metrics
    assert "probe_accuracy" not in found.keys
    assert found["standard"].sd("r2") is None


def test_every_objective_trains():
    short = replace(SMALL, training=replace(TRAINING, max_epochs=2), objectives=tuple(OBJECTIVES), seeds=1)
    found = compare(tiny_split(labelled=False), short)
    assert {each.name for each in found.objectives} == set(OBJECTIVES)


def test_convolutional_networks_are_compared_without_pictures_of_filters(split):
    images = replace(split, image_shape=(1, 3, 4))
    network = NetworkSettings("conv", hidden=(2,), code=4)
    settings = replace(SMALL, network=network, objectives=("standard",), seeds=1)
    found = compare(images, replace(settings, training=replace(TRAINING, max_epochs=2)))
    assert "filters" not in found["standard"].first.arrays
    assert found["standard"].first.arrays["reconstructions"].shape == (3, 12)


def test_progress_counts_up_to_the_number_expected(results, progress):
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert progress[-1][0] == progress[-1][1]
    assert all(done <= expected for done, expected in progress)


@pytest.mark.parametrize("exponent", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_search_lands_within_the_increase_of_a_power_law(exponent, scale):
    """The truth is increase = (weight / scale)^exponent; the objective assumes exponent 1 and starts at 1."""
    search = Search(TOY, 0.2, Reference(2.0, 1.0, 1.0))
    while (weight := search.next()) is not None:
        search.add(weight, 2.0 * (1 + (weight / scale) ** exponent))
    increases = {trial.weight: trial.error_increase for trial in search.trials}
    assert len(search.trials) <= 5
    assert increases[search.chosen] <= 0.2 or search.chosen == min(increases)
    if scale == 1.0:
        assert 0.02 <= increases[search.chosen] <= 0.2


def test_results_survive_files(results, tmp_path):
    results.write(tmp_path)
    again = Results.read(tmp_path)
    assert (again.data, again.settings, again.versions) == (results.data, results.settings, results.versions)
    assert again.table() == results.table()
    for ours, theirs in zip(results.objectives, again.objectives, strict=True):
        assert (ours.search, ours.warnings) == (theirs.search, theirs.warnings)
        for one, other in zip(ours.seeds, theirs.seeds, strict=True):
            assert (one.seed, one.metrics, one.history) == (other.seed, other.metrics, other.history)
            assert (set(one.arrays), set(one.state)) == (set(other.arrays), set(other.state))
            for name, array in {**one.arrays, **one.state}.items():
                np.testing.assert_array_equal(array, {**other.arrays, **other.state}[name])
        mine, read = ours.first.sections, theirs.first.sections
        assert list(mine.by_name()) == list(read.by_name())
        torch.testing.assert_close(mine.spectra.values, read.spectra.values, rtol=0, atol=0)
    assert again.similarity.names == results.similarity.names
    rows = (tmp_path / "results.csv").read_text().splitlines()
    assert len(rows) == 1 + 4 * 2 + 1  # the last is that of principal components
    assert rows[0].startswith("objective,weight,seed,reconstruction_error")


def test_results_are_a_table_in_a_notebook_and_a_data_frame(results):
    frame = results.to_pandas()
    assert list(frame.columns[:4]) == ["objective", "weight", "seed", "reconstruction_error"]
    assert frame["r2"][0] == results["standard"].seeds[0].metrics["r2"]
    assert results._repr_html_().count("<tr>") == 9
    assert len(repr(results)) < 200


def test_numbers_that_json_does_not_have_survive(results, tmp_path):
    replace(results, seconds=float("inf")).write(tmp_path)
    assert Results.read(tmp_path).seconds == float("inf")


def with_pickles(folder):
    with open(folder / "results.npz", "wb") as file:
        np.savez(file, evil=np.array([{}], object))


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda f: (f / "results.json").unlink(), "results.json cannot be read"),
        (lambda f: (f / "results.json").write_text("{"), "results.json cannot be read"),
        (lambda f: (f / "results.json").write_text('{"format": 1}'), "was written before the first release"),
        (lambda f: (f / "results.json").write_text('{"version": 99}'), "has version 99, and"),
        (lambda f: (f / "results.npz").write_bytes(b"PK"), "results.npz cannot be read"),
        (lambda f: (f / "results.npz").unlink(), "results.json does not hold a comparison"),
        (with_pickles, "results.npz cannot be read: .*allow_pickle=False"),
    ],
)
def test_damaged_results_are_refused(damage, match, results, tmp_path):
    results.write(tmp_path)
    damage(tmp_path)
    with pytest.raises(ArtifactError, match=match) as error:
        Results.read(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"objectives": ("standrad",)}, "objectives must be one of standard, .* got 'standrad'"),
        ({"objectives": ()}, "objectives must be among standard, .* got none. Name"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"jobs": 0}, "jobs must be at least 1, got 0"),
        ({"max_error_increase": 0}, "max_error_increase must be above 0 and finite, got 0"),
        ({"weights": {"contractive": -1.0}}, "weights must be finite and at least 0, got -1.0 for contractive"),
        ({"weights": {"l1": 1.0}}, "weights must belong to one of the `objectives`, got 'l1'"),
        ({"loss": "absolute"}, "loss must be one of squared_error, cross_entropy, got 'absolute'"),
    ],
)
def test_misuse_is_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        CompareSettings(**settings)


def test_training_of_no_epoch_is_refused():
    with pytest.raises(ValueError, match="max_epochs must be at least 1, got 0"):
        replace(SMALL, training=TrainingSettings(max_epochs=0))


def test_the_increase_of_cross_entropy_leaves_out_what_no_model_can_reach(split):
    found = compare(split, replace(SMALL, loss="cross_entropy", objectives=("contractive",), seeds=1))
    standard, contractive = (each.seeds[0].history[-1]["val_reconstruction"] for each in found.objectives)
    x = torch.from_numpy(split.validation)
    floor = float(torch.nn.functional.binary_cross_entropy(x, x, reduction="none").sum(1).mean())
    increases = {trial.weight: trial.error_increase for trial in found["contractive"].search}
    wanted = (contractive - floor) / (standard - floor) - 1
    assert floor > 1
    assert increases[found["contractive"].weight] == pytest.approx(wanted, rel=1e-3)


def test_a_collapsed_trial_is_never_chosen():
    search = Search(TOY, 0.2, Reference(2.0, 1.0, 1.0))
    while (weight := search.next()) is not None:
        search.add(weight, float("inf") if weight > 0.01 else 2.0 * (1 + weight))
    assert search.chosen <= 0.01
