import gzip
import struct

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from contractive.data import DataError, Mismatches, Options, load, open_rows

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(50, 2))
TOWNS = ["Rome", "Oslo"] * 25
TABLE = pa.table({"id": [f"n{i}" for i in range(50)], "a": X[:, 0], "b": X[:, 1], "town": TOWNS})
WRITERS = {
    "csv": lambda table, path: pa_csv.write_csv(table, path),
    "parquet": lambda table, path: pq.write_table(table, path, row_group_size=12),
    "feather": lambda table, path: feather.write_feather(table, str(path)),
}


@pytest.fixture
def preparation(tmp_path):
    pq.write_table(TABLE, tmp_path / "train.parquet")
    options = Options(drop=("id",), one_hot=("town",))
    return load(tmp_path / "train.parquet", options=options).preparation


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("rows_at_once", [7, 8192])
def test_tables_of_any_format_are_prepared_in_their_order(ending, rows_at_once, preparation, tmp_path):
    path = tmp_path / f"t.{ending}"
    WRITERS[ending](TABLE.select(["town", "id", "b", "a"]), path)
    blocks = list(open_rows(path, preparation, pass_through=("id", "a"), rows_at_once=rows_at_once))
    np.testing.assert_array_equal(np.concatenate([block.x for block in blocks]), preparation.transform(TABLE))
    assert np.concatenate([block.pass_through["id"] for block in blocks]).tolist() == TABLE["id"].to_pylist()
    assert max(len(block.x) for block in blocks) <= rows_at_once
    assert [block.start for block in blocks] == np.cumsum([0, *(len(block.x) for block in blocks)])[:-1].tolist()


def test_columns_kept_need_not_be_known_and_others_are_ignored_or_refused(preparation, tmp_path):
    path = tmp_path / "t.parquet"
    pq.write_table(TABLE.append_column("zip", [pa.array(range(50))]), path)
    with pytest.raises(DataError, match="columns must be those of training, got unknown zip"):
        list(open_rows(path, preparation, rules=Mismatches(extra_columns="refuse")))
    notes = []
    (block,) = open_rows(path, preparation, on_note=notes.append)
    assert notes == ["Columns that training did not have are ignored: zip."]
    np.testing.assert_array_equal(block.x, preparation.transform(TABLE))
    assert block.problems == {}
    (block,) = open_rows(path, preparation, pass_through=("zip",))
    assert block.pass_through["zip"].tolist() == list(range(50))
    with pytest.raises(DataError, match=r"pass_through must name a column, got 'zap'\. Did you mean zip"):
        list(open_rows(path, preparation, pass_through=("zap",)))


def test_a_category_never_met_is_named_with_its_column(preparation, tmp_path):
    pq.write_table(TABLE.set_column(3, "town", pa.array(["Paris"] * 50)), tmp_path / "t.parquet")
    with pytest.raises(
        DataError, match=r"column town must hold categories met in training, got 'Paris'\..*`drop` town"
    ):
        list(open_rows(tmp_path / "t.parquet", preparation))


def test_marked_rows_are_no_numbers_and_keep_their_place(preparation, tmp_path):
    towns = TABLE["town"].to_pylist()
    towns[10], towns[30] = "Paris", "Vienna"
    pq.write_table(TABLE.set_column(3, "town", pa.array(towns)), tmp_path / "t.parquet")
    rules = Mismatches(unknown_categories="mark")
    blocks = list(open_rows(tmp_path / "t.parquet", preparation, rules=rules, rows_at_once=25))
    assert [block.problems for block in blocks] == [
        {10: "town has the unknown category 'Paris'"},
        {5: "town has the unknown category 'Vienna'"},
    ]
    expected = preparation.transform(TABLE)
    for block in blocks:
        assert block.usable.tolist() == [row for row in range(25) if row not in block.problems]
        assert np.isnan(block.x[[*block.problems]]).all()
        np.testing.assert_array_equal(block.x[block.usable], expected[block.start :][block.usable])


