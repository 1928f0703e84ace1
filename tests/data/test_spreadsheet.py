"""Sheets of .xlsx files: cells keep their types, and nothing is guessed, calculated or followed."""

import datetime
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from contractive.data import DataError, Options, _errors, _memory, load, open_rows

openpyxl = pytest.importorskip("openpyxl", reason="needs the extra formats")

X = np.random.default_rng(0).normal(size=(20, 2))


@pytest.fixture
def book(tmp_path):
    """A function that writes sheets, given by their rows, and returns the path."""

    def write(**sheets):
        made = openpyxl.Workbook()
        made.remove(made.active)
        for title, rows in sheets.items():
            sheet = made.create_sheet(title)
            for row in rows:
                sheet.append(list(row))
        made.save(tmp_path / "x.xlsx")
        return tmp_path / "x.xlsx"

    return write


def rewritten(path, entry, change):
    """Change the text of one entry of the archive."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    new = change(entries[entry])
    assert new != entries[entry]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**entries, entry: new}.items():
            archive.writestr(name, content)


def test_a_frame_of_pandas_keeps_its_types_without_its_index(tmp_path):
    frame = pd.DataFrame({"a": X[:, 0], "yes": [True, False] * 10, "town": ["Rome", "01"] * 10, "n": range(5, 45, 2)})
    frame["day"] = pd.date_range("2024-01-01", periods=20)
    frame.to_excel(tmp_path / "x.xlsx")
    frame.to_parquet(tmp_path / "x.parquet")
    options = Options(one_hot=("town",), scale="none")
    split, same = (load(tmp_path / name, options=options) for name in ("x.xlsx", "x.parquet"))
    assert split.columns == ("a", "yes", "town=01", "town=Rome", "n", "day")
    assert split.preparation == same.preparation or split.preparation.columns == same.preparation.columns
    np.testing.assert_array_equal(split.train, same.train)
    assert "Left out the index, which counts or names the rows: Unnamed: 0." in split.notes
    blocks = list(open_rows(tmp_path / "x.xlsx", split.preparation, pass_through=("town",), rows_at_once=8))
    assert [len(block.x) for block in blocks] == [8, 8, 4]
    assert blocks[0].pass_through["town"].tolist() == ["Rome", "01"] * 4


def test_words_for_missing_values_are_gaps_and_other_texts_make_texts(book):
    days = [datetime.datetime(2024, 1, 1), datetime.date(2024, 1, 2)]
    rows = [["n", "mixed", "day", "big", "empty"], [1, 2, days[0], 2**70, None], ["NA", "x", days[1], 1.5, None]]
    rows += [[3, True, "", 2, None]] * 10
    path = book(data=rows)
    with pytest.raises(DataError, match="values must not be missing, got missing ones in column n"):
        load(path, options=Options(one_hot=("mixed",)))
    split = load(path, options=Options(one_hot=("mixed",), impute="median", scale="none", drop=("empty",)))
    assert split.columns == ("n", "mixed=2", "mixed=true", "mixed=x", "day", "big")
    with pytest.raises(DataError, match="columns must hold numbers, got text in mixed"):
        load(path)


def test_rows_above_empty_rows_and_numbers_as_names(book):
    body = [[float(value) for value in row] for row in X]
    path = book(data=[["Report"], [], [400, 400.5], *body[:9], [], *body[9:]])
    with pytest.raises(DataError, match=r"the first row must name every column, got none above column 2 of x\.xlsx"):
        load(path)
    with pytest.raises(DataError, match=r"header must say whether a first row with numbers has the names, got 400 in"):
        load(path, options=Options(skip_rows=2))
    split = load(path, options=Options(skip_rows=2, header=True, scale="none"))
    assert split.columns == ("400", "400.5")
    np.testing.assert_allclose(split.train, X[split.parts == 0].astype(np.float32))
    [block] = open_rows(path, split.preparation, options=Options(skip_rows=2))  # the names are known now
    np.testing.assert_allclose(block.x, X.astype(np.float32))
    assert load(path, options=Options(skip_rows=3, header=False)).columns == ("c0", "c1")


def test_of_several_sheets_with_a_table_one_is_named(book):
    rows = [["a", "b"], *X.tolist()]
    path = book(notes=[[], []], first=rows, second=rows)
    with pytest.raises(DataError, match=r"key must name the sheet of x\.xlsx with the rows, got none\. There are fir"):
        load(path)
    with pytest.raises(DataError, match=r"key must name a sheet of x\.xlsx with a table, got 'notes'"):
        load(path, options=Options(key="notes"))
    assert "Rows are those of the sheet second (option key)." in load(path, options=Options(key="second")).notes
    with pytest.raises(DataError, match="must hold a table, got no cell below `skip_rows`"):
        load(path, options=Options(key="first", skip_rows=30))
    assert load(book(notes=[[]], data=rows)).columns == ("a", "b")
    with pytest.raises(DataError, match="must hold a table, got no cell with a value"):
        load(book(notes=[[]]))


def test_formulas_have_their_saved_values_or_are_refused(book):
    path = book(data=[["a", "b"], *X.tolist(), ["=1+1", 2.0]])
    with pytest.raises(DataError, match=r"formulas must have been calculated, got none in A22 of x\.xlsx"):
        load(path)
    rewritten(path, "xl/worksheets/sheet1.xml", lambda text: text.replace(b"<f>1+1</f><v />", b"<f>1+1</f><v>2</v>"))
    [block] = open_rows(path, load(path, options=Options(scale="none")).preparation)
    assert block.x[-1].tolist() == [2, 2]


def test_a_small_file_that_unpacks_to_more_than_the_memory_is_refused(book, monkeypatch):
    path = book(data=[["a", "b"], *X.tolist()])
    rewritten(path, "xl/worksheets/sheet1.xml", lambda text: text + b" " * 10**7)
    monkeypatch.setattr(_memory, "available_memory", lambda: 10**7)
    with pytest.raises(DataError, match=r"x\.xlsx must fit into memory \(10\.0 MB left\), got 40\.\d MB\. Save it as"):
        load(path)


def test_entities_and_damage_end_in_one_line(book):
    rows = [["a", "b"], *X.tolist()]
    path = book(data=rows)
    grows = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
    rewritten(path, "xl/worksheets/sheet1.xml", lambda text: grows + text.replace(b"<v>", b"<v>&b;", 1))
    with pytest.raises(DataError, match="must hold no document type, got one"):
        load(path)
    rewritten(book(data=rows), "xl/workbook.xml", lambda text: text[:200])
    with pytest.raises(DataError, match=r"must be a whole \.xlsx file, got: "):
        load(path)
    path.write_bytes(b"\xd0\xcf\x11\xe0" * 200)  # an older form, or one with a password
    with pytest.raises(DataError, match=r"must be a whole \.xlsx file, got: File is not a zip file"):
        load(path)


def test_without_the_extra_the_remedy_is_named(book, monkeypatch):
    path = book(data=[["a"], [1]])

    def missing(module):
        raise ModuleNotFoundError(name=module)

    monkeypatch.setattr(_errors.importlib, "import_module", missing)
    with pytest.raises(DataError, match=r"openpyxl must be installed to read x\.xlsx, got none\. Run: pip install 'c"):
        load(path)


def test_a_column_of_times_is_refused_by_its_name(book):
    path = book(data=[["a", "t"], *([value, datetime.time(12, 30)] for value in X[:, 0].tolist())])
    with pytest.raises(DataError, match=r"columns must hold numbers, dates or text, got t \(time64"):
        load(path)
    assert load(path, options=Options(drop=("t",))).columns == ("a",)
    assert pa.types.is_time(pa.array([datetime.time(1)]).type)
