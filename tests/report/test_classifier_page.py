"""The page of a classifier says its numbers, opens offline and fits its screens."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from browser import faults, needs_browser
from comparisons import Page
from contractive.data import Options, load
from contractive.report import classifier_html, classifier_sentences, write_page
from contractive.studies.runs import (
    ClassifierMetrics,
    ClassifierRun,
    ClassifierSettings,
    EncoderMetrics,
    Evaluation,
    LayerMetrics,
    open_run,
    train,
)

SMALL = ClassifierSettings(hidden=(30, 20), pretraining_epochs=6, max_epochs=12, device="cpu")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images") / "run"
    train(load("digits"), replace(SMALL, labels_used=200), folder, command="contractive classify <digits>")
    return open_run(folder, ClassifierRun)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Classes that hardly differ, one of them named like markup."""
    folder = tmp_path_factory.mktemp("table")
    x = np.random.default_rng(0).normal(size=(200, 3))
    kind = np.where(x[:, 0] + np.random.default_rng(1).normal(size=200) > 0, "<b>bold</b>", "plain")
    lines = [",".join(map(str, row)) + f",{name}" for row, name in zip(x.tolist(), kind, strict=True)]
    (folder / "t.csv").write_text("\n".join(["a,b,c,kind", *lines]))
    split = load(folder / "t.csv", options=Options(label="kind"))
    train(split, ClassifierSettings(objective="none", hidden=(8,), max_epochs=5, device="cpu"), folder / "run")
    return open_run(folder / "run", ClassifierRun)


def words(run):
    return [sentence.replace("\N{NO-BREAK SPACE}", " ") for sentence in classifier_sentences(run)]


def told(changes, names=("a", "b", "c"), train_rows=100):
    """What is said of a run with these figures."""
    confusion = ((20, 0, 0), (3, 12, 1), (0, 1, 13))
    test = Evaluation(50, 5, 0.1, (0.04, 0.21), 0.3, confusion, (0.0, 0.25, 1 / 14), unknown=0)
    before, after = EncoderMetrics(4, 1.5, None, 0.0), EncoderMetrics(4, 12.25, None, 0.0)
    metrics = ClassifierMetrics(
        epochs=9, best_epoch=7, stopped_early=False, seconds=1.0, labels_used=100, test=test,
        validation=replace(test, error=0.08), train_error=0.0, linear_error=0.12,
        components_error=0.2, linear_labels=100, before=before, after=after,
        pretraining=(LayerMetrics(1, 5, 1.0, 0.5, 0.9, before),),
    )  # fmt: skip
    metrics = replace(metrics, **{**changes, "test": replace(test, **changes.get("test", {}))})
    run = SimpleNamespace(
        finished_metrics=lambda: metrics,
        names=names,
        settings=ClassifierSettings(hidden=(5, 4)),
        document=SimpleNamespace(data=SimpleNamespace(rows={"train": train_rows, "validation": 40})),
    )
    return words(run)


def test_without_fewer_units_than_features_there_is_no_sentence_on_principal_components():
    assert told({"components_error": None})[1].endswith("no clear difference on this many rows.")


def test_as_many_components_as_features_are_no_baseline(table):
    assert table.finished_metrics().components_error is None
    assert "principal components" not in words(table)[1]


def test_sentences_are_made_from_the_numbers():
    assert told({}) == [
        "Of 50 test rows 5 are given a wrong class: 10.0 % (95 % interval 4.0 to 21.0 %).",
        "A linear classifier on the features, with the same labels, has 12.0 % wrong: no clear difference on this many"
        " rows. On 4 principal components it has 20.0 % wrong.",
        "Hardest is class b, with 25.0 % of its 16 rows wrong; the most common mistake is b taken for a (3 rows).",
        "It learned from all 100 labels; epoch 7 of 9 was chosen by the error on validation rows, 8.0 %.",
        "After contractive pretraining, ‖J‖² of the two layers together was 1.5 on average; after fine-tuning it was"
        " 12.2.",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"test": {"wrong": 1}}, "Of 50 test rows one is given a wrong class"),
        ({"test": {"wrong": 0}}, "Of 50 test rows none is given a wrong class"),
        ({"test": {"unknown": 2}}, "Of these rows 2 are of a class that training rows do not have."),
        ({"test": {"unknown": 1}}, "Of these rows one is of a class that training rows do not have."),
        ({"linear_error": 0.3}, "has 30.0 % wrong: clearly more."),
        ({"linear_error": 0.01}, "has 1.0 % wrong: clearly fewer."),
        ({"labels_used": 30_000, "linear_labels": 10_000}, "on the features, with 10,000 of the labels, has 12.0 %"),
        ({"labels_used": 30}, "30 labels of 100 training rows; beside them the 40 labels of the validation rows;"),
        ({"pretraining": ()}, "Layers were not pretrained."),
    ],
)
def test_sentences_follow_the_numbers(changes, said):
    assert any(said in sentence for sentence in told(changes))


def test_without_mistakes_no_class_is_hard():
    assert not any("Hardest" in sentence for sentence in told({"test": {"wrong": 0}}))


def test_the_page_holds_all_it_needs(images, tmp_path):
    text = write_page(classifier_html(images), tmp_path / "report.html").read_text(encoding="utf-8")
    assert text == classifier_html(images)
    assert all(load.startswith(("#", "data:")) for load in Page(text).loads)
    own = re.sub(r'<script type="application/gzip" id="plotly">.*?</script>', "", text, flags=re.DOTALL)
    assert not re.search(r"https?://|@import|url\(", own)
    test = images.metrics().test
    assert f"{100 * test.error:.1f}\N{NO-BREAK SPACE}%" in text
    assert "contractive classify &lt;digits&gt;" in text
    for sentence in classifier_sentences(images):
        assert sentence.replace("'", "&#39;") in text


def test_names_of_classes_are_no_markup(table):
    text = classifier_html(table)
    assert "<b>bold</b>" not in text
    assert "&lt;b&gt;bold" in text
    mistakes = table.mistakes()
    assert f"<td>{mistakes.number[0]}</td>" in text
    assert "Layers were not pretrained." in text


@needs_browser
def test_the_pages_are_drawn_on_a_laptop_and_a_phone(images, table, tmp_path):
    page = write_page(classifier_html(images), tmp_path / "images.html")
    drawn = ["confusion", "mistakes", "learning", "pretraining"]  # weights that are noise are not
    assert faults(page, tmp_path, drawn) == []
    assert (
        faults(write_page(classifier_html(table), tmp_path / "table.html"), tmp_path, ["confusion", "learning"]) == []
    )
