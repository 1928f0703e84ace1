import json
from dataclasses import asdict
from pathlib import Path

import msgspec
import numpy as np
import pytest

from contractive.data import DataError, DataSource, Options, load
from contractive.data._split import most_held_out, partition


@pytest.mark.parametrize(
    ("rows", "shares", "counts"),
    [(100, (0.15, 0.15), [70, 15, 15]), (10, (0.15, 0.15), [6, 2, 2]), (10, (0.01, 0.01), [8, 1, 1]),
     (1000, (0.2, 0), [800, 200, 0])],
)  # fmt: skip
def test_shares_are_kept_and_no_part_is_empty(rows, shares, counts):
    parts, said = partition(rows, shares, seed=0)
    assert np.bincount(parts, minlength=3).tolist() == counts
    assert said == "Rows were split at random (seed 0)."
    assert parts.dtype == np.uint8


def test_same_seed_same_parts():
    first, again, other = (partition(1000, (0.15, 0.15), seed=seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.2


def test_every_class_gets_its_share():
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    parts, said = partition(1000, (0.15, 0.15), seed=0, labels=labels)
    for part, share in enumerate((0.7, 0.15, 0.15)):
        np.testing.assert_allclose(np.bincount(labels[parts == part]), np.array([600, 300, 100]) * share, atol=1)
    assert said.endswith("stratified by the label.")


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        (np.arange(100) / 7, "the label is an amount and no class"),
        (np.repeat([0, 1], [97, 3]), "a class has too few rows"),
        (np.arange(100), "a class has too few rows"),
        (np.arange(1000)[:300] * 3, "the label is an amount and no class"),
    ],
    ids=["amounts", "rare class", "all different", "many numbers"],
)
def test_where_classes_cannot_be_kept_this_is_said(labels, why):
    parts, said = partition(len(labels), (0.15, 0.15), seed=0, labels=labels)
    assert said.endswith(f"not stratified: {why}.")
    np.testing.assert_array_equal(parts, partition(len(labels), (0.15, 0.15), seed=0)[0])


def test_what_is_held_out_of_a_stream_is_bounded():
    parts, _ = partition(1000, (0.15, 0.15), seed=0, most=20)
    assert np.bincount(parts).tolist() == [960, 20, 20]


def test_shares_and_seed_reach_the_parts(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(100, 3)))
    split = load(tmp_path / "x.npy", seed=5, options=Options(validation_share=0.3, test_share=0.2))
    assert (len(split.train), len(split.validation), len(split.test)) == (50, 30, 20)
    np.testing.assert_array_equal(split.parts, partition(100, (0.3, 0.2), seed=5)[0])


@pytest.mark.parametrize(("width", "rows"), [(1, 50_000), (336, 49_932), (784, 21_399), (10**6, 1000)])
def test_wide_rows_of_a_stream_are_held_out_in_fewer(width, rows):
    assert most_held_out(width) == rows


def test_a_split_knows_what_it_was_loaded_from(tmp_path, monkeypatch):
    assert load("digits").source == DataSource("digits", None, 0, Options())
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(20, 4)))
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "t.npy", np.random.default_rng(1).normal(size=(5, 4)))
    source = load("x.npy", options=Options(scale="none", test=Path("t.npy"))).source
    assert source == DataSource(str(tmp_path / "x.npy"), None, 0, Options(scale="none", test=str(tmp_path / "t.npy")))
    assert msgspec.convert(json.loads(json.dumps(asdict(source))), DataSource) == source


def partly_labelled(tmp_path, labels):
    rows = "".join(f"{i},{i * i % 7},{label}\n" for i, label in enumerate(labels))
    (tmp_path / "t.csv").write_text("a,b,kind\n" + rows)
    return tmp_path / "t.csv"


@pytest.mark.parametrize("classes", [("u", "v"), ("3", "5")], ids=["texts", "numbers"])
def test_rows_without_a_label_are_for_training(classes, tmp_path):
    labels = [classes[i % 2] if i < 40 else "" for i in range(100)]
    split = load(partly_labelled(tmp_path, labels), options=Options(label="kind", scale="none"))
    assert split.labels is None
    (train, validation, test), there = split.partial_labels
    assert np.bincount(split.parts).tolist() == [88, 6, 6]
    assert there.sum() == 28
    expected = np.array([int(label) if label.isdigit() else label for label in labels[:40]])
    rows = np.flatnonzero(split.parts == 0)
    np.testing.assert_array_equal(train[there], expected[rows[there]])
    assert (rows[~there] >= 40).all()
    np.testing.assert_array_equal(validation, expected[split.parts[:40] == 1])
    np.testing.assert_array_equal(test, expected[split.parts[:40] == 2])
    assert "60 rows have no label: they are for training, without it." in split.notes


def test_too_few_labels_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"at least 10 rows must have a label, got 4\. Label more"):
        load(partly_labelled(tmp_path, ["u", "v"] * 2 + [""] * 30), options=Options(label="kind"))
    with pytest.raises(DataError, match="labels must not all be missing, got no label in kind"):
        load(partly_labelled(tmp_path, [""] * 30), options=Options(label="kind"))
    path = partly_labelled(tmp_path, ["u", "v"] * 15)
    (tmp_path / "test.csv").write_text("a,b,kind\n1,2,u\n3,4,\n")
    with pytest.raises(DataError, match="labels of rows for testing must not be missing, got 1 missing in kind"):
        load(path, options=Options(label="kind", test=tmp_path / "test.csv"))
