import dataclasses
import json
import multiprocessing

import numpy as np
import pytest
import torch

import contractive as ct
from contractive.data import Split
from contractive.objectives import OBJECTIVES, NamedObjective, Reference
from contractive.studies.compare import Settings, compare, read, write
from contractive.studies.compare._fit import Budget
from contractive.studies.compare._search import Search
from contractive.studies.documents import ResultsError
from contractive.studies.metrics import METRICS, NOISE_LEVELS, noise_unit

TOY = NamedObjective("toy", lambda weight, loss: ct.objectives.standard(), "", "", guess=lambda share, scales: 1.0)

BUDGET = Budget(hidden=(8,), code=4, epochs=8, batch_size=16, learning_rate=0.02)


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
def results(split):
    return compare(split, Settings(BUDGET, seeds=2, strengths={"sparse": 0.01}))


def test_every_variant_has_every_figure_of_every_seed(results):
    assert [variant["name"] for variant in results.variants] == ["standard", "denoising", "sparse", "contractive"]
    for variant in results.variants:
        assert [seed["seed"] for seed in variant["seeds"]] == [0, 1]
        for seed in variant["seeds"]:
            assert set(seed["figures"]) == set(METRICS)
            assert len(seed["history"]) == BUDGET.epochs
        values = [seed["figures"]["r2"] for seed in variant["seeds"]]
        assert variant["summary"]["r2"] == pytest.approx({"mean": np.mean(values), "sd": np.std(values, ddof=1)})


def test_strengths_come_from_validation_data_within_the_allowed_increase(results):
    standard, denoising, sparse, contractive = results.variants
    assert standard["strength"] is None
    assert standard["search"] is None
    assert (sparse["strength"], sparse["search"]) == (0.01, None)
    for variant in (denoising, contractive):
        paid = {trial["strength"]: trial["error_increase"] for trial in variant["search"]}
        errors = [v["seeds"][0]["history"][-1]["val_reconstruction"] for v in (standard, variant)]
        assert paid[variant["strength"]] == pytest.approx(errors[1] / errors[0] - 1)
        affordable = [strength for strength, increase in paid.items() if increase <= 0.2]
        assert variant["strength"] == max(affordable)


def test_test_data_decide_nothing(split, results):
    changed = dataclasses.replace(split, test=np.random.default_rng(1).random(split.test.shape, dtype=np.float32))
    other = compare(changed, Settings(BUDGET, seeds=1, strengths={"sparse": 0.01}))
    for ours, theirs in zip(results.variants, other.variants, strict=True):
        assert ours["strength"] == theirs["strength"]
        for name in (key for key in results.arrays if key.startswith(f"{ours['name']}/weights/")):
            np.testing.assert_array_equal(results.arrays[name], other.arrays[name])


def test_figures_are_those_of_the_trained_model(split, results):
    variant = results.variants[3]
    autoencoder = ct.mlp(12, hidden=(8,), code=4)
    prefix = "contractive/weights/"
    weights = {key[len(prefix) :]: torch.from_numpy(a) for key, a in results.arrays.items() if key.startswith(prefix)}
    autoencoder.load_state_dict(weights)
    x = torch.from_numpy(split.test)
    figures = variant["seeds"][0]["figures"]
    with torch.no_grad():
        error = (autoencoder(x) - x).square().sum(1).mean()
    jacobian = ct.jacobian(autoencoder.encoder, x).detach()
    assert figures["reconstruction_error"] == pytest.approx(float(error), rel=1e-5)
    assert figures["squared_norm"] == pytest.approx(float(jacobian.square().sum((1, 2)).mean()), rel=1e-4)
    operator = torch.linalg.matrix_norm(jacobian, 2)
    assert figures["operator_norm"] == pytest.approx(float(operator.mean()), rel=1e-4)
    assert figures["operator_norm_max"] == pytest.approx(float(operator.max()), rel=1e-4)
    assert figures["contractive_share"] == pytest.approx(float((operator <= 1).double().mean()))
    np.testing.assert_allclose(results.arrays["contractive/reconstructions"].shape, (3, 12))


def test_the_unit_of_noise_is_a_typical_standard_deviation():
    x = np.array([[0.0, 0.0], [2.0, 0.0]], np.float32)
    split = Split("two", x, x, x, None, None)
    assert noise_unit(split) == pytest.approx(np.sqrt(0.5))


def test_accuracy_under_noise_has_a_value_per_level(results):
    curve = results.arrays["standard/probe"]
    assert curve.shape == (2, 1 + len(NOISE_LEVELS))
    assert results.document["noise_levels"] == [0.0, *NOISE_LEVELS]
    assert results.variants[0]["seeds"][0]["figures"]["probe_accuracy"] == curve[0, 0]


def test_two_processes_find_the_same(split, results):
    parallel = compare(split, Settings(BUDGET, ("contractive",), seeds=2, jobs=2))
    assert [variant["name"] for variant in parallel.variants] == ["standard", "contractive"]
    for ours, theirs in zip((results.variants[0], results.variants[3]), parallel.variants, strict=True):
        assert ours["seeds"][1]["figures"]["r2"] == pytest.approx(theirs["seeds"][1]["figures"]["r2"], rel=1e-4)


