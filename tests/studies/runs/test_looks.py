"""Which unusual rows are listed, what they are called, and what of them is drawn."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from contractive.core.artifacts import Artifact
from contractive.data import ImagesPreparation, Options, load
from contractive.estimators import Change
from contractive.studies.runs._looks import Looks, looks, most_unusual, place_text, stretch
from contractive.studies.runs._unusual import _reason

START = np.datetime64("2024-01-01T00:00:00")


def detector(errors, score_by="table"):
    """Reconstructs every row as zeros, with errors that are known."""
    return SimpleNamespace(feature_errors=lambda x: errors, reconstruct=np.zeros_like, score_by_=score_by)


@pytest.fixture
def series(tmp_path):
    rows = np.arange(120)
    table = pa.table({
        "time": START + 60 * rows,
        "a": rows + 0.25,
        "mode": ["x", "y"] * 60,
        "machine": ["m"] * 60 + ["n"] * 60,
    })  # fmt: skip
    pa_csv.write_csv(table, tmp_path / "t.csv")
    options = Options(time="time", group="machine", window=4, one_hot=("mode",), scale="standard")
    return load(tmp_path / "t.csv", options=options)


@pytest.mark.parametrize("seed", range(20))
def test_the_stretch_is_the_shortest_with_half_of_the_error(seed):
    errors = np.random.RandomState(seed).exponential(size=9) ** 3
    first, last = stretch(errors)
    pairs = [(i, j) for i in range(9) for j in range(i, 9) if errors[i : j + 1].sum() >= 0.5 * errors.sum()]
    assert errors[first : last + 1].sum() >= 0.5 * errors.sum()
    assert last - first == min(j - i for i, j in pairs)


def test_a_stretch_without_any_error_is_one_point():
    assert stretch(np.zeros(5)) == (0, 0)


def test_of_windows_that_overlap_the_most_unusual_is_listed(series):
    begin, end = (series.places[name].astype(np.int64) for name in ("window_from", "window_to"))
    scores = np.random.RandomState(0).rand(len(series.test))
    chosen = most_unusual(scores, series.places, series.preparation, 3)
    expected = []
    for number in np.argsort(-scores):
        if all(begin[number] > end[other] or end[number] < begin[other] for other in expected):
            expected.append(number)
    assert chosen == expected[:3]
    others = series.places | {"machine": np.array(["m", "n"] * len(scores))[: len(scores)]}
    in_groups = most_unusual(scores, others, series.preparation, 100)
    assert len(in_groups) > len(most_unusual(scores, series.places, series.preparation, 100))
    table = SimpleNamespace(place_columns=())
    assert most_unusual(scores, {}, table, 2) == np.argsort(-scores)[:2].tolist()


def test_rows_are_called_by_their_time_and_what_tells_them_apart(series):
    assert place_text(series.places, series.preparation.place_columns, 0) == (
        "2024-01-01 01:47:00 to 01:50:00, machine n"
    )
    places = {"id": np.array([7]), "day": np.array(["2024-02-03"], "datetime64[D]"), "x": np.array([1.5])}
    assert place_text(places, (), 0) == "id 7, day 2024-02-03, x 1.5"
    late = {"window_from": START + np.array([0]), "window_to": START + np.array([86_400])}
    assert place_text(late, ("window_from", "window_to"), 0) == "2024-01-01 00:00:00 to 2024-01-02 00:00:00"


def test_a_window_is_drawn_by_the_column_of_its_reason_in_its_own_units(series):
    x = series.test[:2]
    errors = np.zeros((2, x.shape[1]))
    errors[:, 2] = 5.0  # the third row of the first column
    found = looks(detector(errors), series.preparation, x, ["a", "mode"])
    assert (found.kind, found.columns, found.stretches) == ("windows", ("a", "a"), ((2, 2), (2, 2)))
    first = 107.25 + np.arange(4)
    np.testing.assert_allclose(found.observed, [first, first + 1], rtol=1e-5)
    np.testing.assert_allclose(found.reconstructed, float(series.preparation.row.offset[0]))
    np.testing.assert_array_equal(found.errors, errors[:, :4])


def test_colours_are_drawn_as_their_mean_and_their_errors_add_up():
    preparation = ImagesPreparation(features=12, shape=(3, 2, 2), scale=np.full(1, 2.0))
    x = np.arange(24.0).reshape(2, 12)
    found = looks(detector(np.ones((2, 12))), preparation, x, ["", ""])
    assert (found.kind, found.image) == ("images", (2, 2))
    np.testing.assert_allclose(found.observed, 2 * x.reshape(2, 3, 4).mean(1))
    np.testing.assert_allclose(found.errors, 3)


@pytest.mark.parametrize("name", ["x.npy", "x.csv"])
def test_curves_are_drawn_whole_and_rows_of_a_table_are_not(name, tmp_path):
    values = np.random.RandomState(0).randn(20, 3)
    np.save(tmp_path / "x.npy", values)
    pa_csv.write_csv(
        pa.table({"a": values[:, 0], "same": [1.0] * 20, "b": values[:, 1], "c": values[:, 2]}), tmp_path / "x.csv"
    )
    split = load(tmp_path / name)
    errors = np.tile([0.0, 0.0, 1.0], (len(split.test), 1))
    found = looks(detector(errors, "structured"), split.preparation, split.test, [""] * len(split.test))
    assert (found.kind, found.stretches[0]) == ("curves", (2, 2))
    np.testing.assert_allclose(found.observed, values[split.parts == 2], rtol=1e-5)
    np.testing.assert_allclose(found.reconstructed, np.broadcast_to(split.preparation.offset, found.observed.shape))
    read = Artifact.of("looks", found).to(Looks)
    np.testing.assert_array_equal(read.observed, found.observed)
    assert looks(detector(errors), split.preparation, split.test, [""] * len(split.test)) is None
    assert split.places["row"].tolist() == np.flatnonzero(split.parts == 2).tolist()


def test_windows_without_a_column_of_numbers_are_not_drawn(tmp_path):
    table = pa.table({"mode": ["x", "y", "x", "x"] * 40})
    pa_csv.write_csv(table, tmp_path / "t.csv")
    split = load(tmp_path / "t.csv", options=Options(window=4, one_hot=("mode",)))
    errors = np.zeros((1, split.features))
    assert looks(detector(errors), split.preparation, split.test[:1], ["mode"]) is None


def test_a_reason_says_that_a_number_may_stand_for_a_missing_one(tmp_path):
    random = np.random.RandomState(0)
    numbers = [None if row % 5 == 0 else value for row, value in enumerate(random.randn(60))]
    table = pa.table({"a": numbers, "b": random.randn(60), "c": ["x", "y", None] * 20})
    pa_csv.write_csv(table, tmp_path / "t.csv")
    split = load(tmp_path / "t.csv", options=Options(impute="median", one_hot=("c",)))
    rows = np.concatenate([split.train, split.validation, split.test])
    missing = np.concatenate([np.flatnonzero(split.parts == part) for part in (0, 1, 2)]) % 5 == 0
    changes = [Change(name, 0.0, 0.0, 0.0, 1.0, 0.5) for name in ("a", "b")]
    found = [
        [_reason(split.preparation, row, range(at, at + 1), changes[at]).observed for at in (0, 1)] for row in rows
    ]
    said = np.array([text.endswith(" (or missing)") for text, _ in found])
    assert said[missing].all()
    assert said[~missing].sum() <= 1  # of an odd number of rows one is the median itself
    assert not any("missing" in text for _, text in found)
