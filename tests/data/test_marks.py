"""Decimal marks and thousands separators: values by hand, evidence in any column, refusal without any."""

import numpy as np
import pytest

from contractive.core.errors import ContractiveError
from contractive.data import DataError, Options, load, open_rows

COUNTS = [str(i * i % 7) for i in range(12)]


def table(tmp_path, *columns, separator=";", names="abcdef"):
    rows = zip(*columns, COUNTS, strict=True)
    text = "\n".join(separator.join(row) for row in [tuple(names[: len(columns) + 1]), *rows])
    (tmp_path / "t.csv").write_text(text + "\n", encoding="utf-8")
    return tmp_path / "t.csv"


def values(path, **options):
    split = load(path, options=Options(scale="none", **options))
    (block,) = open_rows(path, split.preparation, options=Options(**options))
    found = np.empty((len(split.parts), split.features), np.float32)
    for part, rows in enumerate((split.train, split.validation, split.test)):
        found[split.parts == part] = rows
    np.testing.assert_array_equal(block.x, found)
    return found, split


NUMBERS = np.array([1234.5 + 1000 * i for i in range(12)])


@pytest.mark.parametrize(
    ("written", "note"),
    [
        ([f"{v:,.2f}" for v in NUMBERS], "Thousands separators were read in a."),
        ([f"{v:,.2f}".translate(str.maketrans(",.", ".,")) for v in NUMBERS], "Decimal commas were read in a."),
        ([f"{v:,.1f}".replace(",", "'") for v in NUMBERS], "Thousands separators were read in a."),
        ([f"{v:,.1f}".replace(",", "\u00a0").replace(".", ",") for v in NUMBERS], "Decimal commas were read in a."),
        ([f"{v:,.1f}".replace(",", " ").replace(".", ",") for v in NUMBERS], "Decimal commas were read in a."),
        ([f"{v:.1f}".replace(".", ",") for v in NUMBERS], "Decimal commas were read in a."),
    ],
    ids=["English", "German", "Swiss", "French", "spaces", "plain"],
)
def test_another_separator_in_the_number_decides(written, note, tmp_path):
    found, split = values(table(tmp_path, written))
    np.testing.assert_allclose(found[:, 0], NUMBERS)
    assert note in split.notes


AMBIGUOUS = [f"{i + 1},{100 + i}" for i in range(12)]
AS_FRACTIONS, AS_THOUSANDS = (np.array([scale * (i + 1) + share * (100 + i) for i in range(12)])
                              for scale, share in ((1, 1e-3), (1000, 1)))  # fmt: skip


@pytest.mark.parametrize(
    ("other", "right"),
    [
        ("0,345", AS_FRACTIONS),
        ("12,5", AS_FRACTIONS),
        ("12,3456", AS_FRACTIONS),
        ("1234,567", AS_FRACTIONS),
        (",5", AS_FRACTIONS),
        ("1,234e5", AS_FRACTIONS),
        ("1.234,567", AS_FRACTIONS),
        ("1.234.567", AS_FRACTIONS),
        ("0.345", AS_THOUSANDS),
        ("1,234,567", AS_THOUSANDS),
        ("1,234.5", AS_THOUSANDS),
        ("12.5", AS_THOUSANDS),
    ],
)
def test_one_number_of_another_column_decides(other, right, tmp_path):
    path = table(tmp_path, AMBIGUOUS, [other] + ["7"] * 11)
    np.testing.assert_allclose(values(path)[0][:, 0], right, rtol=1e-6)


@pytest.mark.parametrize("separator", [";", "\t"])
@pytest.mark.parametrize("mark", [".", ","])
def test_without_evidence_the_options_decide(separator, mark, tmp_path):
    path = table(tmp_path, [text.replace(",", mark) for text in AMBIGUOUS], separator=separator)
    with pytest.raises(
        DataError, match=rf"read in two ways, got 1\{mark}100 in a .* `decimal` \{mark} if .* `thousands`"
    ):
        load(path)
    np.testing.assert_allclose(values(path, decimal=mark)[0][:, 0], AS_FRACTIONS, rtol=1e-6)
    np.testing.assert_allclose(values(path, thousands=mark)[0][:, 0], AS_THOUSANDS)


def test_columns_that_contradict_each_other_are_refused(tmp_path):
    path = table(tmp_path, ["1,5"] * 6 + ["2"] * 6, ["1.5"] * 6 + ["2"] * 6)
    with pytest.raises(DataError, match=r"must have one decimal mark, got 1,5 in a and 1\.5 in b\. Give `decimal`"):
        load(path)
    assert values(path, drop=("b",))[0][:, 0].tolist() == [1.5] * 6 + [2.0] * 6


def test_in_a_comma_separated_file_the_point_is_the_decimal_mark(tmp_path):
    found, _ = values(table(tmp_path, [text.replace(",", ".") for text in AMBIGUOUS], separator=","))
    np.testing.assert_allclose(found[:, 0], AS_FRACTIONS, rtol=1e-6)
    found, _ = values(table(tmp_path, [f'"{text}"' for text in AMBIGUOUS], separator=","))
    np.testing.assert_allclose(found[:, 0], AS_THOUSANDS)


def test_further_rows_with_another_mark_are_refused(tmp_path):
    split = load(table(tmp_path, [f"{i},5" for i in range(12)]))
    path = table(tmp_path, ["x"] + ["1,5"] * 11)
    with pytest.raises(DataError, match=r"column a must hold values of kind number as in training, got 'x'"):
        list(open_rows(path, split.preparation))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"thousands": "x"}, "thousands must be .*, got 'x'"),
        ({"decimal": ",", "thousands": ","}, "thousands must be .* not the decimal mark, got ','"),
        ({"decimal": ";"}, r"decimal must be one of \., ,, got ';'"),
        ({"skip_rows": -1}, "skip_rows must be at least 0, got -1"),
    ],
)
def test_marks_that_are_none_are_refused(options, match):
    with pytest.raises(ContractiveError, match=match):
        Options(**options)
