"""Windows of a series: within a group, never across a gap, and no row of training near validation or testing."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pytest

from contractive.data import DataError, Mismatches, Options, Preparation, WindowPreparation, load, open_rows

START = datetime.datetime(2024, 1, 1)
WINDOW = 6


def table(rows=120, start=0, minutes=1, **more):
    """Values that are a quarter above the number of their row, and the negative, with a time stamp a minute."""
    numbers = np.arange(start, start + rows)
    times = [START + datetime.timedelta(minutes=int(minutes * number)) for number in numbers]
    return pa.table({"time": times, "a": numbers + 0.25, "b": -numbers - 0.25, **more})


def write(path, *tables):
    pa_csv.write_csv(pa.concat_tables(tables), path)
    return path


def loaded(path, **options):
    return load(path, options=Options(**{"time": "time", "window": WINDOW, "scale": "none"} | options))


def numbers(x):
    """The number of each row of windows, (windows, window)."""
    return np.floor(x[:, :WINDOW]).astype(int)


def test_a_window_holds_a_feature_after_the_other_and_no_time_stamp(tmp_path):
    split = loaded(write(tmp_path / "t.csv", table()), step=2)
    assert split.columns[:2] == ("a[0]", "a[1]")
    assert split.features == 2 * WINDOW
    for part in (split.train, split.validation, split.test):
        first = part[:, :1]
        np.testing.assert_array_equal(part[:, :WINDOW], first + np.arange(WINDOW))
        np.testing.assert_array_equal(part[:, WINDOW:], -part[:, :WINDOW])
        assert (np.diff(first[:, 0]) == 2).all()
    assert any("rate of false alarms is approximate" in note for note in split.notes)


def test_no_row_of_training_lies_within_a_window_of_those_that_calibrate_and_test(tmp_path):
    split = loaded(write(tmp_path / "t.csv", table()))
    train, validation, test = map(numbers, (split.train, split.validation, split.test))
    assert validation.min() - train.max() > WINDOW
    assert test.min() - validation.max() > WINDOW
    assert min(len(train), len(validation), len(test)) > 5
    assert test.max() == 119


def test_windows_lie_in_one_group_and_across_no_gap(tmp_path):
    first, second = (table(60, start, machine=[name] * 60) for name, start in (("x", 0), ("y", 1000)))
    mixed = pa.concat_tables([first, second]).sort_by("a").take(np.arange(120).reshape(2, 60).T.ravel())
    later = table(40, 2000, machine=["x"] * 40)
    split = loaded(write(tmp_path / "t.csv", mixed, later), group="machine")
    rows = np.concatenate([numbers(part) for part in (split.train, split.validation, split.test)])
    assert (np.diff(rows, axis=1) == 1).all()
    assert len(np.unique(rows)) > 120


def test_with_several_groups_none_is_in_two_subsets(tmp_path):
    parts = [table(30, 1000 * number, machine=[number] * 30) for number in range(5)]
    split = loaded(write(tmp_path / "t.csv", *parts), group="machine")
    machines = [set(np.unique(numbers(part) // 1000)) for part in (split.train, split.validation, split.test)]
    assert [len(each) for each in machines] == [3, 1, 1]
    assert len(set.union(*machines)) == 5


@pytest.mark.parametrize("rows_at_once", [1, 7, 8192])
@pytest.mark.parametrize("step", [1, 4, WINDOW])
def test_windows_that_are_streamed_are_those_of_the_whole_file(rows_at_once, step, tmp_path):
    preparation = loaded(write(tmp_path / "old.csv", table()), step=step).preparation
    new = write(tmp_path / "new.csv", table(40, 500), table(30, 900))
    blocks = list(open_rows(new, preparation, rows_at_once=rows_at_once, pass_through=("a",)))
    x = np.concatenate([block.x for block in blocks])
    begin = [*range(500, 535, step), *range(900, 925, step)]
    np.testing.assert_array_equal(numbers(x), np.array(begin)[:, None] + np.arange(WINDOW))
    of = {name: np.concatenate([block.place[name] for block in blocks]) for name in preparation.place_columns}
    assert [*of] == ["window_from", "window_to"]
    stamps = [datetime.datetime.fromisoformat(str(stamp)[:19]) for stamp in of["window_to"]]
    assert [(stamp - START).total_seconds() / 60 - WINDOW + 1 for stamp in stamps] == begin
    last = np.concatenate([block.pass_through["a"] for block in blocks]).astype(float)
    np.testing.assert_array_equal(last, x[:, WINDOW - 1])


def test_a_window_with_a_marked_row_is_marked(tmp_path):
    preparation = loaded(write(tmp_path / "old.csv", table())).preparation
    new = table(20).set_column(1, "a", pa.array([None if row == 9 else row + 0.25 for row in range(20)]))
    (block,) = open_rows(write(tmp_path / "new.csv", new), preparation, rules=Mismatches(missing_values="mark"))
    assert block.problems == dict.fromkeys(range(4, 10), "a is missing")
    assert np.isnan(block.x[4:10, :WINDOW]).any(1).all()
    assert np.isfinite(block.x[block.usable]).all()


def test_windows_are_scaled_as_their_rows_and_brought_back(tmp_path):
    split = loaded(write(tmp_path / "t.csv", table()), scale="standard")
    again = Preparation.from_dict(split.preparation.to_dict())
    assert isinstance(again, WindowPreparation)
    assert again == split.preparation
    assert split.train[:, :WINDOW].std() == pytest.approx(1, abs=0.1)
    back = again.inverse(split.test)
    np.testing.assert_allclose(back["a"][-1], np.arange(114, 120) + 0.25, rtol=1e-5)
    np.testing.assert_allclose(back["b"], -back["a"], rtol=1e-4)
    assert [(group.name, group.start, group.num) for group in again.groups] == [("a", 0, WINDOW), ("b", WINDOW, WINDOW)]


def test_a_window_has_the_largest_label_of_its_rows_and_without_time_the_order_counts(tmp_path):
    bad = (np.arange(120) == 116).astype(int)
    path = write(tmp_path / "t.csv", table(bad=bad).drop_columns("time"))
    split = loaded(path, time=None, label="bad")
    assert split.labels[2].tolist() == [int(116 in window) for window in numbers(split.test)]
    assert split.labels[0].max() == 0
    assert split.preparation.series_columns == ()


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "i4"])
def test_an_array_has_the_windows_of_a_table_with_its_columns_and_in_the_order_of_its_rows(dtype, tmp_path):
    rows = (np.arange(120)[:, None] * [1, -1]).astype(dtype)
    np.save(tmp_path / "t.npy", rows)
    columns = {f"x{number}": rows[:, number].astype(float) for number in range(2)}
    expected = loaded(write(tmp_path / "t.csv", pa.table(columns)), time=None, step=2, keep_id=True)
    split = loaded(tmp_path / "t.npy", time=None, step=2, keep_id=True)
    assert split.columns == expected.columns
    for part, other in zip(
        (split.train, split.validation, split.test), (expected.train, expected.validation, expected.test), strict=True
    ):
        np.testing.assert_array_equal(part, other)
    blocks = [*open_rows(tmp_path / "t.npy", split.preparation, rows_at_once=7)]
    np.testing.assert_array_equal(np.concatenate([block.x for block in blocks])[:, 0], np.arange(0, 115, 2))
    assert blocks[1].place["window_to"].tolist() == [7, 9, 11, 13]


@pytest.mark.parametrize("shape", [(120,), (120, 3, 2)])
def test_an_array_of_other_than_rows_of_numbers_has_no_windows(shape, tmp_path):
    np.save(tmp_path / "t.npy", np.ones(shape))
    with pytest.raises(DataError, match=r"windows must be made of rows of numbers, got float64 of .* in t.npy. Resh"):
        loaded(tmp_path / "t.npy", time=None)
    np.save(tmp_path / "t.npy", np.ones((120, 2)))
    with pytest.raises(DataError, match="time must name a column, got 'time'"):
        loaded(tmp_path / "t.npy")


@pytest.mark.parametrize(
    ("tables", "options", "match"),
    [
        ([table()], {"time": "when"}, "time must name a column, got 'when'"),
        ([table()], {"group": "machine"}, "group must name a column, got 'machine'"),
        ([table()], {"window": None}, "time must come with `window`"),
        ([table()], {"step": 7}, "step must be at most 6, the rows of a window, got 7"),
        ([table()], {"test": "t.csv"}, "test must be left out with windows"),
        ([table(text=["x", "y"] * 60)], {"time": "text", "drop": ("time",)}, "time must name a column of dates or num"),
        ([table(60, 60), table(60)], {}, r"rows of a series must be in the order of time, got .* after a later one"),
        ([table(12)], {}, "window must leave at least 10 windows without a gap, got 6 with 7 windows"),
        ([table(24)], {"window": 12}, "each subset must have a window, got"),
        ([table(text=["x", "y"] * 60)], {"label": "text"}, "label must be a number in every row"),
    ],
    ids=["time", "group", "no window", "step", "test", "text", "order", "few", "short", "label"],
)  # fmt: skip
def test_series_that_cannot_be_cut_are_refused(tables, options, match, tmp_path):
    path = write(tmp_path / "t.csv", *tables)
    with pytest.raises(DataError, match=match):
        loaded(path, **options)


def test_new_rows_need_the_columns_of_time_and_group_and_are_read_from_a_file(tmp_path):
    preparation = loaded(write(tmp_path / "t.csv", table())).preparation
    new = write(tmp_path / "new.csv", table().drop_columns("time"))
    with pytest.raises(DataError, match="data must have time and group as in training, got no time"):
        next(open_rows(new, preparation))
    with pytest.raises(DataError, match="windows must be made of a file, got single rows"):
        preparation.transform(table())
    gap = table().set_column(0, "time", pa.array([None, *table()["time"].to_pylist()[1:]]))
    endless = write(
        tmp_path / "endless.csv", table().set_column(0, "time", pa.array([*range(table().num_rows - 1), np.inf]))
    )
    with pytest.raises(DataError, match="time stamps must be finite, got others in time"):
        load(endless, options=Options(window=4, time="time"))
    with pytest.raises(DataError, match="time stamps must not be missing, got 1 missing in time"):
        next(open_rows(write(tmp_path / "gap.csv", gap), preparation))
    document = preparation.to_dict() | {"window": 7}
    with pytest.raises(DataError, match="windows must have 7 times 2 numbers each, got 12"):
        Preparation.from_dict(document)
