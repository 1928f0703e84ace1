"""The report says what the numbers say, also where the contractive variant loses."""

import pytest

from comparisons import BETTER, Page, plain, results, said, usual, variant
from contractive.report import html, summarize, write_report
from contractive.studies.compare import Results


def test_a_win_is_told_scale_free_and_raw():
    text = said(usual())["Movement"]
    assert "the contractive code is 4.0 times less sensitive to noise than the standard one" in text
    assert "0.140 ± 0.010 against 0.560 ± 0.020; denoising 0.560 ± 0.020, clearly more" in text
    assert "in raw units it moves 2.0 times less (0.220 ± 0.010 against 0.440 ± 0.010)" in text


def test_a_loss_is_told():
    text = said(usual(scale_free_sensitivity=(0.84, 0.01), sensitivity=(0.88, 0.01)))["Movement"]
    assert "is 1.5 times more sensitive to noise than the standard one" in text
    assert "clearly less" in text
    assert "it moves 2.0 times more" in text


def test_a_difference_within_the_spread_is_not_sold():
    text = said(usual(scale_free_sensitivity=(0.545, 0.001), sensitivity=(0.435, 0.01)))["Movement"]
    assert "is no less and no more sensitive to noise beyond the seeds' spread than the standard one" in text
    assert "no clear difference" in text
    assert "moves as far, within the seeds' spread" in text


def test_a_code_that_only_became_smaller_is_found_out():
    text = said(usual(scale_free_sensitivity=(0.6, 0.01)))["Movement"]
    assert "Raw movement alone misleads for contractive: the code became smaller, not steadier." in text
    assert "misleads" not in said(usual())["Movement"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            (0.78, 0.01),
            "20 % more squared error (0.780 ± 0.010 against 0.650 ± 0.030); for comparison: denoising +0 %.",
        ),
        ((0.52, 0.01), "20 % less squared error (0.520 ± 0.010 against 0.650 ± 0.030); for"),
        (
            (0.67, 0.01),
            "3 % more squared error (0.670 ± 0.010 against 0.650 ± 0.030), which is within the seeds' spread",
        ),
    ],
    ids=["dearer", "cheaper", "even"],
)
def test_the_error_increase(error, expected):
    assert expected in said(usual(reconstruction_error=error))["Error increase"]


def test_accuracy_against_standard_and_denoising():
    contractive = variant("contractive", probe_accuracy_noisy=(0.84, 0.01), knn_accuracy_noisy=(0.90, 0.01))
    denoising = variant("denoising", probe_accuracy_noisy=(0.845, 0.01), knn_accuracy_noisy=(0.92, 0.01))
    text = said(results(variant("standard"), denoising, contractive))["Accuracy"]
    assert "On clean inputs the contractive code gives 95.0 ± 1.0 % with a linear probe and 96.0 ± 1.0 %" in text
    assert "within the seeds' spread of standard (95.0 and 96.0 %) and denoising (95.0 and 96.0 %)." in text
    assert "ahead of standard (78.0 and 87.0 %)" in text
    assert (
        "within the seeds' spread of denoising (84.5 and 92.0 %) with a linear probe and behind it with nearest" in text
    )
    assert text.endswith("So contractive has no clear win over denoising here.")


def test_a_clear_win_needs_no_such_remark():
    assert "no clear win over denoising" not in said(usual(probe_accuracy=(0.99, 0.001)))["Accuracy"]


def test_data_without_labels():
    comparison = results(variant("standard"), variant("contractive", **BETTER), labelled=False, image=False)
    assert "no labels" in said(comparison)["Accuracy"]
    summary = summarize(comparison)
    assert not any("accuracy" in column["name"] for column in summary["table"]["columns"])
    assert [tile["label"] for tile in summary["tiles"] if "probe" in tile["label"]] == []
    assert [picture.name for picture in summary["pictures"]].count("accuracy") == 0


def test_a_document_without_arrays():
    comparison = usual()
    assert [p.name for p in summarize(Results(comparison.document, {}))["pictures"]] == ["trade-off", "training"]


def test_nothing_collapsed():
    assert said(usual())["Collapse"].startswith("Nothing collapsed")
    assert "Read this first" not in html(usual())


