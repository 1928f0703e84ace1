"""A format of one's own is a reader and a line in the table of formats."""

import json
import os

import numpy as np
import pyarrow as pa
import pytest

from contractive.data import FORMATS, ArrayReader, ArraySchema, DataError, Options, TableReader, load, open_rows, writer

X = np.random.default_rng(0).normal(size=(30, 2))


class DummyTable(TableReader):
    """A table as JSON: names to lists of values."""

    name = ".dummy"

    def schema(self):
        return self._table().schema

    def batches(self, size=8192, columns=None):
        table = self._table().select(columns or self._table().column_names)
        return (table.slice(start, size) for start in range(0, len(table), size))

    def _table(self):
        return pa.table(json.loads(self.path.read_text()))


class DummyArray(ArrayReader):
    """An array as JSON: lists of lists of numbers."""

    name = ".dummy"

    def schema(self):
        return ArraySchema(self._rows().shape, self._rows().dtype)

    def batches(self, size=8192, columns=None):
        return (self._rows()[start : start + size] for start in range(0, len(self._rows()), size))

    def _rows(self):
        return np.array(json.loads(self.path.read_text()))


class DummySink:
    """Writes lines of numbers."""

    def __init__(self, path, names):
        self._file = path.open("w")

    def write(self, rows):
        self._file.writelines(f"{row.tolist()}\n" for row in rows)

    def close(self):
        self._file.close()


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, ".dummy", DummyTable)
    columns = {
        "a": X[:, 0].tolist(),
        "b": X[:, 1].tolist(),
        "town": ["Rome", "Oslo"] * 15,
        "kind": ["u", "v", "w"] * 10,
    }
    (tmp_path / "x.dummy").write_text(json.dumps(columns))
    return tmp_path / "x.dummy"


def test_a_table_of_a_new_format_is_loaded_and_streamed(table):
    split = load(table, options=Options(one_hot=True, label="kind", scale="none"))
    assert split.columns == ("a", "b", "town=Oslo", "town=Rome")
    np.testing.assert_array_equal(split.train[:, :2], X[split.parts == 0].astype(np.float32))
    assert set(split.labels[2]) <= set("uvw")
    blocks = list(open_rows(table, split.preparation, pass_through=("town",), rows_at_once=8))
    assert [len(block.x) for block in blocks] == [8, 8, 8, 6]
    np.testing.assert_array_equal(blocks[0].x[:, :2], X[:8].astype(np.float32))
    assert blocks[0].pass_through["town"].tolist() == ["Rome", "Oslo"] * 4


def test_an_array_of_a_new_format_is_loaded_and_streamed(tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, ".dummy", DummyArray)
    (tmp_path / "x.dummy").write_text(json.dumps(X.tolist()))
    split = load(tmp_path / "x.dummy", options=Options(test=tmp_path / "x.dummy"))
    blocks = list(open_rows(tmp_path / "x.dummy", split.preparation, rows_at_once=20))
    np.testing.assert_array_equal(np.concatenate([block.x for block in blocks]), split.test)


def test_errors_list_the_new_format_and_what_it_takes(table, tmp_path):
    (tmp_path / "x.other").write_text("")
    with pytest.raises(DataError, match=r"data must end in one of .* \.dummy or be a folder of images, got x\.other"):
        load(tmp_path / "x.other")
    with pytest.raises(DataError, match=r"stream must be for \.npy or \.parquet, got x\.dummy"):
        load(table, options=Options(stream=True))
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(DataError, match=r"drop must be for .* or \.dummy, got x\.npy"):
        load(tmp_path / "x.npy", options=Options(drop=("a",)))
    with pytest.raises(DataError, match=r"must be of the kind of the training data \(array\), got a table"):
        list(open_rows(table, load(tmp_path / "x.npy").preparation))


def test_a_new_format_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(DummyArray, "sink", DummySink)
    monkeypatch.setitem(FORMATS, ".dummy", DummyArray)
    with writer(tmp_path / "codes.dummy", ("h0", "h1")) as out:
        out.write(X[:20])
        out.write(X[20:])
    lines = (tmp_path / "codes.dummy").read_text().splitlines()
    np.testing.assert_array_equal([json.loads(line) for line in lines], X)
    with pytest.raises(DataError, match=r"out must end in one of \.npy \.csv \.parquet \.dummy, got codes\.txt"):
        writer(tmp_path / "codes.txt", ("h0",))


def test_a_format_whose_columns_cannot_be_passed_through_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(FORMATS, ".dummy", DummyArray)
    (tmp_path / "x.dummy").write_text(json.dumps(X.tolist()))
    preparation = load(tmp_path / "x.dummy").preparation
    with pytest.raises(DataError, match=r"pass_through must name a column, got 'id'\. This source has none"):
        list(open_rows(tmp_path / "x.dummy", preparation, pass_through=("id",)))


@pytest.mark.parametrize("name", ["x.csv", "x.npy", "x.parquet", "x.npz", "x.feather"])
@pytest.mark.parametrize("link", [False, True], ids=["pipe", "device"])
def test_what_has_no_end_is_refused_before_it_is_read(name, link, tmp_path):
    (tmp_path / name).symlink_to("/dev/zero") if link else os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match="data must be a regular file or a folder, got x"):
        load(tmp_path / name)


def test_a_name_that_is_no_text_is_refused_where_arrow_reads(tmp_path):
    path = tmp_path / os.fsdecode(b"\xff.csv")
    path.write_text("a,b\n" + "1,2\n3,5\n" * 10)
    with pytest.raises(DataError, match=r"names of files must be in UTF-8, got '.*\\udcff\.csv'\. Rename it\."):
        load(path)
