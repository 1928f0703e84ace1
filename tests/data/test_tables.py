import datetime

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from contractive.data import DataError, Options, load

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(30, 2))
TABLE = pa.table({
    "a": X[:, 0],
    "n": pa.array(range(30), pa.int16()),
    "flag": [i % 3 == 0 for i in range(30)],
    "day": [datetime.date(2020, 1, 1) + datetime.timedelta(i) for i in range(30)],
    "time": pa.array([i * 3_600_000 for i in range(30)], pa.timestamp("ms", "UTC")),
    "town": pa.array(["Rome", "Oslo", "Bern"] * 10).dictionary_encode(),
    "cost": pa.array([f"{i}.25" for i in range(30)]).cast(pa.decimal128(6, 2)),
})  # fmt: skip


def write_feather(table, path):
    feather.write_feather(table, str(path))


def write_stream(table, path):
    with pa.ipc.new_stream(str(path), table.schema) as out:
        out.write_table(table)


WRITERS = {"parquet": pq.write_table, "feather": write_feather, "arrow": write_stream}


def whole(split):
    out = np.empty((len(split.parts), split.features), np.float32)
    for part, x in enumerate((split.train, split.validation, split.test)):
        out[split.parts == part] = x
    return out


def refused(path, match, **options):
    with pytest.raises(DataError, match=match) as caught:
        load(path, options=Options(**options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", WRITERS)
def test_typed_tables_are_read_by_their_types(ending, tmp_path):
    path = tmp_path / f"t.{ending}"
    WRITERS[ending](TABLE, path)
    split = load(path, options=Options(scale="none", one_hot=True))
    expected = np.column_stack([
        X[:, 0], np.arange(30), np.arange(30) % 3 == 0, 18262 + np.arange(30), np.arange(30) / 24,
        np.tile([[0, 0, 1], [0, 1, 0], [1, 0, 0]], (10, 1)), np.arange(30) + 0.25,
    ])  # fmt: skip
    np.testing.assert_array_equal(whole(split), expected.astype(np.float32))
    assert split.columns == ("a", "n", "flag", "day", "time", "town=Bern", "town=Oslo", "town=Rome", "cost")
    raw = split.preparation.inverse(whole(split))
    assert raw["town"].tolist() == ["Rome", "Oslo", "Bern"] * 10
    assert raw["day"].tolist() == TABLE["day"].to_pylist()
    assert raw["time"].astype("datetime64[h]").astype(int).tolist() == list(range(30))
    np.testing.assert_allclose(raw["a"], X[:, 0], rtol=1e-6)


@pytest.mark.parametrize("ending", WRITERS)
def test_broken_files_say_so_in_one_line(ending, tmp_path):
    path = tmp_path / f"t.{ending}"
    WRITERS[ending](TABLE, path)
    content = path.read_bytes()
    for broken in (content[: len(content) // 2], b"", b"hello world" * 20):
        path.write_bytes(broken)
        refused(path, rf"must be a whole \.{ending} file, got: ")


@pytest.mark.parametrize(
    ("extra", "match"),
    [
        ({"list": pa.array([[1]] * 30)}, r"columns must hold numbers, dates or text, got list \(.*Use `drop` list"),
        ({"raw": pa.array([b"x"] * 30)}, r"got raw \(binary\)\. Use `drop` raw"),
        ({"gap": pa.array([None, *range(29)])}, r"got missing ones in column gap \(1\)"),
        ({"void": pa.nulls(30)}, "columns must vary among training rows, got one value in void"),
        ({"inf": pa.array([np.inf, *range(29)])}, r"must be finite and at most 1e\+30, got others in column inf \(1\)"),
        ({"flat": pa.array([7] * 30)}, "columns must vary among training rows, got one value in flat. Use `drop` flat"),
        ({"word": pa.array(["x", "y"] * 15)}, "got text in word. Use `drop` word or `one_hot` word"),
    ],
    ids=["list", "binary", "null", "nulls", "infinite", "constant", "text"],
)  # fmt: skip
def test_columns_that_cannot_be_features_are_refused_by_name(extra, match, tmp_path):
    pq.write_table(pa.table({"a": X[:, 0], **extra}), tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", match)


def test_two_columns_of_one_name_are_refused(tmp_path):
    pq.write_table(pa.table([X[:, 0], X[:, 1]], names=["a", "a"]), tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "columns must have unique names, got a more than once")


def test_a_typed_table_means_its_types(tmp_path):
    pq.write_table(pa.table({"a": X[:, 0], "zip": [f"0{i}" for i in range(30)]}), tmp_path / "t.parquet")
    refused(
        tmp_path / "t.parquet", r"got text in zip\. Use `drop` zip or `one_hot` zip\. zip holds numbers written as text"
    )


def test_names_with_line_ends_and_many_names_keep_to_one_line(tmp_path):
    pq.write_table(pa.table({f"a\n{i}": ["x", "y"] * 15 for i in range(40)}), tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", r"a 11 and 28 more\. Use `one_hot` all, or `drop` NAME,\.\.\., or `label` if")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([i % 2 for i in range(30)], "i"),
        ([float(i % 2) for i in range(30)], "i"),
        ([i + 0.5 for i in range(30)], "f"),
        ([bool(i % 2) for i in range(30)], "i"),
        (["u", "v"] * 15, "U"),
    ],
    ids=["whole", "whole floats", "amounts", "booleans", "text"],
)
def test_labels_are_whole_numbers_numbers_or_text(values, kind, tmp_path):
    pq.write_table(pa.table({"a": X[:, 0], "y": values}), tmp_path / "t.parquet")
    split = load(tmp_path / "t.parquet", options=Options(label="y"))
    together = np.empty(30, split.labels[0].dtype)
    for part in range(3):
        together[split.parts == part] = split.labels[part]
    assert together.dtype.kind == kind
    assert together.tolist() == values


def test_a_label_of_lists_is_refused(tmp_path):
    pq.write_table(pa.table({"a": X[:, 0], "y": [[1]] * 30}), tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "label must name a column of numbers or text, got 'y' of list", label="y")


def test_other_files_and_absent_ones_are_refused(tmp_path):
    (tmp_path / "t.xls").write_bytes(b"x")
    refused(
        tmp_path / "t.xls",
        r"data must end in one of \.npy .* \.csv .* or be a folder of images, got t\.xls\. Convert it",
    )
    refused(tmp_path / "absent.csv", "data must be one of digits, .* a file or a folder of images, got '.*absent.csv'")
    pq.write_table(TABLE, tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "test must be a file or a folder .*'gone'", test="gone", one_hot=True)
    with pytest.raises(DataError, match="options on data must be for your own files, got `label` with digits"):
        load("digits", options=Options(label="y"))