@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_are_prepared_in_their_order(order, tmp_path):
    np.save(tmp_path / "x.npy", np.array(X, order=order))
    np.savez(tmp_path / "x.npz", X=X, y=np.arange(50), other=np.zeros(3))
    split = load(tmp_path / "x.npy")
    expected = split.preparation.transform(X)
    for name in ("x.npy", "x.npz"):
        blocks = list(open_rows(tmp_path / name, split.preparation, rows_at_once=20))
        assert [len(block.x) for block in blocks] == [20, 20, 10]
        np.testing.assert_array_equal(np.concatenate([block.x for block in blocks]), expected)
    kept = [
        block.pass_through["y"]
        for block in open_rows(tmp_path / "x.npz", split.preparation, pass_through=("y",), rows_at_once=20)
    ]
    assert np.concatenate(kept).tolist() == list(range(50))
    for name, keep, match in (("x.npy", "id", "got 'id'. This source has none"), ("x.npz", "other", "There are y")):
        with pytest.raises(DataError, match=match):
            list(open_rows(tmp_path / name, split.preparation, pass_through=(keep,)))
    with pytest.raises(DataError, match="rows_at_once must be at least 1, got 0"):
        list(open_rows(tmp_path / "x.npy", split.preparation, rows_at_once=0))


def test_another_width_is_refused_naming_both(tmp_path):
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "wide.npy", np.zeros((20, 3)))
    np.save(tmp_path / "flat.npy", np.zeros(20))
    preparation = load(tmp_path / "x.npy").preparation
    with pytest.raises(DataError, match=r"rows of 2 numbers as in training, got an array of \(20, 3\)"):
        list(open_rows(tmp_path / "wide.npy", preparation))
    with pytest.raises(DataError, match=r"rows of 2 numbers as in training, got an array of \(20,\)"):
        list(open_rows(tmp_path / "flat.npy", preparation))


def test_named_sets_are_read_in_their_own_units(tmp_path):
    split = load("digits")
    blocks = list(open_rows("digits", split.preparation, pass_through=("label",), rows_at_once=1000))
    x, labels = (np.concatenate(rows) for rows in zip(*((b.x, b.pass_through["label"]) for b in blocks), strict=True))
    for part, rows in enumerate((split.train, split.validation, split.test)):
        mine = split.parts == part
        assert labelled(x[mine], labels[mine]) == labelled(rows, split.labels[part])
    raw = np.rint(x * 16)
    np.save(tmp_path / "raw.npy", raw)
    (block,) = open_rows(tmp_path / "raw.npy", split.preparation)
    np.testing.assert_array_equal(block.x, x)


def labelled(rows, labels):
    return {(row.tobytes(), label) for row, label in zip(rows, labels, strict=True)}


def test_named_sets_of_files_have_training_before_test_rows(tmp_path):
    for part, rows in (("train", 60), ("t10k", 20)):
        images = RANDOM.integers(0, 256, (rows, 4, 5), dtype=np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(rows, dtype=np.uint8) % 10))
    split = load("mnist", data_dir=tmp_path)
    (block,) = open_rows("mnist", split.preparation, data_dir=tmp_path)
    np.testing.assert_array_equal(block.x, np.concatenate([split.train, split.validation, split.test]))


def idx(array):
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(b"\x00\x00\x08" + bytes([array.ndim]) + shape + array.tobytes())


def test_a_long_text_table_is_streamed(preparation, tmp_path):
    many = pa.concat_tables([TABLE] * 4000)
    pa_csv.write_csv(many, tmp_path / "t.csv")
    sizes = [len(block.x) for block in open_rows(tmp_path / "t.csv", preparation)]
    assert sum(sizes) == 200_000
    assert len(sizes) > 20


def test_columns_that_may_be_there_are_handed_on_where_they_are(tmp_path):
    lines = [f"n{i},{3 * i},{i % 7}" for i in range(30)]
    (tmp_path / "t.csv").write_text("\n".join(["id,a,b", *lines]))
    preparation = load(tmp_path / "t.csv", options=Options(drop=("id",))).preparation
    assert preparation is not None
    (block,) = open_rows(tmp_path / "t.csv", preparation, pass_through=("b",), optional=("id", "b", "no such"))
    assert list(block.pass_through) == ["b", "id"]
    assert block.pass_through["id"].tolist() == [f"n{i}" for i in range(30)]
    assert block.x.shape == (30, 2)
    x = np.random.default_rng(0).random((20, 3))
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(20))
    plain = load(tmp_path / "x.npy").preparation
    assert plain is not None
    (block,) = open_rows(tmp_path / "x.npy", plain, optional=("y",))
    assert block.pass_through == {}
    (block,) = open_rows(tmp_path / "x.npz", plain, optional=("y", "z"))
    assert list(block.pass_through) == ["y"]
    (block,) = open_rows("digits", load("digits").preparation, optional=("label", "id"))
    assert list(block.pass_through) == ["label"]