def test_a_collapse_stands_first_and_is_not_praised():
    comparison = usual(squared_norm=(1e-9, 1e-10), scale_free_sensitivity=(0.001, 0.0001))
    comparison.document["variants"][2]["warnings"] = [
        "seed 0: Collapsed: the code does not vary. Use a smaller weight."
    ]
    page = Page(html(comparison))
    assert page.text.index("Read this first") < page.text.index("What came out")
    assert "Use a smaller weight." in page.text
    assert said(comparison)["Collapse"].startswith("There are warnings about contractive")
    assert "is no success" in said(comparison)["Movement"]
    assert summarize(comparison)["tiles"] == []
    assert not any("best" in cell["class"] for key, cell in page.cells.items() if key.startswith("contractive/"))


def test_a_code_that_does_not_vary_has_no_scale_free_figure():
    comparison = usual(scale_free_sensitivity=(float("inf"), float("nan")))
    assert "has no finite value" in said(comparison)["Movement"]
    assert Page(html(comparison)).cells["contractive/scale_free_sensitivity"]["text"] == "–"


def test_one_seed_claims_no_spread():
    variants = [variant("standard", seeds=1), variant("denoising", seeds=1), variant("contractive", seeds=1, **BETTER)]
    comparison = results(*variants)
    page = Page(html(comparison))
    assert "±" not in " ".join(said(comparison).values())
    assert "There is one seed only" in page.text
    assert not any("best" in cell["class"] for cell in page.cells.values())
    assert {tile["words"] for tile in summarize(comparison)["tiles"]} == {"one seed"}
    assert "level with standard" in said(comparison)["Accuracy"]
    assert "no win over" in said(comparison)["Accuracy"]


@pytest.mark.parametrize("name", ["standard", "contractive"])
def test_one_variant_is_compared_with_nothing(name):
    comparison = results(variant(name))
    text = said(comparison)
    assert "to compare it with: scale-free sensitivity 0.560 ± 0.020" in text["Movement"]
    assert "R² 0.860 ± 0.010" in text["Error increase"]
    assert "ahead" not in text["Accuracy"]
    assert summarize(comparison)["tiles"] == []
    assert html(comparison)


def test_without_a_contractive_variant_the_first_other_one_is_told():
    text = said(results(variant("standard"), variant("sparse", **BETTER)))
    assert "the sparse code is 4.0 times less sensitive" in text["Movement"]


def test_how_the_strengths_were_chosen():
    comparison = usual()
    comparison.document["variants"][1].update(search=None, strength=0.3)
    text = said(comparison)["Strengths"]
    assert "on validation data is at most 20 % above" in text
    assert "contractive 0.01 after 2 trials, paying 15 %." in text
    assert "Set by hand: denoising 0.3." in text
    assert "Test data were only measured, never used to choose." in text


def test_a_price_beyond_the_allowed_one_is_told():
    comparison = usual()
    comparison.document["variants"][2]["search"] = [{"strength": 0.01, "error_increase": 0.35}]
    assert "after 1 trial, paying 35 %, more than allowed" in said(comparison)["Strengths"]


def test_tiles_hold_the_headlines():
    tiles = {plain(tile["label"]): tile for tile in summarize(usual(probe_accuracy_noisy=(0.70, 0.01)))["tiles"]}
    assert plain(tiles["less sensitive to noise, scale-free"]["number"]) == "4.0 ×"
    assert plain(tiles["smaller squared Jacobian norm"]["number"]) == "4.0 ×"
    assert tiles["reconstruction error"]["verdict"] == "even"
    noisy = tiles["linear probe, noise of level 1"]
    assert (plain(noisy["number"]), noisy["verdict"]) == ("\N{MINUS SIGN}8.0 points", "worse")


def test_the_file_is_written_and_small(tmp_path):
    path = write_report(usual(), tmp_path / "new" / "report.html")
    assert path == tmp_path / "new" / "report.html"
    assert path.stat().st_size < 8e6
    assert path.read_text(encoding="utf-8") == html(usual())


def test_a_failure_leaves_the_old_file(tmp_path):
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(ValueError, match=r"results must hold at least one variant, got none\. Run"):
        write_report(results(), tmp_path / "report.html")
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("report.html", "old")]


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path must name a file, got the folder .*\. Try .*report\.html"):
        write_report(usual(), tmp_path)
