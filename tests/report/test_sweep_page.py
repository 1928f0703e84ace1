"""The page and the pictures of a sweep say its numbers."""

import re
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from comparisons import Page
from contractive import plots
from contractive.cli._commands import app
from contractive.objectives import ObjectiveSettings
from contractive.report import sweep_html, sweep_sentences, write_page
from contractive.studies.documents import DataFacts
from contractive.studies.runs import AutoencoderSettings
from contractive.studies.sweep import Sweep, SweepSettings
from sweeps import trial

ROWS = {"train": 70, "validation": 15, "test": 15}


def found(*trials, front, knee, objective="contractive", **settings):
    chosen = SweepSettings(
        AutoencoderSettings(objective=ObjectiveSettings(objective)), trials=max(2, len(trials)), **settings
    )
    data = DataFacts("toy", 6, ROWS, 0.5)
    return Sweep(data, chosen, trials, front, knee, {"contractive": "0"}, "contractive sweep toy")


PRUNED = trial(4, 1.0, 0, 0, reason="collapsed: <b>flat</b>", metrics={}, test={})
USUAL = found(
    trial(0, 0.0, 1.0, 0.8),
    trial(1, 0.03, 1.09, 0.312),
    trial(2, 0.1, 2.0, 0.2),
    trial(3, 0.02, 1.5, 0.4),
    PRUNED,
    front=(0, 1, 2),
    knee=1,
)


def words(sweep):
    return [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in sweep_sentences(sweep)]


def test_sentences_are_made_from_the_numbers():
    assert words(USUAL) == [
        "Weight 0.03 is the knee: 61 % less sensitive at 9 % more error than without a penalty.",
        "On test rows, which chose nothing: 61 % less sensitive at 9 % more error.",
        "From weight 0.02 to 0.1, scale-free sensitivity goes from 0.4 to 0.2 and error goes from 1.5 to 2.",
        "Of 4 trials that were completed, 1 is beaten by another in every metric that is judged.",
        "One trial was pruned, weight 1.",
    ]


THREE = {"accuracy": True}


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        (replace(USUAL, knee=0), "The model without a penalty is the knee: no weight tried is worth its error."),
        (found(trial(0, 0.0, 1, 1), PRUNED, front=(0,), knee=0), "No weight was completed"),
        (replace(USUAL, knee=2), "It is the end of the Pareto front, so that larger weights may be better."),
        (
            found(trial(0, 0.0, 1.0, 1.0), trial(1, 0.1, 0.5, 1.5), front=(0, 1), knee=1),
            "50 % more sensitive at 50 % less error",
        ),
        (
            found(trial(0, 0.0, 1.0, 1.0, 0.8), trial(1, 0.1, 1.0, 0.5, 0.75), front=(1,), knee=1, **THREE),
            "50 % less sensitive at 0 % more error and 5.0 points less accuracy",
        ),
    ],
    ids=["baseline", "all pruned", "end", "the other way", "accuracy"],
)
def test_the_first_sentence_is_about_the_knee(sweep, said):
    assert said in words(sweep)[0]


@pytest.mark.parametrize(
    ("weights", "said"),
    [((1.0, 2.0), "pruned: all at weights from 1 on."), ((0.05, 1.0), "pruned, at weights 0.05, 1.")],
)
def test_pruned_trials_are_said(weights, said):
    pruned = (replace(PRUNED, number=9, weight=weights[0]), replace(PRUNED, weight=weights[1]))
    assert words(replace(USUAL, trials=(*USUAL.trials[:4], *pruned)))[-1] == f"2 trials were {said}"


def test_the_page_holds_all_it_needs_and_escapes(tmp_path):
    text = write_page(sweep_html(USUAL), tmp_path / "report.html").read_text()
    assert text == sweep_html(USUAL)
    assert all(load.startswith(("#", "data:")) for load in Page(text).loads)
    assert "default-src 'none'" in text
    own = re.sub(r'<script type="application/gzip" id="plotly">.*?</script>', "", text, flags=re.DOTALL)
    assert not re.search(r"https?://|@import|url\(", own)
    assert "<b>flat</b>" not in text
    assert "collapsed: &lt;b&gt;flat" in text
    assert "<b>flat</b>" not in USUAL._repr_html_()
    assert "61\N{NO-BREAK SPACE}% less sensitive" in text
    for number in ("1.09", "0.312", "1.50"):
        assert f">{number}<" in text


def test_every_metric_is_explained_once_though_it_has_two_columns():
    ids = re.findall(r'id="([^"]+)"', sweep_html(USUAL))
    assert len(ids) == len(set(ids))


