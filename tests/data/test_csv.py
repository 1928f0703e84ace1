import csv

import numpy as np
import pytest

from contractive.core.errors import ContractiveError
from contractive.data import DataError, Options, load, open_rows

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(20, 3))
NONE = Options(scale="none")
PAIRS = "1,2\n3,4\n" * 6


def write(path, rows, header=("a", "b", "c"), separator=",", encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as file:
        out = csv.writer(file, delimiter=separator)
        if header:
            out.writerow(header)
        out.writerows(rows)
    return path


def whole(split):
    """All rows in the order of the source."""
    out = np.empty((len(split.parts), split.features), np.float32)
    for part, x in enumerate((split.train, split.validation, split.test)):
        out[split.parts == part] = x
    return out


def refused(path, match, **options):
    with pytest.raises(DataError, match=match) as caught:
        load(path, options=Options(**options))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"], ids=["comma", "semicolon", "tab", "bar"])
@pytest.mark.parametrize("header", [("a", "b", "c"), None], ids=["header", "no header"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_what_was_written_is_read(separator, header, encoding, tmp_path):
    split = load(write(tmp_path / "t.csv", X, header, separator, encoding), options=NONE)
    np.testing.assert_array_equal(whole(split), X.astype(np.float32))
    assert split.columns == (header or ("c0", "c1", "c2"))
    assert split.name == "t"
    said = " ".join(split.notes)
    assert ("The separator is a" in said) == (separator != ",")
    assert ("columns are named c0 to c2" in said) == (header is None)


def test_encodings_are_detected_and_said(tmp_path):
    names = ("größe", "café", "naïve")
    for encoding, said in (("utf-16", "utf-16"), ("cp1252", "cp1252"), ("utf-8-sig", None), ("utf-8", None)):
        split = load(write(tmp_path / f"{encoding}.csv", X, names, encoding=encoding), options=NONE)
        assert split.columns == names
        assert any(f"in the encoding {said}" in note for note in split.notes) == (said is not None)
    by_hand = Options(scale="none", encoding="latin-1")
    assert load(tmp_path / "cp1252.csv", options=by_hand).columns == names


def test_what_the_user_says_goes_before_what_is_detected(tmp_path):
    path = write(tmp_path / "t.csv", X.round(), None, ";")
    split = load(path, options=Options(scale="none", separator=";", header=True))
    assert len(split.parts) == 19
    assert split.columns == tuple(str(value) for value in X.round()[0])
    numbers = write(tmp_path / "n.csv", X, ("a", "b", "c"))
    refused(
        numbers,
        r"got text in c0, c1, c2\. Use `one_hot` all, or `drop` c0,c1,c2, or `label` .*mostly numbers",
        header=False,
    )


def test_names_that_are_not_in_the_file_are_explained(tmp_path):
    path = tmp_path / "t.csv"
    rows = zip(range(9), "uvwuvwuvw", "abababaab", strict=True)
    path.write_text("".join(f"{i}, {town}, {2 * i}, {kind}\n" for i, town, kind in rows))
    remark = r" The first row looks like values, so columns go by their number \(`header`, if it has names\)\.$"
    refused(path, r"text in c1, c3\. Use `one_hot` all, or `drop` c1,c3, or `label` if one is the label\." + remark)
    refused(path, r"got text in c1\. Use `drop` c1 or `one_hot` c1\." + remark, label="c3")
    refused(path, r"or `label` if one is the label\.$", header=False)


def test_decimal_commas_are_read_where_the_comma_separates_nothing(tmp_path):
    rows = [[str(value).replace(".", ",") for value in row] for row in X]
    path = write(tmp_path / "t.csv", rows, separator=";")
    split = load(path, options=NONE)
    np.testing.assert_array_equal(whole(split), X.astype(np.float32))
    assert "Decimal commas were read in a, b, c." in split.notes
    (block,) = open_rows(path, split.preparation)
    np.testing.assert_array_equal(block.x, whole(split))
    point = write(tmp_path / "p.csv", rows)
    refused(point, "columns must hold numbers, got text in a, b, c.* write 1234.5, or give `decimal` ,")


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("a,b\n" + PAIRS, ("a", "b"), 12),
        ("|1x3 Cross validator\n" + PAIRS.replace(",", ", ") + "\n", ("c0", "c1"), 12),
        ("# made by a machine\n# twice\nx,y\n" + PAIRS, ("x", "y"), 12),
        ("#x,y\n" + PAIRS, ("#x", "y"), 12),
        ("0,1,2\n" + "5,6,7\n2,4,9\n" * 6, ("0", "1", "2"), 12),
        ("year,2020,2021\n" + "1,5,6\n2,4,9\n" * 6, ("year", "2020", "2021"), 12),
        ("\n\na,b\n" + PAIRS.replace("\n", "\r\n\r\n"), ("a", "b"), 12),
        (",b\n" + PAIRS, ("b",), 12),
        ("a,,b\n" + "1,5,6\n2,4,9\n" * 6, ("a", "c1", "b"), 12),
        ("a\n" + "1\n2\n" * 6, ("a",), 12),
        ('"a,1","b"\n' + PAIRS.replace("1", '"1"'), ("a,1", "b"), 12),
        ('"a\nz",b\n' + PAIRS, ("a\nz", "b"), 12),
    ],
    ids=[
        "plain",
        "bar",
        "comments",
        "marked",
        "frame",
        "years",
        "blank",
        "index",
        "unnamed",
        "one",
        "quoted",
        "two lines",
    ],
)
def test_headers_and_lines_at_the_top(text, columns, rows, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text)
    split = load(path, options=NONE)
    assert split.columns == columns
    assert len(split.parts) == rows


def test_texts_can_be_dropped_or_encoded(tmp_path):
    towns = ["Rome", "Oslo", " Oslo ", "Bern"] * 5
    path = write(
        tmp_path / "t.csv", [[*row, town] for row, town in zip(X[:, :2], towns, strict=True)], ("a", "b", "town")
    )
    refused(path, r"columns must hold numbers, got text in town\. Use `drop` town or `one_hot` town\.$")
    assert load(path, options=Options(drop=("town",))).columns == ("a", "b")
    for one_hot in (True, ("town",)):
        split = load(path, options=Options(scale="none", one_hot=one_hot))
        assert split.columns == ("a", "b", "town=Bern", "town=Oslo", "town=Rome")
        expected = [[town.strip() == name for name in ("Bern", "Oslo", "Rome")] for town in towns]
        np.testing.assert_array_equal(whole(split)[:, 2:], expected)
        assert "Texts were one-hot encoded in town." in split.notes


def test_whole_numbers_can_be_encoded_as_categories(tmp_path):
    path = write(tmp_path / "t.csv", [[*row[:2], i % 3 + 1] for i, row in enumerate(X)])
    split = load(path, options=Options(one_hot=("c",)))
    assert split.columns == ("a", "b", "c=1", "c=2", "c=3")


def test_booleans_and_dates_become_numbers_and_this_is_said(tmp_path):
    days = [f"2020-01-{i + 1:02}" for i in range(20)]
    flags = ["True", "false"] * 10
    times = [f"2020-01-01 {i:02}:30" for i in range(20)]
    path = write(tmp_path / "t.csv", zip(days, flags, times, strict=True), ("day", "flag", "time"))
    split = load(path, options=NONE)
    expected = np.stack([18262 + np.arange(20), [1, 0] * 10, 18262 + (np.arange(20) + 0.5) / 24], axis=1)
    np.testing.assert_allclose(whole(split), expected.astype(np.float32), rtol=1e-7)
    assert "Dates became days since 1970-01-01 in day, time." in split.notes
    assert "True and false became 1 and 0 in flag." in split.notes
    raw = split.preparation.inverse(whole(split))
    assert raw["day"].astype(str).tolist() == days
    assert raw["flag"].tolist() == [True, False] * 10


@pytest.mark.parametrize("gap", ["", "NA", "nan", "?", " null ", "N/A"])
def test_missing_values_are_refused_with_their_count_or_filled(gap, tmp_path):
    rows = X.astype(object).copy()
    rows[[2, 5], 1] = gap
    path = write(tmp_path / "t.csv", rows)
    refused(path, r"values must not be missing, got missing ones in column b \(2\)\. Use `impute` median .*`drop` b\.")
    for impute, statistic in (("mean", np.mean), ("median", np.median)):
        split = load(path, options=Options(scale="none", impute=impute))
        train = (split.parts == 0) & ~np.isin(np.arange(20), [2, 5])
        np.testing.assert_allclose(whole(split)[[2, 5], 1], statistic(X[train, 1]), rtol=1e-6)
        assert f"Filled 2 missing values (option impute: {impute})." in split.notes


def test_gaps_in_categories_and_booleans_get_what_is_most_frequent(tmp_path):
    rows = [[value, "yes" if i % 3 else "no", bool(i % 4)] for i, value in enumerate(X[:, 0])]
    rows[4][1] = rows[7][2] = "?"
    path = write(tmp_path / "t.csv", rows, ("a", "word", "flag"))
    refused(path, r"got missing ones in column word \(1\), flag \(1\)\.", one_hot=True)
    split = load(path, options=Options(scale="none", one_hot=True, impute="median"))
    assert whole(split)[4, 1:3].tolist() == [0, 1]
    assert whole(split)[7, 3] == 1


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "must hold rows, got an empty file"),
        ("\n\n  \n", "must hold rows, got an empty file"),
        ("a,b\n", "data must have at least 10 rows, got 0"),
        ("a,b\n1,2\n", "data must have at least 10 rows, got 1"),
        ("a,a,b\n" + "1,2,3\n" * 12, "columns must have unique names, got a more than once"),
        ("a,b\n1,2\n\n3,4,5\n" + "1,2\n" * 12, r"rows of .*t\.csv must have 2 fields, got 3 in line 4"),
        ("a,b\n" + "1,2\n" * 12 + "7\n", "must have 2 fields, got 1 in line 14"),
        ('a,b\n1,"2\n' + PAIRS * 2, "got text in b.* b has values over several lines: is a quote left open"),
        ("a\n" + "1\n" * 14, r"columns must vary among training rows, got one value in a\."),
        ("a,b\n1,inf\n2,-Infinity\n" + "3,4\n" * 12, r"must be finite and .*, got others in column b \(2\)"),
        ("a,b\n1,2e31\n2,1\n" + "3,4\n" * 12, r"must be finite and at most 1e\+30, got others in column b \(1\)"),
        ("a,b\0\n" + "1,2\n" * 12, "must be text, got NUL bytes"),
        ("a,b\n1,abc\n" + "3,4\n" * 12, r"got text in b\..* b is mostly numbers: 'abc' is not\."),
    ],
    ids=[
        "empty",
        "blank",
        "header",
        "one row",
        "twice",
        "long",
        "short",
        "quote",
        "constant",
        "inf",
        "huge",
        "nul",
        "word",
    ],
)
def test_what_cannot_be_used_is_refused(text, match, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text)
    refused(path, match)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"label": "clas"}, r"label must name a column, got 'clas'\. Did you mean class\?"),
        ({"label": "CLASS"}, r"Did you mean class\?"),
        ({"drop": ("zzz",)}, r"drop must name a column, got 'zzz'\. There are a, b, class\."),
        ({"one_hot": ("bb",)}, r"one_hot must name a column, got 'bb'\. Did you mean b"),
        ({"one_hot": ("class",), "label": "class"}, "one_hot must name features, got the label 'class'"),
        ({"drop": ("a", "b"), "label": "class"}, "data must have a column beside label and dropped ones"),
        ({"encoding": "ascii"}, "encoding must be that of .*, got ascii: .*Try utf-8 or cp1252"),
        ({"encoding": "utf-17"}, "encoding must be one that Python knows, got 'utf-17'"),
        ({"encoding": "base64"}, "encoding must be one that Python knows, got 'base64'"),
        ({"separator": ",,"}, "separator must be one character, got ',,'"),
        ({"scale": "max"}, "scale must be one of auto, none, minmax, standard, robust, common, got 'max'"),
        ({"impute": "mode"}, "impute must be one of mean, median, got 'mode'"),
        ({"size": (0, 3)}, r"size must be HEIGHTxWIDTH in pixels, got \(0, 3\)"),
        ({"test_share": 0}, "test_share must lie between 0 and 1, got 0"),
        ({"validation_share": 1.5}, "validation_share must lie between 0 and 1, got 1.5"),
        ({"validation_share": 0.5, "test_share": 0.45}, "must leave a tenth to train on, got 0.5 and 0.45"),
        ({"stream": True}, "stream must be for .npy or .parquet, got t.csv"),
    ],
)
def test_options_that_fit_no_column_are_refused(options, match, tmp_path):
    path = write(tmp_path / "t.csv", [[*row[:2], "ä"] for row in X], ("a", "b", "class"))
    with pytest.raises(ContractiveError, match=match):
        load(path, options=Options(**options))


