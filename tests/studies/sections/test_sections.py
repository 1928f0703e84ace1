"""Sections of an analysis: rows, rules, results that no other module has, and the words made from them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from contractive import analysis
from contractive.data import DataError, Split
from contractive.jacobian import jacobian
from contractive.models import mlp
from contractive.report import analysis_sentences
from contractive.studies.sections import (
    FIGURES,
    RULES,
    AnalysisSettings,
    Facts,
    PackError,
    Rows,
    analyze,
    document,
    figures,
    left_out,
    pack,
    rows_of_split,
    unpack,
)
from contractive.studies.sections._measure import MEASURES
from contractive.studies.sections._read import _thinned
from contractive.studies.sections._robust import fit_probe
from contractive.studies.sections._rows import class_numbers

FACTS = Facts(20, 5, 100, False, False, "", 20, True, True, 2, False)
SMALL = AnalysisSettings(num_points=20, map_points=30, attack_points=20, umap=False)


def rows(labelled=True, features=6, count=60):
    x = torch.rand(count, features, generator=torch.Generator().manual_seed(0))
    labels = (x[:, 0] > 0.5).long() if labelled else None
    return Rows(
        "made up", x, "test rows", x.flip(0), "training rows", 0.3, labels,
        labels.flip(0) if labels is not None else None, ("low", "high") if labelled else (),
    )  # fmt: skip


def model(features=6, code=4):
    torch.manual_seed(0)
    return mlp(features, hidden=(8,), code=code).eval()


@pytest.fixture(scope="module")
def measured():
    return analyze(model(), rows(), SMALL)


def test_every_measure_is_taken_or_left_out_with_a_reason(measured):
    assert set(measured.results) | set(measured.left_out) >= set(MEASURES)
    assert not set(measured.results) & set(measured.left_out)
    assert all(measured.left_out.values())


@pytest.mark.parametrize(
    ("change", "section"),
    [
        ({"layers": 1}, "contraction by depth"),
        ({"layers": 0}, "filters"),
        ({"features": 30_000}, "directions"),
        ({"smallest_class": 3}, "directions by class"),
        ({"no_classes": "the data have no labels"}, "robustness"),
        ({"in_unit_range": False}, "saturation and binary codes"),
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
    assert set(RULES) >= {"vector field"}


def test_unknown_sections_are_refused():
    with pytest.raises(ValueError, match="only must name sections among"):
        analyze(model(), rows(), SMALL, only=["spectrum"])


def test_leaving_out_a_section_changes_no_other(measured):
    alone = analyze(model(), rows(), SMALL, only=["sensitivity"]).results["sensitivity"]
    for kind, moved in measured.results["sensitivity"].sensitivities.items():
        for one, other in zip(moved, alone.sensitivities[kind], strict=True):
            assert torch.equal(one.ratios, other.ratios)


def test_every_number_has_words(measured):
    for section, result in measured.results.items():
        for figure in figures(section, result).values():
            assert figure.label
            assert figure.explain
            assert figure.value == figure.value
    assert set(FIGURES) <= set(MEASURES)


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
    whole = replace(rows(), reference=rows().measured, reference_name="test rows", reference_labels=rows().labels)
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
    assert found.measured_name == "validation rows"
    assert (len(found.measured), len(found.reference)) == (15, 15)
    with pytest.raises(DataError, match="DATA must have at least 12 test rows, got 5"):
        rows_of_split(split(5), 100)


def test_thinned_rows_are_evenly_spaced(tmp_path, monkeypatch):
    from contractive.studies.sections import _read

    class Block:
        def __init__(self, start):
            self.start, self.x = start, np.arange(start, start + 7.0)[:, None]
            self.pass_through = {"y": np.arange(start, start + 7)}

    monkeypatch.setattr(_read, "open_rows", lambda *args, **kwargs: map(Block, range(0, 700, 7)))
    preparation = type("Run", (), {"preparation": None})()
    x, labels, count = _thinned(preparation, "data", "y", 20, None, _read.Options())
    assert count == 700
    assert len(x) == 20
    np.testing.assert_array_equal(x[:, 0], labels)
    gaps = np.diff(x[:, 0])
    assert gaps.min() > 0
    assert gaps.max() <= 2 * gaps.min()


@pytest.mark.parametrize("section", ["sensitivity", "contraction curve", "spectra", "codes", "map", "robustness"])
def test_what_is_packed_comes_back(measured, section):
    arrays = {}
    packed = pack(measured.results[section], section, arrays)
    back = unpack(packed, arrays)
    again = {}
    assert pack(back, section, again) == packed
    assert set(again) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
    assert figures(section, back).keys() == figures(section, measured.results[section]).keys()


def test_damaged_packages_are_refused():
    with pytest.raises(PackError, match="value must be a known result"):
        pack(object(), "x", {})
    with pytest.raises(PackError, match="class must be one of"):
        unpack({"class": "Popen", "fields": {}}, {})
    with pytest.raises(PackError, match="arrays must hold 'x'"):
        unpack({"array": "x"}, {})
    with pytest.raises(PackError, match="Spectra must have its fields"):
        unpack({"class": "Spectra", "fields": {"values": 1}}, {})
    assert unpack(pack(float("inf"), "x", {}), {}) == float("inf")


def said(found, **changes):
    """The sentences after some numbers were changed."""
    for key, value in changes.items():
        section, name = key.split("__")
        found["sections"][section.replace("_", " ")]["figures"][name.replace("_at_", ":")]["value"] = value
    return dict(analysis_sentences(found))


def test_sentences_follow_the_numbers(measured):
    text = said(document(measured), norms__operator_norm=0.5, norms__contractive_share=0.75)
    assert "the encoder contracts" in text["Contraction"]
    assert "the code moves at most 0.5 times as far" in text["Contraction"]
    assert "it is at most 1 at 75.0" in text["Contraction"]
    assert "the encoder expands" in said(document(measured), norms__operator_norm=1.5)["Contraction"]
    expanding = said(document(measured), on_and_off_the_data__operator_norm_at_box=2.5)["Reach"]
    assert "it expands on average at random in the data's box (2.5)." in expanding
    assert "nearly binary" in said(document(measured), codes__saturation=0.9)["Code"]
    assert "far from binary" in said(document(measured), codes__saturation=0.1)["Code"]
    assert (
        "rather along what hardly varies" in said(document(measured), directions__rank_correlation=-0.4)["Directions"]
    )
    assert "mostly along what varies" in said(document(measured), directions__rank_correlation=0.9)["Directions"]


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (0.8, "rather along what hardly varies"),
        (1.5, "hardly more along what varies most"),
        (20.6, "mostly along what varies most in the data"),
    ],
)
def test_among_many_features_the_widest_directions_decide(measured, times, words):
    found = document(measured)
    found["data"]["features"] = 560
    assert words in said(found, directions__first_ten=times, directions__rank_correlation=0.45)["Directions"]


def test_shares_of_all_and_none_have_no_places(measured):
    assert "at all of them" in said(document(measured), norms__contractive_share=1.0)["Contraction"]
    assert "at none of them" in said(document(measured), norms__contractive_share=0.0)["Contraction"]


@pytest.mark.parametrize(("free", "words"), [(0.5, "steadier than"), (1.0, "as steady as"), (2.0, "less steady than")])
def test_sizes_are_taken_out_of_contraction(measured, free, words):
    text = said(document(measured), **{"sensitivity__scale_free_at_gaussian 0.5": free})["Contraction"]
    assert f"the code is {words} the data" in text
    assert f"moves it {free:g} times as much" in text


def test_what_the_penalty_cost_is_said_where_the_training_knows(measured):
    found = document(measured, run={"error_increase": 0.1064, "squared_norm": 3.0, "squared_norm_without": 9.0})
    assert "validation error is 11\xa0% more and ‖J‖² 3.0 times smaller (3, 9 without)" in said(found)["Error increase"]
    assert "without the penalty" not in said(document(measured))["Error increase"]


SOUND = {
    "reconstruction__r2_at_test rows": 0.8,
    "reconstruction__r2_at_training rows": 0.8,
    "sensitivity__scale_free_at_gaussian 0.5": 0.5,
    "norms__operator_norm": 0.5,
    "codes__dead": 0.0,
    "directions__rank_correlation": 0.9,
    "tangent_agreement__share": 0.9,
    "robustness__no_gradient_at_L2": 0.0,
    "robustness__no_gradient_at_L∞": 0.0,
}


def caveats(measured, **changes):
    found = document(measured)
    found["warnings"], found["data"]["measured"]["rows"] = [], changes.pop("rows", 1000)
    return said(found, **(SOUND | changes))["Caveats"]


def test_a_sound_analysis_has_no_caveats(measured):
    assert caveats(measured).startswith("No warning sign was found")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"reconstruction__r2_at_test rows": 0.2, "reconstruction__r2_at_training rows": 0.2},
            "may only reflect underfitting",
        ),
        ({"sensitivity__scale_free_at_gaussian 0.5": 1.5}, "J is small because the code is"),
        ({"reconstruction__r2_at_training rows": 0.95}, "Overfitting: reconstruction is much better on training rows"),
        ({"codes__dead": 0.5}, "50.0\xa0% of the units hardly vary"),
        ({"directions__rank_correlation": 0.1}, "Contraction does not follow the data"),
        ({"tangent_agreement__share": 0.001}, "no more of the step to a neighbour than random directions"),
        ({"robustness__no_gradient_at_L2": 0.2}, "no gradient on 20.0\xa0% of the rows"),
        ({"rows": 32}, "Only 32 rows were measured"),
    ],
    ids=["underfitting", "only small", "overfitting", "dead", "unguided", "tangents", "masked", "few"],
)
def test_each_caveat_is_said_alone(measured, changes, words):
    text = caveats(measured, **changes)
    assert words in text
    assert text.count(". ") == 0
    assert "No warning sign" not in text


def test_a_collapse_is_said_and_praises_nothing(measured):
    found = document(measured)
    found["warnings"] = ["Collapsed: the code does not vary."]
    assert said(found)["Caveats"] == "Collapsed: the code does not vary. Do not read any number here as contraction."


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "none", "–"),
        (1.0, "share", "100\xa0%"),
        (0.9996, "share", "100.0\xa0%"),
        (0.0, "share", "0\xa0%"),
        (-0.0451, "share", "−4.5\xa0%"),
        (1234.0, "rows", "1,234"),
        (-0.1234, "none", "−0.123"),
        (1.234e-7, "none", "1.23·10⁻⁷"),
    ],
)
def test_numbers_are_written_as_by_hand(value, unit, text):
    from contractive.report._analysis_figures import shown

    assert shown(value, unit) == text


def test_a_code_outside_the_unit_range_has_no_bits():
    found = analyze(torch_linear(), rows(), SMALL, only=["codes"])
    assert "saturation" not in figures("codes", found.results["codes"])
    assert "leaves [0, 1]" in dict(analysis_sentences(document(found)))["Code"]


def torch_linear():
    from contractive.models import Autoencoder

    torch.manual_seed(0)
    return Autoencoder(torch.nn.Linear(6, 4), torch.nn.Linear(4, 6)).eval()
