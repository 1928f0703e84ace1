import datetime
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from contractive.data import DataError, Options, load, open_rows
from contractive.data._errors import reraise_as_data_error

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
    split = load(path, options=Options(scale="none", one_hot=True, keep_id=True))
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
        ({"inf": pa.array([np.inf, *range(29)])}, r"must be finite and at most 1e\+30, got others in column inf \(1\)"),
        ({"word": pa.array(["x", "y"] * 15)}, "got text in word. Use `drop` word or `one_hot` word"),
    ],
    ids=["list", "binary", "null", "infinite", "text"],
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


def test_columns_of_one_value_are_left_out(tmp_path):
    table = pa.table({"a": X[:, 0], "void": pa.nulls(30), "flat": pa.array([7] * 30), "word": ["x"] * 30})
    pq.write_table(table, tmp_path / "t.parquet")
    split = load(tmp_path / "t.parquet", options=Options(one_hot=("word",)))
    assert split.columns == ("a",)
    assert "Left out 3 columns that have one value in the training rows: void, flat, word." in split.notes
    split.preparation.transform({"a": [1.0]})
    split.preparation.transform({"a": [1.0], "flat": [8], "void": [None], "word": ["y"]})
    pq.write_table(table.select(["word", "flat"]), tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "columns must vary among training rows, got one value in flat", drop=("word",))


FRAME = pd.DataFrame(X[:, :2], columns=list("ab"))


def saved(frame, path):
    frame.to_parquet(path)
    return path


