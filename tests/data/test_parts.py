"""Folders of part files, as Spark and pandas write them."""

import gzip
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contractive.data import FORMATS, DataError, Options, load, open_rows
from contractive.data._parts import IN_PARTS

FRAME = pd.DataFrame({"a": np.arange(60.0), "b": np.arange(60) ** 2 % 7})


def write(part, path):
    """Write a part of the frame in the format of the file's name."""
    text = part.to_csv(index=False, sep="\t" if ".tsv" in path.name else ",").encode()
    if path.suffix == ".parquet":
        part.to_parquet(path, index=False)
    elif path.suffix in (".arrow", ".feather", ".ipc"):
        part.reset_index(drop=True).to_feather(path)
    elif path.suffix == ".zst":
        path.write_bytes(pa.compress(text, "zstd", asbytes=True))
    else:
        path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


@pytest.fixture(params=["parquet", "csv", "tsv", "feather"])
def folder(request, tmp_path):
    folder = tmp_path / f"t.{request.param}"
    folder.mkdir()
    for i in range(3):
        part, path = FRAME[20 * i : 20 * i + 20], folder / f"part-0000{i}.{request.param}"
        write(part, path)
    (folder / "_SUCCESS").touch()
    (folder / f".part-00000.{request.param}.crc").touch()
    return folder


def test_parts_are_read_as_one_table(folder):
    split = load(folder, options=Options(scale="none", keep_id=True))
    assert split.columns == ("a", "b")
    assert split.parts.shape == (60,)
    np.testing.assert_array_equal(split.train, FRAME[split.parts == 0].to_numpy(np.float32))
    assert "Read 3 part files as one table." in split.notes
    blocks = list(open_rows(folder, split.preparation, pass_through=("a",)))
    assert np.concatenate([block.x for block in blocks])[:, 0].tolist() == list(range(60))
    assert len(split.checksum) == 64


@pytest.mark.parametrize("suffix", IN_PARTS)
def test_every_format_of_tables_is_read_in_parts(suffix, tmp_path):
    (tmp_path / "t").mkdir()
    for i, (_, part) in enumerate(FRAME.groupby(FRAME.index // 20)):
        write(part, tmp_path / "t" / f"{i}{suffix}")
    split = load(tmp_path / "t", options=Options(scale="none", keep_id=True))
    np.testing.assert_array_equal(whole(split), FRAME.to_numpy(np.float32))


def test_text_and_columnar_formats_are_those_in_parts():
    assert FORMATS.keys() - IN_PARTS == {".npy", ".npz", ".xlsx", ".h5ad", "/"}


def test_parts_of_other_columns_are_refused(folder):
    path = next(folder.glob("part-00001*"))
    write(FRAME[:20].rename(columns={"b": "c"}), path)
    with pytest.raises(DataError, match=r"part files must have the same columns, got part-0000\d.* without [bc]"):
        load(folder)


def test_folders_name_a_column(tmp_path):
    FRAME.assign(year=2020 + FRAME.index // 20, town=["u", "v"] * 30).to_parquet(
        tmp_path / "t", partition_cols=["year", "town"]
    )
    split = load(tmp_path / "t", options=Options(one_hot=("town",), scale="none"))
    assert split.columns == ("a", "b", "year", "town=u", "town=v")
    rows = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(rows[:, 2], 2020 + rows[:, 0] // 20)
    np.testing.assert_array_equal(rows[:, 3], rows[:, 0] % 2 == 0)


def test_a_column_that_folders_and_files_both_hold_is_one(tmp_path):
    for year in (2023, 2024):
        (tmp_path / "t" / f"year={year}").mkdir(parents=True)
        part = FRAME[FRAME.index % 2 == year % 2].assign(year=year)
        part.to_parquet(tmp_path / "t" / f"year={year}" / "0.parquet", index=False)
    split = load(tmp_path / "t", options=Options(scale="none"))
    assert split.columns == ("a", "b", "year")
    rows = np.concatenate([split.train, split.validation, split.test])
    np.testing.assert_array_equal(rows[:, 2], 2024 - rows[:, 0] % 2)


def test_empty_parts_are_refused(tmp_path):
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "part-00000.csv").touch()
    with pytest.raises(DataError, match="must hold rows, got empty part files"):
        load(tmp_path / "t")


def parts(folder, tables, **options):
    folder.mkdir()
    for number, table in enumerate(tables):
        if isinstance(table, str):
            (folder / f"{number}.csv").write_text(table)
        else:
            pq.write_table(table, folder / f"{number}.parquet", **options)
    return folder


def whole(split):
    out = np.empty((len(split.parts), split.features), np.float32)
    for part, x in enumerate((split.train, split.validation, split.test)):
        out[split.parts == part] = x[:]
    return out


def test_training_rows_stay_in_parquet_parts_and_are_the_same(tmp_path):
    draw = np.random.default_rng(0)
    tables = [pa.table({"a": draw.normal(size=num), "b": draw.choice(["u", "v"], num)}) for num in (37, 0, 5, 60)]
    folder = parts(tmp_path / "t", tables, row_group_size=11)
    memory, disk = (load(folder, options=Options(one_hot=True, stream=stream)) for stream in (False, True))
    assert disk.streamed
    assert not memory.streamed
    np.testing.assert_array_equal(whole(disk), whole(memory))
    for rows in (disk.train, pickle.loads(pickle.dumps(disk.train))):
        np.testing.assert_array_equal(rows[20:31], memory.train[20:31])


def test_parts_that_do_not_fit_into_memory_are_streamed_or_refused(tmp_path, monkeypatch):
    folder = parts(tmp_path / "t", [pa.table({"a": np.arange(5000.0) % 7, "b": np.arange(5000) % 5})] * 2)
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: 100_000)
    with pytest.raises(DataError, match=r"/t must fit into memory .*, got 160\.0 kB\. Leave `stream` at its default"):
        load(folder, options=Options(stream=False))
    with pytest.raises(DataError, match=r"a row group of .* must fit into memory"):
        load(folder)


def test_text_parts_are_not_streamed(tmp_path):
    folder = parts(tmp_path / "t", ["a,b\n" + "1,2\n3,5\n" * 10])
    with pytest.raises(DataError, match=r"stream must be for \.npy or \.parquet, got t"):
        load(folder, options=Options(stream=True))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(pa.array([1, 2] * 10), pa.array([1.5, 2.5] * 10), [1, 2, 1.5, 2.5]),
     (pa.array([1, 2] * 10, pa.int8()), pa.array([300, 400] * 10), [1, 2, 300, 400]),
     (pa.array([None, 2] * 10), pa.array([1, 2] * 10), [2, 2, 1, 2]),
     (pa.nulls(20), pa.array([3.0, 5.0] * 10), [4, 4, 3, 5])],
    ids=["fractions later", "wider later", "gaps", "no values first"],
)  # fmt: skip
@pytest.mark.parametrize("stream", [False, True], ids=["memory", "disk"])
def test_numbers_of_parts_may_have_several_types(first, second, expected, stream, tmp_path):
    b = np.random.default_rng(0).normal(size=20)
    folder = parts(tmp_path / "t", [pa.table({"a": first, "b": b}), pa.table({"b": b, "a": second})])
    split = load(folder, options=Options(scale="none", impute="mean", stream=stream))
    found = whole(split)[[0, 1, 20, 21], 0]
    there = [value.is_valid for value in (*first[:2], *second[:2])]
    np.testing.assert_allclose(found[there], np.array(expected, np.float32)[there])


