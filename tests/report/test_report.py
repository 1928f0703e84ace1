"""The report says what the numbers say, also where the contractive objective loses."""

from dataclasses import replace

import pytest

from comparisons import BETTER, Page, changed, objective, plain, results, said, usual
from contractive.report import comparison_html, summarize, write_page
from contractive.studies.compare import SearchTrial


def test_a_win_is_said_scale_free_and_raw():
    text = said(usual())["Sensitivity"]
    assert "the contractive code is 4.0 times less sensitive to noise than the standard one" in text
    assert "0.140 ± 0.010 against 0.560 ± 0.020; denoising 0.560 ± 0.020, clearly more" in text
    assert "In raw units: 2.0 times less (0.220 ± 0.010 against 0.440 ± 0.010)" in text


def test_a_loss_is_said():
    text = said(usual(scale_free_sensitivity=(0.84, 0.01), sensitivity=(0.88, 0.01)))["Sensitivity"]
    assert "is 1.5 times more sensitive to noise than the standard one" in text
    assert "clearly less" in text
    assert "In raw units: 2.0 times more" in text


def test_a_difference_within_the_spread_is_no_finding():
    text = said(usual(scale_free_sensitivity=(0.545, 0.001), sensitivity=(0.435, 0.01)))["Sensitivity"]
    assert "is not clearly less or more sensitive to noise than the standard one" in text
    assert "denoising 0.560 ± 0.020, no clear difference" in text
    assert "In raw units: no clear difference" in text


def test_a_code_that_only_became_smaller_is_found_out():
    text = said(usual(scale_free_sensitivity=(0.6, 0.01)))["Sensitivity"]
    assert "Raw sensitivity alone is misleading for contractive: the code became smaller, not less sensitive." in text
    assert "misleading" not in said(usual())["Sensitivity"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            (0.78, 0.01),
            "20 % more squared error than the standard one (0.780 ± 0.010 against 0.650 ± 0.030). For comparison:"
            " denoising +0 %.",
        ),
        ((0.52, 0.01), "20 % less squared error than the standard one (0.520 ± 0.010 against 0.650 ± 0.030). For"),
        (
            (0.67, 0.01),
            "3 % more squared error than the standard one (0.670 ± 0.010 against 0.650 ± 0.030), which is no"
            " clear difference over the seeds",
        ),
    ],
    ids=["more", "less", "even"],
)
def test_the_reconstruction_error(error, expected):
    assert expected in said(usual(reconstruction_error=error))["Reconstruction"]


def test_accuracy_against_standard_and_denoising():
    contractive = objective("contractive", probe_accuracy_noisy=(0.84, 0.01), knn_accuracy_noisy=(0.90, 0.01))
    denoising = objective("denoising", probe_accuracy_noisy=(0.845, 0.01), knn_accuracy_noisy=(0.95, 0.01))
    text = said(results(objective("standard"), denoising, contractive))["Accuracy"]
    assert "Linear probe: contractive 95.0 ± 1.0 %, no clear difference from standard (95.0 %) and" in text
    assert "and denoising (95.0 %). Nearest neighbours: contractive 96.0 ± 1.0 %, no clear difference from" in text
    assert "Linear probe, noisy: contractive 84.0 ± 1.0 %, clearly better than standard (78.0 %), no clear" in text
    assert "no clear difference from denoising (84.5 %)." in text
    assert "90.0 ± 1.0 %, clearly better than standard (87.0 %), clearly worse than denoising (95.0 %)." in text
    assert text.endswith("So contractive is nowhere clearly better than denoising.")


def test_a_clear_win_needs_no_such_remark():
    assert "nowhere clearly better than denoising" not in said(usual(probe_accuracy=(0.99, 0.001)))["Accuracy"]


def test_data_without_labels():
    comparison = results(objective("standard"), objective("contractive", **BETTER), labelled=False, image=False)
    assert "no labels" in said(comparison)["Accuracy"]
    page = summarize(comparison)
    assert "Accuracy" not in page.table.groups
    assert not any("accuracy" in metric.key for group in page.table.groups.values() for metric in group)
    assert [tile.label for tile in page.tiles if "probe" in tile.label] == []
    assert [picture.name for picture in page.pictures].count("accuracy") == 0


def test_results_without_arrays():
    comparison = usual()
    for name in ("standard", "denoising", "contractive"):
        comparison = changed(comparison, name, arrays={})
    bare = replace(comparison, examples={})
    assert [picture.name for picture in summarize(bare).pictures] == ["trade-off", "training"]


