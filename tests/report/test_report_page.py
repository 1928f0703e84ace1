"""The page shows the numbers of the document, holds everything it needs, and a browser draws it."""

import json
import re

import numpy as np
import pytest

from browser import faults, needs_browser
from comparisons import BETTER, Page, plain, results, usual, variant
from contractive.plots import color
from contractive.report import html, summarize, write_report
from contractive.studies.metrics import METRICS


def test_figures_on_the_page_equal_the_document():
    comparison = usual(dead=(1 / 3, 0.0123456789))
    cells = Page(html(comparison)).cells
    expected = {
        f"{entry['name']}/{key}": figures
        for entry in comparison.document["variants"]
        for key, figures in entry["summary"].items()
    }
    assert set(cells) == set(expected)
    for key, figures in expected.items():
        assert float(cells[key]["data-mean"]) == figures["mean"]
        assert float(cells[key]["data-sd"]) == figures["sd"]
        shown = float(cells[key]["text"].split("±")[0])
        scale = 100 if key.split("/")[1] in ("contractive_share", "saturation", "dead") or "accuracy" in key else 1
        assert shown == pytest.approx(figures["mean"] * scale, rel=0.01, abs=0.05)


@pytest.mark.parametrize(
    ("changes", "marked"),
    [
        ({"r2": (0.9, 0.01)}, True),
        ({"r2": (0.865, 0.01)}, False),
        ({"r2": (0.8, 0.01)}, False),
        ({"reconstruction_error": (0.5, 0.01)}, True),
        ({"saturation": (0.9, 0.01)}, False),
    ],
    ids=["higher", "within spread", "worse", "lower", "no direction"],
)
def test_the_best_of_a_column_is_marked_if_it_is_clear(changes, marked):
    (name,) = changes
    assert ("best" in Page(html(usual(**changes))).cells[f"contractive/{name}"]["class"]) == marked


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([(14.08, 0.72), (5.965, 0.03)], ["14.08± 0.72", "5.96± 0.03"]),
        ([(0.652, 0.088), (0.697, 0.07)], ["0.652± 0.088", "0.697± 0.070"]),
        ([(123.4, 5.0), (0.5, 0.1)], ["123.4± 5.0", "0.5± 0.1"]),
        ([(14.0, 0.7), (1.2e-7, 1e-8)], ["14.00± 0.70", "1.2e\N{MINUS SIGN}07± < 0.01"]),
        ([(0.0, 0.0), (0.0, 0.0)], ["0± 0", "0± 0"]),
    ],
    ids=["spread decides", "three digits", "large", "tiny", "zero"],
)
def test_columns_have_sensible_places(values, shown):
    one, other = (variant(name, squared_norm=pair) for name, pair in zip(("standard", "sparse"), values, strict=True))
    cells = Page(html(results(one, other))).cells
    assert [plain(cells[f"{name}/squared_norm"]["text"]) for name in ("standard", "sparse")] == shown


def test_the_page_needs_nothing_from_outside():
    text = html(usual())
    assert all(load.startswith(("#", "data:")) for load in Page(text).loads)
    assert "default-src 'none'" in text
    own = re.sub(r"<script>/\*\*\s*\* plotly\.js.*?</script>", "", text, flags=re.DOTALL)
    assert len(own) < len(text) - 1_000_000
    assert not re.search(r"https?://|//[a-z]+\.[a-z]+|@import|url\(", own)
    assert text.count("plotly.js v") == 1


def test_names_are_text_and_not_markup():
    evil = "<script>alert(1)</script>"
    comparison = results(variant("standard"), variant(evil, **BETTER), name=evil)
    comparison.document["variants"][1]["warnings"] = [f"seed 0: {evil}"]
    comparison.document["command"] = evil
    text = html(comparison)
    assert evil not in text
    assert Page(text).tags.count("script") == 3
    assert Page(text).text.count(evil) > 3


def test_figures_are_valid_json_with_every_variant():
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', html(usual())).group(1))
    assert set(figures) == {picture.name for picture in summarize(usual())["pictures"]}
    for name in ("sensitivity", "operator-norm", "training", "accuracy", "trade-off"):
        assert {"standard", "denoising", "contractive"} <= {trace.get("name") for trace in figures[name]["data"]}


def test_missing_numbers_do_not_break_the_figures():
    comparison = usual()
    for row in comparison.document["variants"][0]["seeds"][0]["history"]:
        row["val_squared_norm"] = None
    comparison.arrays["standard/sensitivity"][:] = np.nan
    assert "NaN" not in re.search(r'id="figures">(.*?)</script>', html(comparison)).group(1)


def test_the_glossary_explains_every_column():
    text = html(usual())
    page = Page(text)
    for name, measure in METRICS.items():
        assert f'id="measure-{name}"' in text
        assert f"#measure-{name}" in page.loads
        assert measure.help in page.text


def test_settings_trials_and_command_are_there():
    text = plain(Page(html(usual())).text)
    for part in (
        "contractive compare toy --out results",
        "1,000",
        "1 min 8 s",
        "+15.0 % chosen",
        "code probes",
        "0.003",
    ):
        assert part in text


def test_colours_are_those_of_the_pictures():
    assert html(usual()).count(f"background: {color('contractive')}") >= 3


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "under a second"), (59.6, "1 min"), (3723, "1 h 2 min 3 s")])
def test_time_is_readable(seconds, text):
    comparison = usual()
    comparison.document["seconds"] = seconds
    assert ("time in all", text) in summarize(comparison)["settings"]


@needs_browser
def test_a_browser_draws_every_plot_on_any_screen(tmp_path):
    comparison = results(variant("standard"), variant("contractive", **BETTER), image=True, labelled=True)
    page = write_report(comparison, tmp_path / "report.html")
    assert faults(page, tmp_path, [picture.name for picture in summarize(comparison)["pictures"]]) == []