@pytest.mark.parametrize(
    ("second", "match"),
    [({"a": ["x"] * 20, "b": [1.0] * 20}, "must have columns of the same types, got: .*Field a has incompatible types"),
     ({"a": [1.0] * 20, "b": [1.0] * 20, "c": [1.0] * 20}, r"the same columns, got 0\.parquet without c")],
    ids=["types", "one more"],
)  # fmt: skip
def test_parts_that_are_not_one_table_are_refused(second, match, tmp_path):
    with pytest.raises(DataError, match=match):
        load(parts(tmp_path / "t", [pa.table({"a": [1.0, 2.0] * 10, "b": [1.0] * 20}), pa.table(second)]))


def test_the_marks_of_text_parts_are_those_of_all(tmp_path):
    whole_numbers = "a;b\n" + "".join(f"{i};{i * i % 7}\n" for i in range(20))
    unclear = "a;b\n" + "".join(f"1,{230 + i};{i * i % 7}\n" for i in range(20))
    decided = "a;b\n" + "".join(f"{i},25;{i * i % 7}\n" for i in range(20))
    with pytest.raises(DataError, match="can be read in two ways, got 1,230 in a"):
        load(parts(tmp_path / "unclear", [whole_numbers, unclear]))
    folder = parts(tmp_path / "decided", [unclear, decided])
    split = load(folder, options=Options(scale="none"))
    (first, second) = open_rows(folder, split.preparation)
    assert (first.x[0, 0], second.x[0, 0]) == (pytest.approx(1.23), 0.25)


def test_a_short_part_is_written_as_the_first_one(tmp_path):
    rows = "".join(f"{i}.5,{i * i % 7}\n" for i in range(20))
    split = load(parts(tmp_path / "t", [rows, "1,2\n"]), options=Options(scale="none"))
    assert split.parts.shape == (21,)
    assert whole(split)[20].tolist() == [1, 2]
