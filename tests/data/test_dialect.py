"""How text tables are written: what others' programs write is read as they meant it."""

import gzip
import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from contractive.data import DataError, Options, load, open_rows

X = np.round(np.random.default_rng(0).normal(size=(40, 3)), 4)
PAIRS = "".join(f"{i},{i * i % 7}\n" for i in range(40))


def read(path, columns, rows=40, **options):
    """Load a table and check its columns and the number of its rows, also when it is read again for a model."""
    split = load(path, options=Options(scale="none", keep_id=True, **options))
    assert split.columns == columns
    assert len(split.parts) == rows
    again = np.concatenate([block.x for block in open_rows(path, split.preparation, options=Options(**options))])
    found = np.empty_like(again)
    for part, values in enumerate((split.train, split.validation, split.test)):
        found[split.parts == part] = values
    np.testing.assert_array_equal(found, again)
    return found, split


def written(tmp_path, text, name="t.csv", encoding="utf-8"):
    (tmp_path / name).write_text(text, encoding=encoding)
    return tmp_path / name


def by_pandas(tmp_path, frame, **options):
    frame.to_csv(tmp_path / "t.csv", **options)
    return tmp_path / "t.csv"


def test_a_header_longer_than_the_first_sample_is_read(tmp_path):
    names = [f"ENSG{i:011d}.15|GENE{i}" for i in range(12_000)]
    rows = np.random.default_rng(0).integers(0, 9, (14, len(names)))
    text = "\n".join(",".join(map(str, row)) for row in [names, *rows])
    split = load(written(tmp_path, text), options=Options(scale="none"))
    assert set(split.columns) <= set(names)
    assert split.features > 11_900
    assert len(split.parts) == 14


def test_the_first_line_of_excel_names_the_separator(tmp_path):
    found, _ = read(written(tmp_path, "sep=;\na;b\n" + PAIRS.replace(",", ";")), ("a", "b"))
    assert found[3].tolist() == [3, 2]
    read(written(tmp_path, "sep=\t\na\tb\n" + PAIRS.replace(",", "\t")), ("a", "b"))


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        (None, {}),
        (None, {"index": False}),
        ([1, 2, 3], {"index": False}),
        ([2019, 2020, 2021], {"index": False}),
        ([2019, 2020, 2021], {}),
    ],
    ids=["index and 0, 1, 2", "0, 1, 2", "1, 2, 3", "years", "index and years"],
)
def test_whole_numbers_as_names_are_no_row(columns, options, tmp_path):
    path = by_pandas(tmp_path, pd.DataFrame(X, columns=columns), **options)
    found, _ = read(path, tuple(map(str, columns or range(3))))
    np.testing.assert_allclose(found, X, rtol=1e-6)


def test_two_columns_without_names(tmp_path):
    read(by_pandas(tmp_path, pd.DataFrame(X[:, :2]), index=False), ("0", "1"))


@pytest.mark.parametrize(
    "places",
    [
        [str(v) for v in range(850, 880, 2)],
        [f"{4000 - 1.93 * i:.2f}" for i in range(15)],
        [f"{400 * 1.01**i:.3f}" for i in range(15)],
    ],
    ids=["even", "falling", "uneven"],
)
@pytest.mark.parametrize("ids", [False, True], ids=["alone", "after ids"])
def test_wavelengths_are_names(places, ids, tmp_path):
    spectra = np.round(3 + np.random.default_rng(0).normal(size=(40, 15)) * 0.1, 4)
    frame = pd.DataFrame(spectra, columns=places)
    if ids:
        frame.insert(0, "id", [f"S{i}" for i in range(40)])
    options = {"drop": ("id",)} if ids else {}
    found, split = read(by_pandas(tmp_path, frame, index=False), tuple(places), **options)
    np.testing.assert_allclose(found, spectra, rtol=1e-6)
    assert any("are names of columns (option header)" in note for note in split.notes)


