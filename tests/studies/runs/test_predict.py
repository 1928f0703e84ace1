"""Predictions are the model's, in any format, and told apart from labels."""

import csv

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from contractive.data import DataError, Mismatches, Options, load
from contractive.studies.runs import ClassifierRun, ClassifierSettings, encode, open_run, predict, train

ROWS = 80


def columns(seed=0):
    generator = np.random.default_rng(seed)
    kind = generator.integers(0, 3, ROWS)
    return {
        "id": [f"n{i}" for i in range(ROWS)],
        "long": (kind + 0.2 * generator.normal(size=ROWS)).tolist(),
        "wide": (10 * (kind == 1) + generator.normal(size=ROWS)).tolist(),
        "kind": [("small", "middle", "large")[k] for k in kind],
        "grade": (kind + 1).tolist(),
    }


def write(path, table):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    return path


def made(folder, label):
    path = write(folder / "plants.csv", columns())
    drop = ("id", "grade" if label == "kind" else "kind")
    split = load(path, options=Options(label=label, drop=drop))
    train(split, ClassifierSettings(hidden=(8,), pretraining_epochs=2, max_epochs=30, device="cpu"), folder / label)
    return open_run(folder / label, ClassifierRun), path


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return made(tmp_path_factory.mktemp("texts"), "kind")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    return made(tmp_path_factory.mktemp("numbers"), "grade")


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def by_hand(run, table):
    x = run.preparation.transform({name: np.array(table[name]) for name in ("long", "wide")})
    with torch.no_grad():
        return torch.softmax(run.model()(torch.from_numpy(x)), 1).numpy()


def test_predictions_are_those_of_the_model(texts, tmp_path):
    run, path = texts
    found = predict(run, path, tmp_path / "p.csv", pass_through=("id",))
    rows, wanted = read(tmp_path / "p.csv"), by_hand(run, columns())
    assert list(rows[0]) == ["id", "predicted", "p_large", "p_middle", "p_small"]
    chances = np.array([[float(row[f"p_{name}"]) for name in run.names] for row in rows])
    np.testing.assert_allclose(chances, wanted, atol=1e-6)
    np.testing.assert_allclose(chances.sum(1), 1, atol=1e-5)
    assert [row["predicted"] for row in rows] == [run.names[at] for at in wanted.argmax(1)]
    assert [row["id"] for row in rows] == columns()["id"]
    right = sum(row["predicted"] == true for row, true in zip(rows, columns()["kind"], strict=True))
    assert (found.rows, found.labelled, found.right) == (ROWS, ROWS, right)
    assert found.accuracy == right / ROWS > 0.8
    assert found.interval[0] < found.accuracy < found.interval[1] or right == ROWS


def test_labels_may_be_kept_and_compared_at_once(texts, tmp_path):
    run, path = texts
    found = predict(run, path, tmp_path / "p.parquet", pass_through=("kind",))
    table = pq.read_table(tmp_path / "p.parquet").to_pydict()
    assert table["kind"] == columns()["kind"]
    assert found.right == sum(map(str.__eq__, table["kind"], table["predicted"]))


def test_classes_that_are_numbers_stay_numbers(numbers, tmp_path):
    run, path = numbers
    predict(run, path, tmp_path / "p.npy")
    predict(run, path, tmp_path / "p.parquet")
    array, table = np.load(tmp_path / "p.npy"), pq.read_table(tmp_path / "p.parquet")
    assert table.schema.field("predicted").type == pa.int64()
    assert array[:, 0].tolist() == table["predicted"].to_pylist()
    assert set(array[:, 0]) <= {1, 2, 3}
    np.testing.assert_allclose(array[:, 1:], by_hand(run, columns()), atol=1e-6)


@pytest.mark.parametrize("as_written", [lambda k: f"{k}.0", lambda k: f" {k} ", str], ids=["3.0", "blanks", "3"])
def test_labels_are_read_as_in_training(numbers, tmp_path, as_written):
    run, _ = numbers
    table = columns(1)
    table["grade"] = [as_written(grade) for grade in table["grade"]]
    found = predict(run, write(tmp_path / "new.csv", table), tmp_path / "p.csv")
    given = [int(row["predicted"]) for row in read(tmp_path / "p.csv")]
    assert found.right == sum(np.array(given) == columns(1)["grade"])
    assert found.labelled == ROWS