def test_too_many_categories_are_refused(tmp_path):
    path = write(tmp_path / "t.csv", [[i, f"name {i}"] for i in range(1001)], ("a", "b"))
    refused(path, "column b must have 1 to 1000 categories to be encoded, got 1001. Use `drop` b", one_hot=("b",))


def test_a_table_larger_than_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("contractive.data._memory.available_memory", lambda: 100)
    refused(write(tmp_path / "t.csv", X), r"must fit into memory \(0.1 kB left\), got .* Save it as \.parquet")


def test_a_label_is_no_feature_and_follows_its_rows(tmp_path):
    path = write(tmp_path / "t.csv", [[3 * i, i % 2, "xy"[i % 2]] for i in range(40)])
    split = load(path, options=Options(scale="none", label="c"))
    assert split.columns == ("a", "b")
    for x, labels in zip((split.train, split.validation, split.test), split.labels, strict=True):
        assert labels.tolist() == ["xy"[int(value)] for value in x[:, 1]]
    assert "stratified by the label" in " ".join(split.notes)
    gap = write(tmp_path / "g.csv", [[3 * i, i % 2, "?" if i == 3 else "x"] for i in range(40)])
    assert load(gap, options=Options(label="c")).partial_labels is not None


def test_a_test_file_is_prepared_as_the_training_file(tmp_path):
    train = write(tmp_path / "train.csv", [[*row, "u" if i % 2 else "v"] for i, row in enumerate(X)], None)
    test = write(tmp_path / "test.csv", [[1, 2, 3, "u"], [4, 5, 6, "v"]], None)
    split = load(train, options=Options(label="c3", test=test))
    assert np.bincount(split.parts).tolist() == [17, 3]
    mean, sd = X[split.parts == 0].mean(0), X[split.parts == 0].std(0)
    np.testing.assert_allclose(split.test, (np.array([[1, 2, 3], [4, 5, 6]]) - mean) / sd, rtol=1e-5)
    assert split.labels[2].tolist() == ["u", "v"]