@pytest.mark.parametrize(
    "rows",
    [
        [[i, i + 1, i + 2] for i in range(40)],
        [[i % 2, i // 2 % 2] for i in range(40)],
        [[i % 5, i * i % 7, i % 3] for i in range(40)],
        np.sort(np.random.default_rng(0).random((40, 10)), axis=1).round(3).tolist(),
    ],
    ids=["counters", "bits", "numbers", "curves"],
)
def test_a_first_row_like_the_others_is_a_row(rows, tmp_path):
    path = written(tmp_path, "\n".join(",".join(map(str, row)) for row in rows))
    found, _ = read(path, tuple(f"c{i}" for i in range(len(rows[0]))))
    np.testing.assert_allclose(found, rows, rtol=1e-6)


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("separator", [None, " "])
@pytest.mark.parametrize("form", ["%10.4f", "%.4f", "  %8.4f "])
def test_columns_aligned_by_spaces(decimal, separator, form, tmp_path):
    text = "".join(" ".join(form % value for value in row).replace(".", decimal) + "\n" for row in X)
    found, _ = read(written(tmp_path, text, "t.data"), ("c0", "c1", "c2"), separator=separator)
    np.testing.assert_allclose(found, X, rtol=1e-6)
    read(written(tmp_path, "x  y   z\n" + text, "t.data"), ("x", "y", "z"), separator=separator)


def test_a_row_of_another_length_among_aligned_columns_is_named(tmp_path):
    text = "".join(" ".join(f"{value:10.4f}" for value in row) + "\n" for row in X)
    with pytest.raises(DataError, match=r"must have 3 fields, got 2 in line 41"):
        load(written(tmp_path, text + "  1.0   2.0\n", "t.data"))


@pytest.mark.parametrize("separator", [" ", ",", "\t"])
@pytest.mark.parametrize("names", ["abc", "a"], ids=["three", "one"])
def test_the_header_of_r_is_one_short(separator, names, tmp_path):
    header = separator.join(f'"{name}"' for name in names)
    body = "".join(
        separator.join([f'"row {i}"', *(str(value) for value in row[: len(names)])]) + "\n" for i, row in enumerate(X)
    )
    found, split = read(written(tmp_path, f"{header}\n{body}"), tuple(names))
    np.testing.assert_allclose(found, X[:, : len(names)], rtol=1e-6)
    assert "Left out the index, which counts or names the rows: c0." in split.notes


def test_the_index_of_a_frame_in_a_text_table_is_no_feature(tmp_path):
    frame = pd.DataFrame(X, columns=list("abc"))
    several = frame.set_index(pd.MultiIndex.from_product([["u", "v"], range(20)]))
    resaved = frame.reset_index(names="Unnamed: 0")
    for each, options in ((frame[frame.a > 0], {}), (several, {}), (resaved, {"index": False})):
        read(by_pandas(tmp_path, each, **options), ("a", "b", "c"), rows=len(each))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("a,b\nC,bar\n" + PAIRS, "Left out C,bar: units (units_row)."),
        (
            "Instrument: X\nOperator: Y\n\na,b\n" + PAIRS,
            "Skipped lines above the table: 2, starting with 'Instrument: X'.",
        ),
        ("a,b\n" + PAIRS + "# restart\n" + PAIRS, "Skipped 1 comment lines."),
        ("a,b\n" + PAIRS + "Total,\n", "Left out the last row, Total,: totals (total_row)."),
        (
            "a,b\n" + PAIRS + "\nSource: World Bank\n",
            "Left out lines below the table: 1, ending with 'Source: World Bank'.",
        ),
        ("a,b\n" + PAIRS + "Total,9\nSource: World Bank\n", "Left out the last row, Total,9: totals (total_row)."),
    ],
    ids=["units", "above", "between", "total", "below", "total above a note"],
)
def test_what_is_no_row_is_left_out_with_a_note(text, note, tmp_path):
    _, split = read(written(tmp_path, text), ("a", "b"), rows=80 if "restart" in text else 40)
    assert note in split.notes


def test_several_rows_of_units(tmp_path):
    text = '"TOA5","s"\n"t","n","v"\n"TS","RN","Volts"\n"","","Avg"\n'
    text += "".join(f'"2020-01-01 10:00:{i:02d}",{i},{i * i % 7}\n' for i in range(40))
    read(written(tmp_path, text), ("t", "n", "v"))