def test_data_without_labels_have_no_accuracies():
    found = compare(
        tiny_split(labelled=False), Settings(BUDGET, ("contractive",), seeds=1, strengths={"contractive": 0.01})
    )
    assert "probe_accuracy" not in found.variants[0]["summary"]
    assert found.variants[0]["summary"]["r2"]["sd"] == 0


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_variant_trains(split, name):
    settings = Settings(dataclasses.replace(BUDGET, epochs=2), (name,), seeds=1)
    assert compare(split, settings).variants[-1]["name"] == name


def test_progress_counts_up_to_the_number_expected(split):
    seen = []
    settings = Settings(BUDGET, ("contractive",), seeds=2)
    compare(split, settings, lambda what, done, expected: seen.append((done, expected)))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]
    assert all(done <= expected for done, expected in seen)


@pytest.mark.parametrize("exponent", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_search_lands_within_the_allowed_increase_of_a_power_law(exponent, scale):
    """The truth is increase = (strength / scale)^exponent; the variant believes in exponent 1 and starts at 1."""
    search = Search(TOY, 0.2, Reference(2.0, 1.0, 1.0))
    while (strength := search.next()) is not None:
        search.add(strength, 2.0 * (1 + (strength / scale) ** exponent))
    paid = dict(search.trials)
    assert len(search.trials) <= 5
    assert paid[search.chosen] <= 0.2 or search.chosen == min(paid)
    if scale == 1.0:
        assert 0.02 <= paid[search.chosen] <= 0.2


def test_results_survive_files(results, tmp_path):
    write(results, tmp_path)
    again = read(tmp_path)
    assert again.document == json.loads(json.dumps(results.document))
    assert set(again.arrays) == set(results.arrays)
    rows = (tmp_path / "results.csv").read_text().splitlines()
    assert len(rows) == 1 + 4 * 2
    assert rows[0].startswith("variant,strength,seed,reconstruction_error")


def test_numbers_json_does_not_have_become_null(results, tmp_path):
    document = results.document | {"seconds": float("inf")}
    write(dataclasses.replace(results, document=document), tmp_path)
    assert read(tmp_path).document["seconds"] is None


def pickled_arrays(folder):
    with open(folder / "arrays.npz", "wb") as file:
        np.savez(file, evil=np.array([{}], object))


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda f: (f / "results.json").unlink(), "must hold the results.json and arrays.npz of a comparison"),
        (lambda f: (f / "results.json").write_text("{"), "must hold the results.json and arrays.npz"),
        (lambda f: (f / "results.json").write_text('{"format": 99}'), "format of .* must be 1, got 99"),
        (lambda f: (f / "arrays.npz").write_bytes(b"PK"), "must hold the results.json and arrays.npz"),
        (pickled_arrays, "must hold the results.json and arrays.npz of a comparison, got: .*allow_pickle=False"),
    ],
)
def test_damaged_results_are_refused(damage, match, results, tmp_path):
    write(results, tmp_path)
    damage(tmp_path)
    with pytest.raises(ResultsError, match=match):
        read(tmp_path)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"variants": ("standrad",)}, "variants must be among standard, .* got 'standrad'"),
        ({"variants": ()}, "variants must be among standard, .* got none. Name"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"jobs": 0}, "jobs must be at least 1, got 0"),
        ({"max_error_increase": 0}, "max_error_increase must be above 0, got 0"),
        ({"strengths": {"contractive": -1.0}}, "weight of contractive must be finite and at least 0, got -1.0"),
        ({"budget": dataclasses.replace(BUDGET, epochs=0)}, "epochs must be at least 1, got 0"),
    ],
)
def test_misuse_is_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        Settings(**{"budget": BUDGET} | settings)


def test_an_interrupt_ends_the_processes_at_once(split):
    def interrupt(what, done, expected):
        raise KeyboardInterrupt

    others = set(multiprocessing.active_children())  # joblib keeps its own alive
    with pytest.raises(KeyboardInterrupt):
        compare(split, Settings(BUDGET, seeds=2, jobs=2), interrupt)
    assert set(multiprocessing.active_children()) <= others


def test_the_price_of_cross_entropy_leaves_out_what_no_model_can_mend(split):
    budget = dataclasses.replace(BUDGET, loss="cross_entropy")
    found = compare(split, Settings(budget, ("contractive",), seeds=1))
    standard, contractive = (v["seeds"][0]["history"][-1]["val_reconstruction"] for v in found.variants)
    x = torch.from_numpy(split.validation)
    floor = float(torch.nn.functional.binary_cross_entropy(x, x, reduction="none").sum(1).mean())
    paid = {trial["strength"]: trial["error_increase"] for trial in found.variants[1]["search"]}
    wanted = (contractive - floor) / (standard - floor) - 1
    assert floor > 1
    assert paid[found.variants[1]["strength"]] == pytest.approx(wanted, rel=1e-3)


def test_a_collapsed_trial_is_never_chosen():
    search = Search(TOY, 0.2, Reference(2.0, 1.0, 1.0))
    while (strength := search.next()) is not None:
        search.add(strength, float("inf") if strength > 0.01 else 2.0 * (1 + strength))
    assert search.chosen <= 0.01