def test_nothing_collapsed():
    assert said(usual())["Collapse"].startswith("No model collapsed")
    assert "Read this first" not in comparison_html(usual())


def test_a_collapse_stands_first_and_is_not_praised():
    comparison = changed(
        usual(squared_norm=(1e-9, 1e-10), scale_free_sensitivity=(0.001, 0.0001)),
        "contractive",
        warnings=("Collapsed: the code does not vary. Use a smaller weight.",),
    )
    page = Page(comparison_html(comparison))
    assert page.text.index("Read this first") < page.text.rindex("Findings")
    assert "Use a smaller weight." in page.text
    assert said(comparison)["Collapse"].startswith("There are warnings about contractive")
    assert "is no success" in said(comparison)["Sensitivity"]
    assert summarize(comparison).tiles == []
    assert not any("best" in cell["class"] for key, cell in page.cells.items() if key.startswith("contractive/"))


def test_a_code_that_does_not_vary_has_no_scale_free_sensitivity():
    comparison = usual(scale_free_sensitivity=(float("inf"), 0.0))
    assert "is not finite" in said(comparison)["Sensitivity"]
    assert Page(comparison_html(comparison)).cells["contractive/scale_free_sensitivity"]["text"] == "–"


def test_one_seed_claims_no_spread():
    objectives = [objective("standard", seeds=1), objective("denoising", seeds=1)]
    comparison = results(*objectives, objective("contractive", seeds=1, **BETTER))
    page = Page(comparison_html(comparison))
    assert "±" not in " ".join(said(comparison).values())
    assert "There is one seed only" in page.text
    assert not any("best" in cell["class"] for cell in page.cells.values())
    assert {tile.words for tile in summarize(comparison).tiles} == {"one seed"}
    assert "the same as standard" in said(comparison)["Accuracy"]
    assert "nowhere better than" in said(comparison)["Accuracy"]


@pytest.mark.parametrize("name", ["standard", "contractive"])
def test_one_objective_is_compared_with_nothing(name):
    comparison = results(objective(name))
    text = said(comparison)
    assert "with nothing to compare it with: scale-free sensitivity 0.560 ± 0.020" in text["Sensitivity"]
    assert "R² 0.860 ± 0.010" in text["Reconstruction"]
    assert "better" not in text["Accuracy"]
    assert summarize(comparison).tiles == []
    assert comparison_html(comparison)


def test_without_a_contractive_objective_the_first_other_one_is_in_focus():
    text = said(results(objective("standard"), objective("sparse", **BETTER)))
    assert "the sparse code is 4.0 times less sensitive" in text["Sensitivity"]


def test_how_the_weights_were_chosen():
    text = said(changed(usual(), "denoising", search=(), weight=0.3))["Weights"]
    assert "on validation data by at most 20 % over" in text
    assert "contractive 0.01 after 2 trials, error +15 %." in text
    assert "Fixed: denoising 0.3." in text
    assert "Test data were only measured, never used to choose." in text


def test_an_error_increase_beyond_the_allowed_one_is_said():
    comparison = changed(usual(), "contractive", search=(SearchTrial(0.01, 0.35),))
    assert "after 1 trial, error +35 %, which is more than allowed" in said(comparison)["Weights"]


def test_tiles_hold_the_headlines():
    tiles = {tile.label: tile for tile in summarize(usual(probe_accuracy_noisy=(0.70, 0.01))).tiles}
    assert plain(tiles["scale-free sensitivity"].number) == "\N{MINUS SIGN}75 %"
    assert plain(tiles["‖J‖²"].number) == "\N{MINUS SIGN}75 %"
    assert tiles["error"].verdict == "even"
    noisy = tiles["linear probe, noisy"]
    assert (plain(noisy.number), noisy.verdict) == ("\N{MINUS SIGN}8.0 points", "worse")


def test_the_file_is_written_and_small(tmp_path):
    path = write_page(comparison_html(usual()), tmp_path / "new" / "report.html")
    assert path == tmp_path / "new" / "report.html"
    assert path.stat().st_size < 2.5e6
    assert path.read_text(encoding="utf-8") == comparison_html(usual())


def test_a_failure_leaves_the_old_file(tmp_path):
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(ValueError, match=r"the results hold no objective\. Run"):
        write_page(comparison_html(results()), tmp_path / "report.html")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("report.html", "old")]


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path must name a file, got the folder .*\. Try .*report\.html"):
        write_page(comparison_html(usual()), tmp_path)