def test_options_say_what_is_above_and_below_the_header(tmp_path):
    path = written(tmp_path, "x,y\n1,2\na,b\n" + PAIRS)
    found, _ = read(path, ("a", "b"), skip_rows=2)
    assert found[3].tolist() == [3, 2]
    read(written(tmp_path, "a\nm\n" + "1\n2\n" * 20), ("a",), units_row=True)
    kept, _ = read(written(tmp_path, "a,b\n" + PAIRS + "8,9\n"), ("a", "b"), total_row=True)
    assert [8, 9] not in kept.tolist()
    with pytest.raises(DataError, match=r"got text in a\..* 'Total' is not"):
        load(written(tmp_path, "a,b\n" + PAIRS + "Total,3\n"), options=Options(total_row=False))
    with pytest.raises(DataError, match="got text in a, b"):
        load(written(tmp_path, "a,b\nC,bar\n" + PAIRS), options=Options(units_row=False))
    with pytest.raises(DataError, match=r"got none below the lines skipped\. Give a smaller `skip_rows`"):
        load(path, options=Options(skip_rows=100))


def test_a_line_break_in_quotes_is_part_of_its_row(tmp_path):
    lines = "".join(f'"x{i % 3}\ny is z",{i}\n' for i in range(40))
    _, split = read(written(tmp_path, lines), ("c0=x0\ny is z", "c0=x1\ny is z", "c0=x2\ny is z", "c1"), one_hot=True)
    assert not any("Left out" in note for note in split.notes)
    lines = "".join(f'{i},"some words\nand x{i % 3} more"\n' for i in range(40))
    _, split = read(
        written(tmp_path, "a,b\n" + lines), ("a", *(f"b=some words\nand x{i} more" for i in range(3))), one_hot=True
    )
    assert not any("Left out" in note for note in split.notes)


def test_a_header_alone_has_no_units(tmp_path):
    with pytest.raises(DataError, match=r"must have at least 10 rows, got 0"):
        load(written(tmp_path, "a,b\n"), options=Options(units_row=True))


def test_superscripts_are_no_positions(tmp_path):
    text = "0,1,2\n" + "".join(f"²,{i},{i * i % 7}\n" for i in range(40))
    with pytest.raises(DataError, match="got text in 0"):
        load(written(tmp_path, text))


def test_rows_cut_short_are_no_notes(tmp_path):
    for text in ("a,b\n" + PAIRS + "7\n", "1,2\n" + "1,2,3\n4,5,6\n" * 20):
        with pytest.raises(DataError, match=r"must have . fields, got . in line"):
            load(written(tmp_path, text))


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_compressed_tables_are_read(ending, tmp_path):
    path = tmp_path / f"t.csv.{ending}"
    with pa.output_stream(str(path), compression={"gz": "gzip", "zst": "zstd"}[ending]) as file:
        file.write(b"a,b\n" + PAIRS.encode())
    found, _ = read(path, ("a", "b"))
    assert found[3].tolist() == [3, 2]


def test_compressed_tables_that_do_not_fit_or_are_broken_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n" + PAIRS.encode())[:-20])
    with pytest.raises(DataError, match=r"t\.csv\.gz must be a whole \.gz file"):
        load(path)
    path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 10**6))
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: 10**6)
    with pytest.raises(DataError, match=r"t\.csv\.gz must fit into memory .* got 12\.\d MB"):
        load(path)


@pytest.mark.parametrize("zone", ["Z", "+01:00", "-0500"])
def test_dates_with_zones_are_those_of_utc(zone, tmp_path):
    stamps = [f"2020-01-{i + 1:02d}T10:00:00{zone}" for i in range(30)]
    frame = pd.DataFrame({"t": stamps, "x": range(30)})
    found, _ = read(by_pandas(tmp_path, frame, index=False), ("t", "x"), rows=30)
    days = pd.to_datetime(stamps, utc=True).as_unit("us").astype("int64") / 86_400e6
    np.testing.assert_allclose(found[:, 0], days.to_numpy(), rtol=1e-6)


def test_na_is_a_category_of_a_one_hot_column(tmp_path):
    text = "k,a\n" + "".join(f"{('NA', 'x', 'y')[i % 3]},{i * i % 5}\n" for i in range(60))
    path = written(tmp_path, text)
    found, split = read(path, ("k=NA", "k=x", "k=y", "a"), rows=60, one_hot=("k",))
    assert found[0, :3].tolist() == [1, 0, 0]
    assert "NA is a category in k (option keep_na_text)." in split.notes
    read(path, ("k=x", "k=y", "a"), rows=60, one_hot=("k",), impute="median")
    read(path, ("k=NA", "k=x", "k=y", "a"), rows=60, one_hot=True, impute="median", keep_na_text=True)
    with pytest.raises(DataError, match=r"must not be missing, got missing ones in column k \(20\)"):
        load(path, options=Options(one_hot=("k",), keep_na_text=False))
    labels = load(path, options=Options(label="k", keep_na_text=True)).labels
    assert set(np.concatenate(labels)) == {"NA", "x", "y"}