@pytest.mark.parametrize(
    "frame",
    [
        FRAME[FRAME.a > -0.5],
        FRAME.sample(frac=1, random_state=0),
        pd.concat([FRAME, FRAME]),
        FRAME.set_index(pd.MultiIndex.from_product([["u", "v"], range(15)])),
        FRAME.set_index(pd.date_range("2020-01-01", periods=30, name="day")),
        FRAME.set_index(pd.Index([f"row {i}" for i in range(30)], name="id")),
    ],
    ids=["filtered", "shuffled", "concatenated", "several", "dates", "texts"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["memory", "stream"])
def test_the_index_of_a_data_frame_is_no_feature(frame, stream, tmp_path):
    path = saved(frame, tmp_path / "t.parquet")
    split = load(path, options=Options(scale="none", stream=stream))
    assert split.columns == ("a", "b")
    assert any(note.startswith("Left out the index, which counts or names the rows: ") for note in split.notes)
    values = frame.to_numpy(np.float32)
    np.testing.assert_array_equal(split.preparation.transform(frame), values)
    np.testing.assert_array_equal(split.preparation.transform(FRAME), FRAME.to_numpy(np.float32))
    rows = np.concatenate([block.x for block in open_rows(path, split.preparation)])
    np.testing.assert_array_equal(rows, values)
    plain = load(saved(FRAME, tmp_path / "p.parquet")).preparation
    assert plain.transform(frame).shape == values.shape


def test_an_index_can_be_the_label_or_be_passed_through(tmp_path):
    path = saved(FRAME.set_index(pd.Index(["u", "v"] * 15, name="kind")), tmp_path / "t.parquet")
    split = load(path, options=Options(label="kind"))
    assert set(np.concatenate(split.labels)) == {"u", "v"}
    assert load(path, options=Options(one_hot=("kind",))).columns == ("a", "b", "kind=u", "kind=v")
    (block,) = open_rows(path, load(path).preparation, pass_through=("kind",))
    assert block.pass_through["kind"].tolist() == ["u", "v"] * 15


def test_a_damaged_note_of_pandas_is_no_obstacle(tmp_path):
    table = pa.table({"a": X[:, 0], "__index_level_0__": range(30)}).replace_schema_metadata({b"pandas": b"{"})
    pq.write_table(table, tmp_path / "t.parquet")
    assert load(tmp_path / "t.parquet").columns == ("a",)


@pytest.mark.parametrize("type_", ["Categorical", "Enum"])
@pytest.mark.parametrize("ending", ["arrow", "feather", "parquet"])
def test_categories_of_polars_are_texts(type_, ending, tmp_path):
    polars = pytest.importorskip("polars")
    towns = ["Rome", "Oslo", "Bern"] * 10
    kind = polars.Categorical if type_ == "Categorical" else polars.Enum(["Rome", "Oslo", "Bern"])
    frame = polars.DataFrame({"a": X[:, 0], "town": polars.Series(towns, dtype=kind)})
    path = tmp_path / f"t.{ending}"
    frame.write_parquet(path) if ending == "parquet" else frame.write_ipc(path)
    split = load(path, options=Options(one_hot=("town",), scale="none"))
    assert split.columns == ("a", "town=Bern", "town=Oslo", "town=Rome")
    expected = [[town == name for name in ("Bern", "Oslo", "Rome")] for town in towns]
    np.testing.assert_array_equal(split.preparation.transform(frame)[:, 1:], expected)


@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_columns_that_are_not_used_are_never_decoded(ending, tmp_path):
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array(["x" * 10**6]))
    table = pa.table({"id": texts, "a": np.arange(20_000.0), "b": np.arange(20_000) % 7})
    path = tmp_path / f"t.{ending}"
    pq.write_table(table, path) if ending == "parquet" else feather.write_feather(table, path, compression="zstd")
    assert path.stat().st_size < 500_000
    split = load(path, options=Options(drop=("id",)))
    assert sum(len(block.x) for block in open_rows(path, split.preparation)) == 20_000
    refused(path, r"texts of a column must have at most 2 GB, got 20\.0 GB|column of texts must fit", one_hot=("id",))
    script = (
        "import sys, pyarrow as pa; from contractive.data import Options, load;"
        " load(sys.argv[1], options=Options(drop=('id',))); print(pa.default_memory_pool().max_memory())"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 10**9


@pytest.mark.parametrize(
    ("name", "values", "left_out"),
    [
        ("id", [f"n{7 * i}" for i in range(30)], True),
        ("customer_id", [(i * 7) % 31 for i in range(30)], True),
        ("PassengerId", [1000 - i for i in range(30)], True),
        ("UUID", [float(3 * i) for i in range(30)], True),
        ("anything", list(range(30)), True),
        ("anything", [float(i) for i in range(1, 31)], True),
        ("anything", [(i * 7) % 31 for i in range(30)], False),  # whole and different, but not called an identifier
        ("anything", list(range(2000, 2030)), False),
        ("id", [i % 29 for i in range(30)], False),
        ("index", [i + 0.5 for i in range(30)], False),  # of prices
        ("paid", [3 * i for i in range(30)], False),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_columns_that_number_or_name_the_rows_are_left_out(tmp_path, name, values, left_out, ending):
    path = tmp_path / f"t.{ending}"
    table = pa.table({name: values, "a": X[:, 0]})
    table.to_pandas().to_csv(path, index=False) if ending == "csv" else pq.write_table(table, path)
    split = load(path)
    assert split.preparation.feature_names == (("a",) if left_out else (name, "a"))
    assert any(f"numbers or names the rows (option keep_id): {name}." in note for note in split.notes) == left_out
    whole = all(value == int(value) for value in values) if not isinstance(values[0], str) else False
    differ = f"Whole numbers that are all different are features: {name}." in split.notes
    assert differ == (whole and not left_out and len(set(values)) == 30)
    if not isinstance(values[0], str):
        assert load(path, options=Options(keep_id=True)).preparation.feature_names == (name, "a")
    without = next(open_rows(path, split.preparation)).x
    assert without.shape[1] == (1 if left_out else 2)  # a column that was left out may stay in later files


def test_row_numbers_of_a_stream_are_found_in_its_first_rows(tmp_path):
    pq.write_table(pa.table({"n": range(200), "a": np.tile(X[:, 0], 10)[:200]}), tmp_path / "t.parquet")
    assert load(tmp_path / "t.parquet", options=Options(stream=True)).preparation.feature_names == ("a",)


def test_a_table_of_row_numbers_alone_keeps_them(tmp_path):
    pq.write_table(pa.table({"n": range(30)}), tmp_path / "t.parquet")
    assert load(tmp_path / "t.parquet").preparation.feature_names == ("n",)


@pytest.fixture
def packed(tmp_path):
    """An Arrow file of 20 batches whose texts a few bytes repeat: 500 kB in memory, less than 12 kB on disk."""
    path, numbers = tmp_path / "packed.arrow", np.random.default_rng(0).normal(size=(20, 10))
    schema = pa.schema({"x": pa.float64(), "long": pa.string()})
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema, options=options) as made:
        for some in numbers:
            made.write_batch(pa.record_batch([pa.array(some), pa.array(["x" * 2500] * 10)], schema=schema))
    return path, numbers.reshape(-1)


def test_an_arrow_file_is_read_in_its_batches(packed):
    path, numbers = packed
    preparation = load(path, options=Options(drop=("long",))).preparation
    blocks = list(open_rows(path, preparation, rows_at_once=7))
    assert [len(block.x) for block in blocks] == [7, 3] * 20
    found = preparation.inverse(np.concatenate([block.x for block in blocks]))["x"]
    np.testing.assert_allclose(found, numbers, atol=1e-6)


def test_columns_that_unpack_to_more_than_the_memory_are_refused(packed, monkeypatch):
    path, _ = packed
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: 2 * path.stat().st_size)
    assert load(path, options=Options(drop=("long",))).features == 1
    wide = r"the next rows of .*packed\.arrow must fit into memory \(.* left\), got 25\.\d kB\. Use `drop`"
    with pytest.raises(DataError, match=wide):
        load(path)


def test_a_library_without_memory_left_is_no_broken_file(tmp_path):
    with pytest.raises(DataError, match=r"must fit into memory, got: malloc of size 5 failed\. Use `drop`"):
        with reraise_as_data_error(tmp_path / "x.parquet", (pa.ArrowException,)):
            raise pa.ArrowMemoryError("malloc of size 5 failed")


def test_a_type_that_the_library_does_not_read_is_no_broken_file(tmp_path):
    rule = r"must have columns of types that Arrow reads, got: Integers with more than 64 bits\. Convert them\."
    with pytest.raises(DataError, match=rule):
        with reraise_as_data_error(tmp_path / "x.parquet", (pa.ArrowException,)):
            raise pa.ArrowNotImplementedError("Integers with more than 64 bits")


def test_feather_of_version_1_is_refused_by_its_name(tmp_path):
    (tmp_path / "t.feather").write_bytes(b"FEA1" + bytes(200))
    with pytest.raises(DataError, match=r"t\.feather must be Feather of version 2, got version 1\. Write it again"):
        load(tmp_path / "t.feather")


@pytest.mark.parametrize(
    ("texts", "hint"),
    [
        ([f"K{100000 + row}" for row in range(40)], "Use `drop` who"),
        ([f"{row % 28 + 1:02d}.{row % 12 + 1:02d}.{2000 + row}" for row in range(40)], "who seems to hold dates"),
    ],
    ids=["names", "dates"],
)
def test_all_texts_as_categories_are_refused_where_hardly_one_repeats(texts, hint, tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("\n".join(["a\twho", *(f"{row % 7}\t{text}" for row, text in enumerate(texts))]))
    with pytest.raises(DataError, match=f"columns must hold texts that repeat, .* in nearly every row of who.*{hint}"):
        load(path, options=Options(one_hot=True))
    assert load(path, options=Options(one_hot=("who",))).features > 20
