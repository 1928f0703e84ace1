"""Folders of part files, as Spark and pandas write them."""

import numpy as np
import pandas as pd
import pytest

from contractive.data import DataError, Options, load, open_rows

FRAME = pd.DataFrame({"a": np.arange(60.0), "b": np.arange(60) ** 2 % 7})


@pytest.fixture(params=["parquet", "csv", "feather"])
def folder(request, tmp_path):
    folder = tmp_path / f"t.{request.param}"
    folder.mkdir()
    for i in range(3):
        part, path = FRAME[20 * i : 20 * i + 20], folder / f"part-0000{i}.{request.param}"
        if request.param == "csv":
            part.to_csv(path, index=False)
        else:
            getattr(part.reset_index(drop=True), f"to_{request.param}")(path)
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


def test_parts_of_other_columns_are_refused(folder):
    path = next(folder.glob("part-00001*"))
    other = FRAME[:20].rename(columns={"b": "c"}).reset_index(drop=True)
    other.to_csv(path, index=False) if path.suffix == ".csv" else getattr(other, f"to_{path.suffix[1:]}")(path)
    with pytest.raises(DataError, match=r"part files must have the same columns, got part-00001.* without b"):
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