def test_names_with_commas_can_be_dropped(tmp_path):
    frame = pd.DataFrame(X, columns=["a", "weight, kg", "x,y,z"])
    path = by_pandas(tmp_path, frame, index=False)
    read(path, ("a",), drop=("weight", "kg", "x", "y", "z"))
    read(path, ("a",), drop=("x,y,z", "weight, kg"))
    words = frame.assign(**{"x,y,z": ["u"] * 40})
    with pytest.raises(DataError, match='Use `drop` "x,y,z" or'):
        load(by_pandas(tmp_path, words, index=False))


def test_constant_columns_are_left_out_with_a_note(tmp_path):
    frame = pd.DataFrame({"a": X[:, 0], **{f"z{i}": 0 for i in range(150)}, "void": None, "word": "x"})
    path = by_pandas(tmp_path, frame, index=False)
    _, split = read(path, ("a",), one_hot=("word",))
    assert split.preparation.dropped == (*(f"z{i}" for i in range(150)), "void", "word")
    assert any(
        note.startswith("Left out 152 columns that have one value in the training rows: z0, z1") for note in split.notes
    )
    (block,) = open_rows(by_pandas(tmp_path, frame[["a"]], index=False), split.preparation)
    assert block.x.shape == (40, 1)


def test_a_text_stream_of_pandas_and_of_excel_agree(tmp_path):
    text = io.StringIO()
    pd.DataFrame(X, columns=list("abc")).to_csv(text, sep=";", decimal=",", index=False)
    found, _ = read(written(tmp_path, text.getvalue(), encoding="utf-16"), ("a", "b", "c"))
    np.testing.assert_allclose(found, X, rtol=1e-6)


def test_a_separator_at_the_end_of_each_row_shifts_no_column(tmp_path):
    rows = "".join(f"{i + 0.5},{i * i % 7},\n" for i in range(40))
    found, split = read(written(tmp_path, f"first,second\n{rows}"), ("first", "second"))
    np.testing.assert_array_equal(found, [[i + 0.5, i * i % 7] for i in range(40)])
    assert not any("index" in note for note in split.notes)


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le"], ids=["marked", "given"])
def test_utf_32_is_read(encoding, tmp_path):
    given = {} if encoding == "utf-32" else {"encoding": encoding}
    found, _ = read(written(tmp_path, f"größe,b\n{PAIRS}", encoding=encoding), ("größe", "b"), **given)
    assert found[:, 0].tolist() == list(range(40))


def test_a_mark_of_order_before_the_text_is_no_part_of_a_name(tmp_path):
    read(written(tmp_path, f"\ufeffa,b\n{PAIRS}", encoding="utf-8-sig"), ("a", "b"))


def test_compressed_files_are_known_by_names_in_capitals(tmp_path):
    (tmp_path / "T.CSV.GZ").write_bytes(gzip.compress(f"a,b\n{PAIRS}".encode()))
    read(tmp_path / "T.CSV.GZ", ("a", "b"))


@pytest.mark.parametrize("zone", ["", "Z", "+02:00"])
def test_dates_with_nanoseconds_are_dates(zone, tmp_path):
    rows = "".join(f"2024-01-{i % 28 + 1:02}T12:00:00.123456789{zone},{i * i % 7}\n" for i in range(40))
    found, _ = read(written(tmp_path, f"t,b\n{rows}"), ("t", "b"))
    hour = 10 if zone == "+02:00" else 12
    expected = [19723 + i % 28 + hour / 24 for i in range(40)]  # days from 1970-01-01 to 2024-01-01
    np.testing.assert_allclose(found[:, 0], expected, atol=2e-3)  # of float32


def test_quoted_decimal_commas_among_commas_name_the_option(tmp_path):
    path = written(tmp_path, "a,b\n" + "".join(f'"{i},25",{i * i % 7}\n' for i in range(40)))
    with pytest.raises(DataError, match=r"write 1234\.5, or give `decimal` , for a text table"):
        load(path)
    assert read(path, ("a", "b"), decimal=",")[0][1].tolist() == [1.25, 1]