def test_the_page_of_seeds_and_accuracy_shows_both():
    spread = {"reconstruction_error": 0.125, "scale_free_sensitivity": 0.0625, "probe_accuracy": 0.01}
    spread |= {"squared_norm": 0.1}
    trials = [trial(n, w, 1.0 + n, 1.0 - n / 4, accuracy=0.75) for n, w in enumerate((0.0, 0.1, 0.2))]
    trials = [
        replace(
            each,
            by_seed={key: tuple(each.metrics[key] + step * sd for step in (-1, 0, 1)) for key, sd in spread.items()},
        )
        for each in trials
    ]
    text = sweep_html(found(*trials, front=(0, 1, 2), knee=1, seeds=3, **THREE))
    page = Page(text)
    assert page.cells["1/reconstruction_error"]["data-sd"] == "0.125"
    assert "±&nbsp;0.12" in text
    assert page.cells["1/probe_accuracy"]["text"].startswith("75.0±")
    assert page.cells["1/test_probe_accuracy"]["text"] == "75.0"
    assert "means over 3 seeds" in text


def test_warnings_of_the_baseline_come_first():
    warned = replace(USUAL.trials[0], warnings=("Collapsed: yes",))
    assert "Read this first" in sweep_html(replace(USUAL, trials=(warned, *USUAL.trials[1:])))


def test_the_front_is_drawn_with_its_numbers():
    figure = plots.pareto([0, 0.1, 0.2, 0.3], [1, 2, 4, 5], [8, 2, 1, 3], [0, 1, 2], 1)
    traces = {trace.name: trace for trace in figure.data if trace.name}
    assert list(traces) == ["on the front", "beaten by another", "without penalty"]
    np.testing.assert_array_equal(traces["on the front"].x, [2, 4])
    np.testing.assert_array_equal(traces["beaten by another"].y, [3])
    assert list(traces["on the front"].customdata) == ["weight 0.1", "weight 0.2"]
    np.testing.assert_array_equal(figure.data[0].x, [1, 2, 4])
    assert figure.layout.annotations[0].text == "knee: weight 0.1"
    assert 10 ** figure.layout.annotations[0].x == pytest.approx(2)


@pytest.mark.parametrize("errors", [(1.0, 1.2, 1.3), (1.0, 3.0, 5.0), (1.0, 1.0, 1.0), (0.01, 1.0, 100.0)])
def test_axes_have_ticks_within_them(errors):
    axis = plots.pareto([0, 0.1, 0.2], errors, [3, 2, 1], [0, 1, 2], 1).layout.xaxis
    low, high = 10.0 ** np.array(axis.range)
    assert 2 <= sum(low <= tick <= high for tick in axis.tickvals) <= 12


def test_curves_are_drawn_with_spread_and_baseline():
    figure = plots.weight_curves(
        [0.1, 1], {"error": [2, 3]}, spreads={"error": [0.5, 0.25]}, without={"error": 1}, knee=1
    )
    (trace,) = figure.data
    np.testing.assert_array_equal(trace.y, [2, 3])
    np.testing.assert_array_equal(trace.error_y.array, [0.5, 0.25])
    notes = {note.text: note.xanchor for note in figure.layout.annotations}
    assert notes == {"error": "left", "without penalty": "right", "knee": "right"}  # where the curve is not
    falling = plots.weight_curves([0.1, 1], {"error": [3, 2]}, without={"error": 1}, knee=1)
    notes = {note.text: note.xanchor for note in falling.layout.annotations}
    assert (notes["without penalty"], notes["knee"]) == ("left", "left")


def test_the_page_is_made_again_from_the_folder(tmp_path):
    USUAL.write(tmp_path)
    page = write_page(sweep_html(USUAL), tmp_path / "report.html")
    before = page.read_text()
    page.unlink()
    result = CliRunner().invoke(app, ["report", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert page.read_text() == before


@pytest.mark.parametrize(
    ("count", "knee", "front", "shown"),
    [
        (4, 1, (0, 1), [0, 1, 2, 3]),
        (9, 4, (0, 2, 4, 5, 6, 7, 8), [0, 2, 4, 6, 8]),
        (9, 0, (0, 1), [0, 1]),
        (8, 7, (5, 6, 7), [0, 5, 6, 7]),
    ],
    ids=["few: all", "spread over the front", "without penalty is the knee", "without penalty is always there"],
)
def test_the_models_side_by_side_are_of_the_front(count, knee, front, shown):
    trials = [trial(n, 0.1 * n, 1.0, 1.0) for n in range(count)]
    assert [one.number for one in found(*trials, front=front, knee=knee).shown.values()] == shown


def test_models_are_named_by_their_weight():
    trials = [trial(n, w, 1, 1) for n, w in enumerate((0.0, 0.1, 0.10001, 0.2))]
    names = ["without penalty", "weight 0.1, trial 1", "weight 0.1, trial 2", "weight 0.2 (knee)"]
    assert list(found(*trials, front=(0,), knee=3).shown) == names
    assert "noise 0.2 (knee)" in found(*trials, front=(0,), knee=3, objective="denoising").shown