@pytest.mark.parametrize(
    ("rows", "header", "match"),
    [
        ([[1, 2, "u."], [4, 5, "v."]], ("a", "b", "c"), "must be among 'u', 'v', got 'u.', 'v.'. Spell"),
        ([[1, 2, 3], [4, 5, 6]], ("a", "b", "c"), "must be of the kind of the training labels, got text and numbers"),
        ([[1, 2], [3, 4]], ("a", "z"), "columns must be those of training, got missing b and unknown z"),
        ([["x", 2], ["y", 4]], ("a", "b"), "column a must hold values of kind number as in training, got 'x'"),
        ([["", 2], ["1", 4]], ("a", "b"), r"must not be missing, got missing ones in column a \(1\)"),
        ([], ("a", "b"), "must hold rows for testing, got none"),
    ],
    ids=["other labels", "other kind", "other columns", "text", "gap", "none"],
)
def test_a_test_file_that_does_not_fit_is_refused(rows, header, match, tmp_path):
    train = write(tmp_path / "train.csv", [[*row[:2], "u" if i % 2 else "v"] for i, row in enumerate(X)])
    refused(train, match, label="c", test=write(tmp_path / "test.csv", rows, header))


def test_new_labels_and_absent_ones_are_said(tmp_path):
    train = write(tmp_path / "train.csv", [[*row[:2], "u" if i % 2 else "v"] for i, row in enumerate(X)])
    new = write(tmp_path / "new.csv", [[1, 2, "u"], [3, 4, "w"]])
    notes = load(train, options=Options(label="c", test=new)).notes
    assert "The test file has labels that training has not: 'w'." in notes
    absent = write(tmp_path / "absent.csv", [[1, 2], [3, 4]], ("b", "a"))
    split = load(train, options=Options(scale="none", label="c", test=absent))
    assert split.labels is None
    assert split.test.tolist() == [[2, 1], [4, 3]]
    assert "Labels are left out: the test rows have none." in split.notes


@pytest.mark.parametrize(
    ("value", "hint"),
    [("{0}0.5%", "numbers with signs"), ("${0}2.50", "numbers with signs"), ("({0}2.5)", "numbers with signs"),
     ("1{0}/12/2024", "dates or times"), ("1{0}:30", "dates or times")],
)  # fmt: skip
def test_numbers_with_signs_and_other_dates_say_how_to_write_them(value, hint, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f'"{value.format(i % 9)}",{i * i % 7}\n' for i in range(30)))
    with pytest.raises(DataError, match=rf"one_hot` a\. a seems to hold {hint}.*, such as .*: write them as "):
        load(path)


def test_one_line_of_another_kind_of_text_is_a_table_without_rows(tmp_path):
    (tmp_path / "t.csv").write_text('[{"a":1}]')
    with pytest.raises(DataError, match="data must have at least 10 rows, got 0"):
        load(tmp_path / "t.csv")