@pytest.mark.parametrize("label", ["kind", "grade"])
def test_rows_without_a_label_are_predicted_and_not_counted(label, texts, numbers, tmp_path):
    run = {"kind": texts, "grade": numbers}[label][0]
    table = columns(2)
    table[label] = ["" if at % 4 == 0 else value for at, value in enumerate(table[label])]
    found = predict(run, write(tmp_path / "new.csv", table), tmp_path / "p.csv")
    rows = read(tmp_path / "p.csv")
    assert (found.rows, found.labelled) == (ROWS, ROWS - ROWS // 4)
    known = [(row["predicted"], str(true)) for row, true in zip(rows, table[label], strict=True) if true != ""]
    assert found.right == sum(given == true for given, true in known)


def test_data_without_labels_have_no_accuracy(texts, tmp_path):
    run, _ = texts
    table = columns()
    found = predict(run, write(tmp_path / "new.csv", {n: table[n] for n in ("wide", "long")}), tmp_path / "p.csv")
    assert (found.rows, found.labelled) == (ROWS, 0)
    assert np.isnan(found.accuracy)


def test_another_column_may_hold_the_labels(texts, tmp_path):
    run, _ = texts
    table = columns(3)
    table["truth"] = table.pop("kind")
    path = write(tmp_path / "new.csv", table)
    assert predict(run, path, tmp_path / "p.csv", options=Options(label="truth")).labelled == ROWS
    with pytest.raises(DataError, match="label must name a column, got 'species'"):
        predict(*texts, tmp_path / "q.csv", options=Options(label="species"))
    assert not (tmp_path / "q.csv").exists()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"long": None}, "long"),
        ({"long": ["much"] * ROWS}, "long"),
        ({"wide": ["nan"] * ROWS}, "missing"),
    ],
    ids=["missing column", "text", "nan"],
)
def test_rows_that_do_not_fit_are_refused(changes, match, texts, tmp_path):
    run, _ = texts
    table = {name: values for name, values in (columns() | changes).items() if values is not None}
    with pytest.raises(DataError, match=match):
        predict(run, write(tmp_path / "new.csv", table), tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()


def test_rows_that_do_not_fit_are_marked_and_count_in_no_accuracy(numbers, tmp_path):
    run, path = numbers
    whole, table = predict(run, path, tmp_path / "whole.parquet"), columns()
    table["wide"] = ["", *table["wide"][1:]]
    new, rules = write(tmp_path / "new.csv", table), Mismatches(missing_values="mark")
    found = predict(run, new, tmp_path / "p.parquet", rules=rules)
    first, *others = pq.read_table(tmp_path / "p.parquet").to_pylist()
    assert first == dict.fromkeys(first) | {"problem": "wide is missing"}
    assert others == [row | {"problem": ""} for row in pq.read_table(tmp_path / "whole.parquet").to_pylist()[1:]]
    assert (found.rows, found.marked, found.labelled) == (ROWS, 1, ROWS - 1)
    assert whole.right - found.right in (0, 1)
    for function in (predict, encode):
        function(run, new, tmp_path / "p.npy", rules=rules, overwrite=True)
        assert np.isnan(np.load(tmp_path / "p.npy")).any(1).tolist() == [True] + [False] * (ROWS - 1)


def test_texts_have_no_place_in_an_array_file(texts, tmp_path):
    with pytest.raises(DataError, match=r".npy must hold numbers, got .* in predicted. Use .csv or .parquet"):
        predict(*texts, tmp_path / "p.npy")
    assert not list(tmp_path.iterdir())


def test_a_column_that_is_no_label_column_and_not_there_is_refused(texts, tmp_path):
    with pytest.raises(DataError, match="pass_through must name a column, got 'name'"):
        predict(*texts, tmp_path / "p.csv", pass_through=("name",))
    with pytest.raises(ValueError, match="device must be one of"):
        predict(*texts, tmp_path / "p.csv", device="tpu")
