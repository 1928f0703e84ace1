"""The page shows the numbers of the results, holds everything it needs, and a browser draws it."""

import base64
import gzip
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from browser import faults, needs_browser
from comparisons import BETTER, METRICS, Page, changed, objective, plain, results, usual
from contractive.plots import color
from contractive.report import compare_verdict, comparison_html, summarize, write_page
from contractive.studies import metrics
from contractive.studies.pages import first_sentence


def test_numbers_on_the_page_equal_the_results():
    comparison = usual(dead=(1 / 3, 0.0123456789))
    cells = Page(comparison_html(comparison)).cells
    assert set(cells) == {f"{entry.name}/{key}" for entry in comparison.objectives for key in METRICS}
    for entry in comparison.objectives:
        for key in METRICS:
            cell = cells[f"{entry.name}/{key}"]
            assert float(cell["data-mean"]) == entry.mean(key)
            assert float(cell["data-sd"]) == entry.sd(key)
            shown = float(cell["text"].split("±")[0])
            scale = 100 if key in ("contractive_share", "saturation", "dead") or "accuracy" in key else 1
            assert shown == pytest.approx(entry.mean(key) * scale, rel=0.01, abs=0.05)


def test_metrics_that_are_missing_or_unknown_are_no_error():
    some = {key: value for key, value in usual()["denoising"].first.metrics.items() if key != "r2"} | {"of old": 1.0}
    text = comparison_html(changed(usual(), "denoising", metrics=some))
    cells = Page(text).cells
    assert cells["denoising/r2"]["text"] == "–"
    assert cells["standard/r2"]["text"] != "–"
    assert "of old" not in text


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
    assert ("best" in Page(comparison_html(usual(**changes))).cells[f"contractive/{name}"]["class"]) == marked


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
    one, other = (objective(name, squared_norm=pair) for name, pair in zip(("standard", "sparse"), values, strict=True))
    cells = Page(comparison_html(results(one, other))).cells
    assert [plain(cells[f"{name}/squared_norm"]["text"]) for name in ("standard", "sparse")] == shown


def test_the_page_needs_nothing_from_outside():
    text = comparison_html(usual())
    assert all(load.startswith(("#", "data:")) for load in Page(text).loads)
    assert "default-src 'none'" in text
    own = re.sub(r'<script type="application/gzip" id="plotly">.*?</script>', "", text, flags=re.DOTALL)
    assert len(own) < len(text) - 1_000_000
    assert not re.search(r"https?://|//[a-z]+\.[a-z]+|@import|url\(", own)
    packed = re.findall(r'id="plotly">([^<]*)<', text)
    assert len(packed) == 1
    assert b"plotly.js v" in gzip.decompress(base64.b64decode(packed[0]))


def test_names_are_text_and_not_markup():
    evil = "<script>alert(1)</script>"
    comparison = results(objective("standard"), objective(evil, **BETTER), name=evil)
    comparison = replace(changed(comparison, evil, warnings=(evil,), search=()), command=evil)
    text = comparison_html(comparison)
    assert evil not in text
    assert Page(text).tags.count("script") == 3
    assert Page(text).text.count(evil) > 3
    assert evil not in replace(comparison, command="")._repr_html_()


def test_pictures_are_valid_json_with_every_objective():
    figures = json.loads(re.search(r'id="figures">(.*?)</script>', comparison_html(usual())).group(1))
    assert set(figures) == {picture.name for picture in summarize(usual()).pictures}
    for name in ("sensitivity", "operator-norm", "training", "accuracy", "trade-off"):
        assert {"standard", "denoising", "contractive"} <= {trace.get("name") for trace in figures[name]["data"]}


def test_missing_numbers_do_not_break_the_pictures():
    comparison = usual()
    for row in comparison["standard"].first.history:
        row["val_squared_norm"] = float("nan")
    comparison["standard"].first.arrays["sensitivity"][:] = np.nan
    assert "NaN" not in re.search(r'id="figures">(.*?)</script>', comparison_html(comparison)).group(1)


def test_every_column_is_explained():
    text = comparison_html(usual())
    page = Page(text)
    for name, metric in metrics.METRICS.items():
        assert f'id="metric-{name}"' in text
        assert f"#metric-{name}" in page.loads
        assert metric.help in page.text


def test_settings_trials_and_command_are_there():
    text = plain(Page(comparison_html(usual())).text)
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
    assert comparison_html(usual()).count(f"background: {color('contractive')}") >= 3


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "under a second"), (59.6, "1 min"), (3723, "1 h 2 min 3 s")])
def test_time_is_readable(seconds, text):
    assert summarize(replace(usual(), seconds=seconds)).settings["time in all"] == text


@needs_browser
def test_a_browser_draws_every_plot_on_any_screen(tmp_path):
    comparison = results(objective("standard"), objective("contractive", **BETTER), image=True, labelled=True)
    page = write_page(comparison_html(comparison), tmp_path / "report.html")
    assert faults(page, tmp_path, [picture.name for picture in summarize(comparison).pictures]) == []


def test_the_first_screen_says_what_was_found():
    text = comparison_html(usual())
    verdict = plain(compare_verdict(usual(reconstruction_error=(0.78, 0.01))))
    assert verdict.startswith(
        "The contractive code is 4.0 times less sensitive to noise than the standard one, at 20 %"
    )
    assert verdict.endswith("% more reconstruction error.")
    verdict = compare_verdict(usual())
    assert verdict.endswith("than the standard one, with no clear change of the error.")
    header = Page(text.split("<header>")[1].split("</header>")[0]).text
    assert plain(verdict) in plain(header)
    assert first_sentence("It is 0.3. 4 of 5. Then") == "It is 0.3. 4 of 5."


def test_the_contents_lead_to_every_section():
    page = comparison_html(usual())
    titles = re.findall(r'<li><a href="#(.*?)">(.*?)</a></li>', page)
    assert [title for _, title in titles] == ["Findings", "Pictures", "All metrics", "Definitions", "Settings"]
    assert all(page.count(f'id="{target}"') == 1 for target, _ in titles)


def test_the_verdict_is_followed_by_its_picture_and_the_numbers():
    page = comparison_html(usual())
    places = [page.index(text) for text in ('id="trade-off"', 'class="tiles"', "<h2>Findings", 'class="folded"')]
    assert places == sorted(places)
    assert page.count('data-plot="trade-off"') == 1


def test_every_picture_has_a_text_that_says_what_it_shows():
    alts = {picture.name: picture.alt for picture in summarize(usual()).pictures}
    assert all(alts.values())
    assert alts["trade-off"].startswith(
        "Marks in the plane of error and sensitivity: standard at 0.65 and 0.56; denoising"
    )
    median = np.median(usual()["standard"].first.arrays["sensitivity"])
    assert f"medians: standard {median:.3g}, denoising" in alts["sensitivity"]
    assert f'aria-label="{alts["trade-off"]}"' in comparison_html(usual())
