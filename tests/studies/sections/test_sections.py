"""Sections of an analysis: rows, rules, results that no other module has, and the words made from them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from contractive import analysis
from contractive.core.artifacts import Artifact, ArtifactError
from contractive.data import Block, DataError, Split
from contractive.jacobian import jacobian
from contractive.models import mlp
from contractive.report import analysis_html
from contractive.studies.pages import shown
from contractive.studies.sections import (
    SECTIONS,
    AnalysisSettings,
    DataSummary,
    Facts,
    Rows,
    RowSet,
    RunSummary,
    analysis_sentences,
    analysis_verdict,
    analyze,
    class_numbers,
    fit_probe,
    left_out,
    read_analysis,
    rows_of_split,
)
from contractive.studies.sections._rows import thinned

FACTS = Facts(20, 5, "", 20, True, 2)
SMALL = AnalysisSettings(num_points=20, map_points=30, attack_points=20, umap=False)


def rows(labelled=True, features=6, count=60):
    x = torch.rand(count, features, generator=torch.Generator().manual_seed(0))
    labels = (x[:, 0] > 0.5).long() if labelled else None
    test, training = RowSet("test rows", count), RowSet("training rows", count)
    data = DataSummary("made up", features, test, training, 0.3, classes=("low", "high") if labelled else ())
    return Rows(data, x, x.flip(0), labels, labels.flip(0) if labels is not None else None)


def model(features=6, code=4):
    torch.manual_seed(0)
    return mlp(features, hidden=(8,), code=code).eval()


@pytest.fixture(scope="module")
def measured():
    return analyze(model(), rows(), SMALL)


def test_every_measure_is_taken_or_left_out_with_a_reason(measured):
    assert set(measured.results) | set(measured.left_out) >= set(SECTIONS)
    assert not set(measured.results) & set(measured.left_out)
    assert all(measured.left_out.values())


@pytest.mark.parametrize(
    "error", [ValueError("no two rows differ.\nMore"), torch.linalg.LinAlgError("svd"), IndexError()]
)
def test_a_measurement_that_fails_is_left_out_with_its_reason(error, monkeypatch):
    def measure(self, subject):
        raise error

    monkeypatch.setattr(type(SECTIONS["codes"]), "measure", measure)
    found = analyze(model(), rows(), SMALL, only=["norms", "codes"])
    assert list(found.results) == ["norms"]
    reason = (str(error) or "IndexError").split(".")[0]
    assert found.left_out["codes"] == f"its measurement failed ({reason})"


@pytest.mark.parametrize(
    ("change", "section"),
    [
        ({"layers": 1}, "contraction by depth"),
        ({"layers": 0}, "filters"),
        ({"features": 30_000}, "directions"),
        ({"smallest_class": 3}, "directions by class"),
        ({"no_classes": "the data have no labels"}, "robustness"),
        ({"varies": False}, "similarity"),
        ({"varies": False}, "map"),
        ({"code": 1}, "map"),
    ],
)
def test_rules(change, section):
    assert section not in left_out(FACTS)
    assert left_out(replace(FACTS, **change))[section]


def test_a_plane_has_a_vector_field():
    assert "vector field" in left_out(FACTS)
    assert "vector field" not in left_out(replace(FACTS, features=2))
    found = analyze(model(2, 2), rows(features=2), SMALL, only=["vector field"]).results["vector field"]
    assert found.points.shape[1] == 2


@pytest.mark.parametrize(
    "facts", [FACTS, Facts(30_000, 1, "the data have no labels", 0, False, 0)], ids=["usual", "none apply"]
)
def test_only_sections_that_exist_are_reported_as_left_out(facts):
    assert set(left_out(facts)) <= set(SECTIONS)
    assert not {"score error", "saturation and binary codes"} & set(left_out(facts))


def test_unknown_sections_are_refused():
    with pytest.raises(ValueError, match=r"only must be one of norms, .*, got 'spectrum'"):
        analyze(model(), rows(), SMALL, only=["spectrum"])


def test_leaving_out_a_section_changes_no_other(measured):
    alone = analyze(model(), rows(), SMALL, only=["sensitivity"]).results["sensitivity"]
    for kind, moved in measured.results["sensitivity"].sensitivities.items():
        for one, other in zip(moved, alone.sensitivities[kind], strict=True):
            assert torch.equal(one.ratios, other.ratios)


def test_every_number_has_words(measured):
    for found in measured.sections.values():
        for metric in found.metrics.values():
            assert metric.label
            assert metric.help
            assert metric.value == metric.value
    numbers = {name for name, found in measured.sections.items() if found.metrics}
    assert numbers == {name for name, section in SECTIONS.items() if section.metrics and name in measured.sections}


def test_feature_sensitivity_is_the_root_mean_square_of_columns(measured):
    x = analysis.spread_rows(rows().measured, SMALL.num_points // 2)
    columns = jacobian(model().encoder, x).square().sum(1).mean(0).sqrt()
    torch.testing.assert_close(measured.results["features"].feature_norms[0], columns)


@pytest.mark.parametrize("classes", [2, 3])
def test_the_probe_predicts_as_scikit_learns(classes):
    generator = np.random.default_rng(0)
    codes, y = generator.normal(2, 3, (200, 4)), generator.integers(0, classes, 200)
    codes[:, 0] += y
    scaled = StandardScaler().fit(codes)
    truth = LogisticRegression(max_iter=300).fit(scaled.transform(codes), y)
    probe = fit_probe(torch.from_numpy(codes), torch.from_numpy(y), classes)
    shares = torch.softmax(probe.scores(torch.from_numpy(codes)), 1).numpy()
    np.testing.assert_allclose(shares, truth.predict_proba(scaled.transform(codes)), atol=1e-8)


def test_a_class_the_probe_never_met_is_never_predicted():
    codes = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    probe = fit_probe(codes, (codes[:, 0] > 0).long() * 2, 4)
    assert set(probe.scores(codes).argmax(1).tolist()) == {0, 2}
    with pytest.raises(ValueError, match="labels must be of at least two classes, got 1"):
        fit_probe(codes, torch.zeros(50).long(), 2)


def test_new_rows_are_halved_for_the_probe():
    whole = rows()
    data = replace(whole.data, reference=whole.data.measured)
    whole = replace(whole, data=data, reference=whole.measured, reference_labels=whole.labels)
    found = analyze(model(), whole, SMALL, only=["robustness"]).results["robustness"]
    assert (found.num_train, found.num_test) == (30, 30)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ([np.array([1.0, np.nan])], "missing"),
        ([np.array(["a"] * 9)], "all labels are the same"),
        ([np.arange(80)], "no classes"),
        ([np.array([0] * 20 + [1])], "no classes"),
    ],
    ids=["missing", "one class", "a number per row", "a single row"],
)
def test_labels_that_are_no_classes(parts, why):
    numbers, names, reason = class_numbers(*parts)
    assert (numbers, names) == ([], ())
    assert why in reason


def test_labels_are_numbered_alike_in_all_parts():
    numbers, names, why = class_numbers(np.array(["b"] * 5 + ["a"] * 5), np.array(["c"] * 5 + ["a"] * 5))
    assert (names, why) == (("a", "b", "c"), "")
    assert [part.tolist() for part in numbers] == [[1] * 5 + [0] * 5, [2] * 5 + [0] * 5]


def split(test):
    x = np.random.default_rng(0).random((80, 3), dtype=np.float32)
    return Split("made up", x[:40], x[40:60], x[60 : 60 + test], None, None)


def test_without_test_rows_the_validation_rows_are_measured():
    found = rows_of_split(split(0), 15)
    assert found.data.measured == RowSet("validation rows", 15)
    assert (len(found.measured), len(found.reference)) == (15, 15)
    with pytest.raises(DataError, match="data must have at least 12 test rows, got 5"):
        rows_of_split(split(5), 100)


def test_thinned_rows_are_evenly_spaced():
    def block(start):
        return Block(np.arange(start, start + 7.0)[:, None], {"y": np.arange(start, start + 7)}, start)

    x, labels, count = thinned(map(block, range(0, 700, 7)), 20)
    assert count == 700
    assert len(x) == 20
    np.testing.assert_array_equal(x[:, 0], labels)
    gaps = np.diff(x[:, 0])
    assert gaps.min() > 0
    assert gaps.max() <= 2 * gaps.min()


@pytest.mark.parametrize("section", [name for name in SECTIONS if name != "vector field"])
def test_what_is_packed_comes_back(measured, section):
    packed = Artifact.of("result", measured.results[section])
    back = SECTIONS[section].restored(packed.document, packed.arrays)
    again = Artifact.of("result", back)
    assert again.document == packed.document
    assert set(again.arrays) == set(packed.arrays)
    for name, array in packed.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
    known, found = measured.sections[section].metrics, SECTIONS[section].described(back)
    values = {key: metric.value for key, metric in known.items()}
    assert {key: metric.value for key, metric in found.items()} == pytest.approx(values, rel=1e-6)


def test_an_analysis_is_read_as_it_was_written(measured, tmp_path):
    measured.write(tmp_path)
    back = read_analysis(tmp_path)
    assert replace(back, sections={}) == replace(measured, sections={})
    for name, section in measured.sections.items():
        assert (back.sections[name].metrics, back.sections[name].arrays) == (section.metrics, section.arrays)
        assert type(back.results[name]) is type(section.result)


def test_damaged_packages_are_refused():
    with pytest.raises(TypeError, match="must be plain, a dataclass"):
        Artifact.of("result", object())
    with pytest.raises(ArtifactError, match="does not hold a spectra"):
        SECTIONS["spectra"].restored({"values": {"array": "x"}, "features": 2}, {})
    with pytest.raises(ArtifactError, match="does not hold a spectra"):
        SECTIONS["spectra"].restored({"values": 1}, {})
    packed = Artifact.of("result", {"infinite": float("inf"), "one": 1.0})
    assert packed.to(dict[str, float]) == {"infinite": float("inf"), "one": 1.0}


def changed(found, numbers):
    """The document after some numbers were changed, by `section/key`."""
    sections = dict(found.sections)
    for place, value in numbers.items():
        name, key = place.split("/")
        metrics = dict(sections[name].metrics)
        metrics[key] = replace(metrics[key], value=value)
        sections[name] = replace(sections[name], metrics=metrics)
    return replace(found, sections=sections)


def said(found, numbers):
    """The sentences after some numbers were changed."""
    return dict(analysis_sentences(changed(found, numbers)))


def test_the_verdict_holds_what_is_kept_and_how_widely_it_contracts(measured):
    kept = f"reconstruction/r2:{measured.rows}"
    found = replace(changed(measured, {kept: 0.5, "norms/contractive_share": 0.75}), warnings=[])
    start = f"{measured.facts.code} numbers per row keep 50.0\xa0% of the variance of the {measured.rows}, and"
    assert analysis_verdict(found).startswith(f"{start} the encoder contracts at 75.0\xa0% of them: no small change")
    nothing = changed(found, {kept: -2.0, "norms/contractive_share": 0.0})
    assert "keep 0\xa0% of" in analysis_verdict(nothing)
    assert "contracts at none of them" in analysis_verdict(nothing)
    assert analysis_verdict(replace(found, warnings=["The code is constant."])) == "The code is constant."
    noise = {"sensitivity/scale_free_sensitivity:gaussian 0.5": 0.25, "reconstruction/linear": 0.4}
    unbounded = changed(found, {"codes/saturation": math.nan, **noise})
    assert analysis_verdict(unbounded) == (
        f"{start[:-5]}, as many principal components 40.0\xa0%, and noise changes these numbers 0.25 times as much as"
        " it changes the row, each relative to its own spread."
    )
    less = replace(found, sections={"norms": found.sections["norms"]})
    assert analysis_verdict(less).startswith(f"At the {measured.rows} the encoder")


@pytest.mark.parametrize(("size", "found"), [(0, ()), (10, ("<iframe",)), (3_000_000, ('href="explore.html"',))])
def test_the_model_runs_in_the_page_or_beside_it(measured, size, found):
    page = analysis_html(measured, "x" * size)
    assert [word for word in ("<iframe", 'href="explore.html"') if word in page] == list(found)
    assert len(page) < 3_000_000


def test_as_many_principal_components_are_named_beside_the_reconstruction(measured):
    x = rows().measured.numpy()
    pca = PCA(4).fit(x)
    left = np.square(pca.inverse_transform(pca.transform(x)) - x).sum() / np.square(x - x.mean(0)).sum()
    assert measured.value("reconstruction", "linear") == pytest.approx(1 - left, rel=1e-4)
    text = said(measured, {"reconstruction/linear": 0.75})["Reconstruction"]
    assert "by as many principal components 75.0\N{NO-BREAK SPACE}%." in text


def test_sentences_follow_the_numbers(measured):
    text = said(measured, {"norms/operator_norm": 0.5, "norms/contractive_share": 0.75})
    assert "the encoder contracts" in text["Contraction"]
    assert "a small change of the input changes the code at most 0.5 times as much" in text["Contraction"]
    assert "It is at most 1 at 75.0" in text["Contraction"]
    assert "the encoder expands" in said(measured, {"norms/operator_norm": 1.5})["Contraction"]
    expanding = said(measured, {"on and off the data/operator_norm:box": 2.5})["Reach"]
    assert "expands, with a mean σ max above 1: at random points within the range of every feature (2.5)." in expanding
    assert "nearly binary" in said(measured, {"codes/saturation": 0.9})["Code"]
    assert "far from binary" in said(measured, {"codes/saturation": 0.1})["Code"]
    little = said(measured, {"directions/rank_correlation": -0.4})["Directions"]
    assert "It responds less to the directions in which the data vary most." in little
    much = said(measured, {"directions/rank_correlation": 0.9})["Directions"]
    assert "It responds mostly to the directions in which the data vary most." in much


@pytest.mark.parametrize(("times", "words"), [(0.8, "less to"), (1.5, "hardly more to"), (20.6, "mostly to")])
def test_among_many_features_the_widest_directions_decide(measured, times, words):
    found = replace(measured, data=replace(measured.data, features=560))
    numbers = {"directions/first_ten": times, "directions/rank_correlation": 0.45}
    text = said(found, numbers)["Directions"]
    assert f"It responds {words} the directions in which the data vary most: along the ten" in text


def test_shares_of_all_and_none_have_no_decimals(measured):
    assert "at all of the rows" in said(measured, {"norms/contractive_share": 1.0})["Contraction"]
    assert "at none of the rows" in said(measured, {"norms/contractive_share": 0.0})["Contraction"]


@pytest.mark.parametrize(
    ("free", "words"), [(0.5, "less sensitive than"), (1.0, "as sensitive as"), (2.0, "more sensitive than")]
)
def test_sizes_are_taken_out_of_contraction(measured, free, words):
    text = said(measured, {"sensitivity/scale_free_sensitivity:gaussian 0.5": free})["Contraction"]
    assert f"the code is {words} the data" in text
    assert f"scale-free sensitivity is {free:g}" in text


def test_the_cost_of_the_penalty_is_reported_where_the_training_knows(measured):
    found = replace(measured, run=RunSummary(error_increase=0.1064, squared_norm=3.0, squared_norm_without=9.0))
    text = said(found, {})["Reconstruction"]
    assert (
        "the error as the search measures it is 11\xa0% higher and ‖J‖² is 3.0 times smaller (3 instead of 9)" in text
    )
    assert "without the penalty" not in said(measured, {})["Reconstruction"]


SOUND = {
    "reconstruction/r2:test rows": 0.8,
    "reconstruction/r2:training rows": 0.8,
    "sensitivity/scale_free_sensitivity:gaussian 0.5": 0.5,
    "norms/operator_norm": 0.5,
    "codes/dead": 0.0,
    "directions/rank_correlation": 0.9,
    "reconstruction/linear": 0.1,
    "tangent agreement/share": 0.9,
    "robustness/no_gradient:L2": 0.0,
    "robustness/no_gradient:L∞": 0.0,
}


def caveats(measured, numbers=None, rows=1000):
    found = replace(measured, warnings=(), data=replace(measured.data, measured=RowSet("test rows", rows)))
    return said(found, SOUND | (numbers or {}))["Caveats"]


def test_a_sound_analysis_has_no_caveats(measured):
    assert caveats(measured).startswith("No warning sign was found")


@pytest.mark.parametrize(
    ("numbers", "rows", "words"),
    [
        (
            {"reconstruction/r2:test rows": 0.2, "reconstruction/r2:training rows": 0.2},
            1000,
            "may only reflect underfitting: 20.0\xa0% of the variance",
        ),
        ({"sensitivity/scale_free_sensitivity:gaussian 0.5": 1.5}, 1000, "J is small because the code is"),
        (
            {"reconstruction/r2:training rows": 0.95},
            1000,
            "Overfitting: reconstruction is much better on training rows",
        ),
        ({"reconstruction/linear": 0.9}, 1000, "reconstruct 90.0\xa0% of the variance, this network 80.0\xa0%: train"),
        ({"codes/dead": 0.5}, 1000, "50.0\xa0% of the units hardly vary"),
        ({"directions/rank_correlation": 0.1}, 1000, "Contraction does not follow the data"),
        ({"tangent agreement/share": 0.001}, 1000, "no more of the step to a neighbour than random directions"),
        ({"robustness/no_gradient:L2": 0.2}, 1000, "no gradient on 20.0\xa0% of the rows"),
        ({}, 32, "Only 32 rows were measured"),
    ],
    ids=["underfitting", "only small", "overfitting", "behind PCA", "dead", "unguided", "tangents", "masked", "few"],
)
def test_each_caveat_is_given_alone(measured, numbers, rows, words):
    text = caveats(measured, numbers, rows)
    assert words in text
    assert text.count(". ") == 0
    assert "No warning sign" not in text


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (
            RunSummary(still_falling=0.05),
            "Undertrained: in the last tenth of the epochs the error still fell by 5\xa0%.",
        ),
        (
            RunSummary(error_increase=0.12, max_error_increase=0.1),
            "more error than asked: 12\xa0% on validation rows, and 10",
        ),
        (RunSummary(still_falling=0.01, error_increase=0.1, max_error_increase=0.1), "No warning sign"),
        (RunSummary(error_increase=0.12), "No warning sign"),
    ],
    ids=["undertrained", "dear", "as asked", "nothing asked"],
)
def test_the_training_is_doubted(measured, run, words):
    assert words in caveats(replace(measured, run=run))


def test_the_gravest_caveat_comes_first(measured):
    text = caveats(measured, {"directions/rank_correlation": 0.1, "reconstruction/r2:test rows": 0.2})
    assert text.index("underfitting") < text.index("does not follow the data")


def test_a_collapse_is_reported_and_nothing_is_praised(measured):
    found = replace(measured, warnings=("Collapsed: the code does not vary.",))
    assert (
        said(found, {})["Caveats"] == "Collapsed: the code does not vary. Do not read any number here as contraction."
    )


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "", "–"),
        (float("nan"), "", "–"),
        (1.0, "%", "100\xa0%"),
        (0.9996, "%", "99.96\xa0%"),
        (0.99949, "%", "99.95\xa0%"),
        (0.9994, "%", "99.94\xa0%"),
        (0.999, "%", "99.9\xa0%"),
        (1 - 4e-5, "%", "99.996\xa0%"),
        (2e-4, "%", "0.02\xa0%"),
        (1 - 4e-7, "%", "100\xa0%"),
        (3114.2, "", "3,114"),
        (1e-16, "", "10⁻¹⁶"),
        (-10_800.4, "", "−10,800"),
        (0.0, "%", "0\xa0%"),
        (-0.0451, "%", "−4.5\xa0%"),
        (1234.0, "rows", "1,234"),
        (-0.1234, "", "−0.123"),
        (1.234e-7, "", "1.23·10⁻⁷"),
    ],
)
def test_numbers_are_written_as_by_hand(value, unit, text):
    assert shown(value, unit) == text


def test_a_code_outside_the_unit_range_has_no_bits():
    found = analyze(torch_linear(), rows(), SMALL, only=["codes"])
    assert "saturation" not in found.sections["codes"].metrics
    assert "leaves [0, 1]" in dict(analysis_sentences(found))["Code"]


def torch_linear():
    from contractive.models import Autoencoder

    torch.manual_seed(0)
    return Autoencoder(torch.nn.Linear(6, 4), torch.nn.Linear(4, 6)).eval()
