import datetime

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from contractive.data import DataError, writer

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
NAMES = ("h0", "h1", "h2")


def read(path):
    if path.suffix == ".npy":
        return np.load(path, allow_pickle=False)
    table = pa_csv.read_csv(path) if path.suffix == ".csv" else pq.read_table(path)
    assert tuple(table.column_names) == NAMES
    return np.stack([table[name].to_numpy() for name in NAMES], axis=1).astype(np.float32)


@pytest.mark.parametrize("ending", [".npy", ".csv", ".parquet"])
@pytest.mark.parametrize(
    "blocks", [[50], [20, 30], [1] * 50, [0, 50], []], ids=["one", "two", "rows", "empty first", "none"]
)
def test_what_is_written_can_be_read(ending, blocks, tmp_path):
    path = tmp_path / f"codes{ending}"
    with writer(path, NAMES) as out:
        start = 0
        for num in blocks:
            out.write(X[start : start + num])
            start += num
    np.testing.assert_array_equal(read(path), X[:start])
    assert [other.name for other in tmp_path.iterdir()] == [path.name]
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_a_killed_process_left_of_the_same_file_is_removed(tmp_path):
    for name in (".writing-codes[1].npy.x", ".writing-codes[1].npyz.x"):
        (tmp_path / name).touch()
    with writer(tmp_path / "codes[1].npy", NAMES) as out:
        out.write(X)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".writing-codes[1].npyz.x", "codes[1].npy"]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_columns_keep_their_kinds(ending, tmp_path):
    day = datetime.date(2020, 1, 1)
    columns = {
        "id": np.array(["n1", "n,2", None], object), "town": np.array(["a", "b", "c"]),
        "flag": np.array([True, False, True]), "day": np.array([day] * 3, "datetime64[D]"),
        "x": np.array([1.5, 2.5, 1e-9]), "n": np.arange(3),
    }  # fmt: skip
    path = tmp_path / f"t{ending}"
    with writer(path, tuple(columns)) as out:
        out.write(columns)
        out.write({name: columns[name][:1] for name in reversed(columns)})
    table = pa_csv.read_csv(path, convert_options=None) if ending == ".csv" else pq.read_table(path)
    assert table.num_rows == 4
    for name, values in columns.items():
        found = table[name].to_pylist()
        expected = [*values.tolist(), values.tolist()[0]]
        if ending == ".csv" and name == "id":
            expected[2] = ""
        assert found == expected


@pytest.mark.parametrize("ending", [".npy", ".csv", ".parquet"])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_after_an_error_nothing_is_left(ending, error, tmp_path):
    path = tmp_path / f"codes{ending}"
    path.write_text("before")

    def work():
        with writer(path, NAMES, overwrite=True) as out:
            out.write(X)
            raise error

    with pytest.raises(error):
        work()
    assert [other.name for other in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "before"


def test_a_file_that_is_there_is_kept_unless_told_otherwise(tmp_path):
    path = tmp_path / "codes.npy"
    path.write_text("before")
    with pytest.raises(DataError, match=r"out must be a new file, got .*codes\.npy\. .* `overwrite`"):
        writer(path, NAMES)
    with writer(path, NAMES, overwrite=True) as out:
        assert path.read_text() == "before"
        out.write(X)
    np.testing.assert_array_equal(read(path), X)


def test_a_file_that_appears_in_the_meantime_is_kept(tmp_path):
    path = tmp_path / "codes.npy"

    def work():
        with writer(path, NAMES) as out:
            out.write(X)
            path.write_text("of another")

    with pytest.raises(DataError, match="out must be a new file"):
        work()
    assert path.read_text() == "of another"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "names", "match"),
    [
        ("codes.xlsx", NAMES, r"out must end in one of \.npy \.csv \.parquet, got codes\.xlsx"),
        ("codes", NAMES, r"out must end in one of \.npy \.csv \.parquet, got codes"),
        ("gone/codes.npy", NAMES, "out must be in a folder that exists, got .*gone"),
        ("folder.npy", NAMES, "out must be a file, got the folder"),
        ("codes.npy", (), "names must name at least one column, got none"),
        ("codes.npy", ("a", "a"), "columns must have unique names, got a more than once"),
    ],
)
def test_places_that_cannot_be_written_are_refused_before_the_work(name, names, match, tmp_path):
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(DataError, match=match):
        writer(tmp_path / name, names)


@pytest.mark.parametrize(
    ("ending", "rows", "match"),
    [
        (".npy", X[:, :2], r"rows must be \(rows, 3\), got \(50, 2\)"),
        (".npy", X[0], r"rows must be \(rows, 3\), got \(3,\)"),
        (".npy", {"h0": [1], "h1": [1], "h2": ["x"]}, r"\.npy must hold numbers, got <U1 in h2. Use .csv or .parquet"),
        (".csv", {"h0": [1], "h1": [1]}, "rows must have the columns h0, h1, h2, got h0, h1"),
        (".csv", {"h0": [1], "h1": [1], "h2": [1, 2]}, "columns must be of one length, got several"),
        (".csv", {"h0": [1], "h1": [1], "h2": [[1]]}, "columns must be of one length, got several"),
    ],
    ids=["width", "flat", "text", "names", "lengths", "rank"],
)
def test_rows_that_do_not_fit_are_refused(ending, rows, match, tmp_path):
    with pytest.raises(DataError, match=match), writer(tmp_path / f"t{ending}", NAMES) as out:
        out.write(rows)
    assert not list(tmp_path.iterdir())


def test_a_column_that_changes_its_kind_is_refused(tmp_path):
    def work():
        with writer(tmp_path / "t.csv", ("a",)) as out:
            out.write({"a": [1]})
            out.write({"a": ["x"]})

    with pytest.raises(DataError, match="columns must keep their kind from block to block, got: "):
        work()


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(DataError, match=r"out must be in a folder that can be written, got .*: Permission denied"):
        writer(tmp_path / "t.csv", ("a",)).__enter__()
