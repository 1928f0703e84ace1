import datetime
import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from contractive.data import DataError, Mismatches, Options, Preparation, load

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(60, 4)) * [1, 10, 1e6, 1e-6] + [0, 5, 1e7, 0]
TOWNS = ["Rome", "Oslo", "Bern"] * 20
TABLE = pa.table({
    "a": X[:, 0],
    "b": X[:, 1],
    "flag": [i % 3 == 0 for i in range(60)],
    "day": [datetime.date(2020, 1, 1) + datetime.timedelta(i) for i in range(60)],
    "town": TOWNS,
    "id": pa.array(range(60)),
    "y": TOWNS,
})  # fmt: skip
OPTIONS = {"one_hot": ("town",), "drop": ("id",), "label": "y"}


@pytest.fixture
def fitted(tmp_path):
    pq.write_table(TABLE, tmp_path / "t.parquet")
    return load(tmp_path / "t.parquet", options=Options(**OPTIONS))


def subsets(split):
    return (split.train, split.validation, split.test)


@pytest.mark.parametrize("stream", [False, True], ids=["memory", "stream"])
@pytest.mark.parametrize(
    ("scale", "scaler"), [("minmax", MinMaxScaler()), ("standard", StandardScaler()), ("robust", RobustScaler())]
)
def test_scalers_are_those_of_scikit_learn_fitted_on_the_training_rows(scale, scaler, stream, tmp_path):
    np.save(tmp_path / "x.npy", X)
    options = Options(scale=scale, stream=stream)
    if stream and scale == "robust":
        with pytest.raises(DataError, match="scale must be minmax or standard for data larger than memory, got robust"):
            load(tmp_path / "x.npy", options=options)
        return
    split = load(tmp_path / "x.npy", options=options)
    scaler.fit(X[split.parts == 0])
    for part, x in enumerate(subsets(split)):
        np.testing.assert_allclose(x[:], scaler.transform(X[split.parts == part]), rtol=2e-6, atol=1e-6)
    assert split.preparation.scaler == scale


@pytest.mark.parametrize("scale", ["auto", "none", "minmax", "standard", "robust"])
def test_inverse_of_transform_is_the_identity_in_the_users_units(scale, tmp_path):
    pq.write_table(TABLE, tmp_path / "t.parquet")
    preparation = load(tmp_path / "t.parquet", options=Options(scale=scale, **OPTIONS)).preparation
    raw = preparation.inverse(preparation.transform(TABLE))
    assert list(raw) == ["a", "b", "flag", "day", "town"]
    np.testing.assert_allclose(raw["a"], X[:, 0], atol=1e-6)
    np.testing.assert_allclose(raw["b"], X[:, 1], rtol=1e-5)
    for name in ("flag", "day", "town"):
        assert raw[name].tolist() == TABLE[name].to_pylist()


def test_booleans_and_categories_stay_zero_and_one(fitted):
    x = fitted.preparation.transform(TABLE)
    assert fitted.columns == ("a", "b", "flag", "day", "town=Bern", "town=Oslo", "town=Rome")
    assert set(np.unique(x[:, [2, 4, 5, 6]])) == {0, 1}
    days = (np.arange(60) - np.arange(60)[fitted.parts == 0].mean()) / np.arange(60)[fitted.parts == 0].std()
    np.testing.assert_allclose(x[:, 3], days, rtol=1e-4, atol=1e-6)


def test_the_likeliest_category_comes_back(fitted):
    x = fitted.preparation.transform(TABLE)
    x[:, 4:] = [0.2, 0.5, 0.4]
    assert set(fitted.preparation.inverse(x)["town"]) == {"Oslo"}


def test_reconstructions_of_any_size_have_dates(fitted):
    x = np.full((3, 7), 1e30, np.float32) * [[1], [-1], [np.nan]]
    ends = np.array([2_900_000, -2_900_000, 0]).astype("datetime64[D]")
    np.testing.assert_array_equal(fitted.preparation.inverse(x)["day"], ends)
    assert all(len(str(day)) <= 11 for day in ends)


def test_columns_may_come_in_any_order_and_from_any_library(fitted):
    expected = fitted.preparation.transform(TABLE)
    names = ["town", "b", "day", "a", "flag"]
    turned = TABLE.select(names)
    columns = {name: turned[name].to_pylist() for name in names}
    for raw in (turned, pl.from_arrow(turned), pd.DataFrame(columns), columns, turned.to_batches()[0]):
        np.testing.assert_array_equal(fitted.preparation.transform(raw), expected)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda t: t.drop_columns(["a", "day"]), "columns must be those of training, got missing a, day. Rename"),
        (lambda t: t.rename_columns(["A", *t.column_names[1:]]), "got missing a and unknown A"),
        (lambda t: put(t, "a", ["x"] * 60), "column a must hold values of kind number as in training, got 'x'"),
        (lambda t: put(t, "a", [True] * 60), "column a must hold values of kind number as in training, got boolean"),
        (lambda t: put(t, "day", list(range(60))), "column day must hold values of kind date .*, got number"),
        (lambda t: put(t, "flag", list(range(60))), "column flag must hold values of kind boolean .*, got number"),
        (lambda t: put(t, "a", [[1]] * 60), "column a must hold values of kind number as in training, got other"),
        (lambda t: put(t, "town", ["Paris", *TOWNS[1:]]), "column town must hold categories .*, got 'Paris'. Mark"),
        (lambda t: put(t, "town", [None, *TOWNS[1:]]), r"must not be missing, got missing ones in column town \(1\)"),
        (lambda t: put(t, "a", [None, np.nan, *X[2:, 0]]), r"got missing ones in column a \(2\)\. Fill them, mark"),
        (lambda t: put(t, "a", [np.inf, *X[1:, 0]]), r"must be finite .*, got others in column a \(1\)"),
        (lambda t: X, "data must be a table with the columns of training, got ndarray"),
        (lambda t: {"a": [1], "b": [1, 2]}, "data must be a table of plain columns, got: "),
    ],
    ids=["missing", "renamed", "text", "boolean", "no date", "no flag", "lists", "category", "no category",
         "gaps", "infinite", "array", "lengths"],
)  # fmt: skip
def test_tables_that_differ_from_training_are_refused(change, match, fitted):
    with pytest.raises(DataError, match=match):
        fitted.preparation.transform(change(TABLE))


def test_columns_more_are_ignored_or_refused(fitted):
    wider = TABLE.append_column("zip", [TABLE["id"]])
    np.testing.assert_array_equal(fitted.preparation.transform(wider), fitted.preparation.transform(TABLE))
    with pytest.raises(DataError, match=r"columns must be those of training, got unknown zip\. Rename"):
        fitted.preparation.transform(wider, Mismatches(extra_columns="refuse"))


def test_columns_less_mark_every_row_or_are_filled_as_missing_values(fitted, tmp_path):
    fewer = TABLE.drop_columns(["a", "town"])
    x, problems = fitted.preparation.checked(fewer, Mismatches(missing_columns="mark"))
    assert problems == dict.fromkeys(range(60), "column a is missing")
    assert np.isnan(x).all()
    with pytest.raises(DataError, match="missing_columns must be refuse or mark after training without `impute`"):
        fitted.preparation.transform(fewer, Mismatches(missing_columns="ignore"))
    pq.write_table(TABLE, tmp_path / "t.parquet")
    filling = load(tmp_path / "t.parquet", options=Options(**OPTIONS, impute="mean")).preparation
    gaps = put(put(TABLE, "a", pa.nulls(60, pa.float64())), "town", pa.nulls(60, pa.string()))
    np.testing.assert_array_equal(
        filling.transform(fewer, Mismatches(missing_columns="ignore")), filling.transform(gaps)
    )


def test_an_unknown_category_is_refused_none_of_the_known_ones_or_marked(fitted):
    strange, known = put(TABLE, "town", ["Paris", *TOWNS[1:]]), fitted.preparation.transform(TABLE)
    towns = [name.startswith("town=") for name in fitted.preparation.feature_names]
    x, problems = fitted.preparation.checked(strange, Mismatches(unknown_categories="ignore"))
    assert problems == {}
    assert x[0, towns].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(np.delete(x, np.flatnonzero(towns), axis=1), known[:, ~np.array(towns)])
    x, problems = fitted.preparation.checked(strange, Mismatches(unknown_categories="mark"))
    assert problems == {0: "town has the unknown category 'Paris'"}
    assert np.isnan(x[0]).all()
    np.testing.assert_array_equal(x[1:], known[1:])


def test_missing_values_are_refused_or_marked_unless_they_are_filled(fitted, tmp_path):
    gaps = put(put(TABLE, "a", [None, np.nan, *X[2:, 0]]), "town", [None, "Oslo", None, *TOWNS[3:]])
    x, problems = fitted.preparation.checked(gaps, Mismatches(missing_values="mark"))
    assert problems == {0: "a is missing", 1: "a is missing", 2: "town is missing"}
    assert np.isnan(x[:3]).all()
    np.testing.assert_array_equal(x[3:], fitted.preparation.transform(TABLE)[3:])
    pq.write_table(TABLE, tmp_path / "t.parquet")
    filling = load(tmp_path / "t.parquet", options=Options(**OPTIONS, impute="mean")).preparation
    assert filling.checked(gaps, Mismatches(missing_values="mark"))[1] == {}
    np.save(tmp_path / "x.npy", X)
    array = load(tmp_path / "x.npy").preparation
    assert array.checked(np.full((1, 4), np.nan), Mismatches(missing_values="mark"))[1] == {0: "x0 is missing"}


def test_rules_are_words_that_are_known():
    with pytest.raises(ValueError, match="unknown_categories must be one of refuse, ignore, mark, got 'skip'"):
        Mismatches(unknown_categories="skip")


def put(table, name, values):
    return table.set_column(table.column_names.index(name), name, pa.array(values, from_pandas=False))


def test_zeros_and_ones_do_for_booleans_and_texts_for_numbers(fitted):
    expected = fitted.preparation.transform(TABLE)
    table = put(TABLE, "flag", [int(i % 3 == 0) for i in range(60)])
    table = put(table, "b", [repr(float(value)) for value in X[:, 1]])
    np.testing.assert_array_equal(fitted.preparation.transform(table), expected)


@pytest.mark.parametrize(
    ("raw", "match"),
    [
        (np.zeros((3, 5)), r"data must hold rows of 4 numbers as in training, got an array of \(3, 5\)"),
        (np.zeros(4), r"got an array of \(4,\)"),
        (np.array([["a"] * 4]), "data must be an array of numbers as in training, got <U1"),
        ({"a": [1]}, "data must be an array of rows with 4 numbers as in training, got a table"),
        (pa.table({"a": [1]}), "data must be an array of rows with 4 numbers as in training, got a table"),
        (np.full((2, 4), np.nan), r"got missing ones in feature x0 \(2\), x1 \(2\)"),
        (np.full((2, 4), 9e29), "must be finite after scaling, got others in x3"),
    ],
    ids=["width", "flat", "text", "dict", "table", "nan", "overflow"],
)
def test_arrays_that_differ_from_training_are_refused(raw, match, tmp_path):
    np.save(tmp_path / "x.npy", X * [1, 1, 1, 1e-12])
    preparation = load(tmp_path / "x.npy").preparation
    with pytest.raises(DataError, match=match):
        preparation.transform(raw)


def test_images_of_another_form_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", RANDOM.integers(0, 256, (20, 3, 4), dtype=np.uint8))
    preparation = load(tmp_path / "x.npy").preparation
    with pytest.raises(DataError, match=r"images of 3x4, or rows of 12 numbers, .*, got an array of \(2, 4, 3\)"):
        preparation.transform(np.zeros((2, 4, 3)))
    with pytest.raises(DataError, match=r"x must be \(rows, 12\), got \(2, 3, 4\)"):
        preparation.inverse(np.zeros((2, 3, 4)))
    assert preparation.inverse(np.array([[-1, 2, np.nan, *[0.5] * 9]])).tolist() == [[0, 255, 0, *[128] * 9]]


def test_bytes_are_divided_to_the_last_bit():
    preparation = load("digits").preparation
    raw = np.arange(64)[None] % 17
    np.testing.assert_array_equal(preparation.transform(raw), (raw / 16).astype(np.float32))
    np.testing.assert_array_equal(preparation.inverse(preparation.transform(raw)), raw)


def documents(tmp_path):
    pq.write_table(TABLE, tmp_path / "t.parquet")
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "i.npy", RANDOM.integers(0, 256, (20, 2, 3), dtype=np.uint8))
    yield load(tmp_path / "t.parquet", options=Options(impute="median", **OPTIONS)).preparation
    yield load(tmp_path / "x.npy", options=Options(impute="mean")).preparation
    yield load(tmp_path / "i.npy").preparation


def test_json_keeps_everything(tmp_path):
    for preparation in documents(tmp_path):
        again = Preparation.from_dict(json.loads(json.dumps(preparation.to_dict())))
        assert again == preparation
        assert hash(again) == hash(preparation)
        assert again.feature_names == preparation.feature_names
        np.testing.assert_array_equal(again.scale, preparation.scale)
        np.testing.assert_array_equal(again.offset, preparation.offset)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda d: [], "Expected `object`, got `array`"),
        (lambda d: {**d, "version": 1}, r"Invalid enum value 1 - at `\$.version`"),
        (lambda d: {**d, "version": True}, r"Expected `int`, got `bool` - at `\$.version`"),
        (lambda d: {**d, "kind": "sound"}, r"Invalid enum value 'sound' - at `\$.kind`"),
        (lambda d: {**d, "kind": []}, r"Expected `str`, got `array` - at `\$.kind`"),
        (lambda d: {**d, "kind": "images"}, "Object missing required field `shape`"),
        (lambda d: {**d, "scaler": {}}, r"Expected `str`, got `object` - at `\$.scaler`"),
        (lambda d: {**d, "features": 10**12}, r"Expected `int` <= 4194304 - at `\$.features`"),
        (lambda d: {**d, "features": 3}, r"offset must have one number per feature \(3\), got 7"),
        (lambda d: {**d, "features": True}, r"Expected `int`, got `bool` - at `\$.features`"),
        (lambda d: {**d, "scale": [0] * 7}, "scale must be positive"),
        (lambda d: {**d, "scale": [1] * 6}, r"scale must have one number per feature \(7\), got 6"),
        (lambda d: {**d, "offset": ["x"] * 7}, r"Expected `float`, got `str` - at `\$.offset`"),
        (lambda d: {**d, "offset": [float("nan")] * 7}, r"Expected `float` >= -1e\+300 - at `\$.offset`"),
        (lambda d: {**d, "offset": [float("inf")] * 7}, r"Expected `float` <= 1e\+300 - at `\$.offset`"),
        (lambda d: {**d, "offset": [10**400] * 7}, r"Number out of range - at `\$.offset`"),
        (lambda d: {**d, "fill": [1]}, r"fill must have one number per feature \(7\), got 1"),
        (lambda d: {**d, "dropped": "id"}, r"Expected `array`, got `str` - at `\$.dropped`"),
        (lambda d: {**d, "dropped": [1]}, r"Expected `str`, got `int` - at `\$.dropped\[0\]`"),
        (lambda d: {**d, "label": 7}, r"Expected `str \| null`, got `int` - at `\$.label`"),
        (lambda d: {**d, "columns": [7] * 5}, r"Expected `object`, got `int` - at `\$.columns\[0\]`"),
        (lambda d: column(d, name=None), r"Expected `str`, got `null` - at `\$.columns\[0\].name`"),
        (lambda d: column(d, name="b"), "columns must have unique names"),
        (lambda d: column(d, kind="code"), r"Invalid enum value 'code' - at `\$.columns\[0\].kind`"),
        (lambda d: column(d, days=1), r"Expected `bool`, got `int` - at `\$.columns\[0\].days`"),
        (lambda d: column(d, categories=["x"]), "categories must be those of a category, each once"),
        (lambda d: column(d, kind="category"), "categories must be those of a category, each once"),
        (lambda d: {}, "Object missing required field `version`"),
    ],
)
def test_documents_that_were_changed_are_refused(change, match, fitted):
    document = json.loads(json.dumps(fitted.preparation.to_dict()))
    refused(change(document), match)


def refused(document, match):
    with pytest.raises(DataError, match=match) as caught:
        Preparation.from_dict(document)
    assert str(caught.value).startswith("The preparation of the data must be as it was saved, got: ")
    assert str(caught.value).endswith(". It was changed; train again.")
    assert "\n" not in str(caught.value)


def column(document, **changes):
    first, *rest = document["columns"]
    return {**document, "columns": [{**first, **changes}, *rest]}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"shape": None}, r"Expected `array`, got `null` - at `\$.shape`"),
        ({"shape": [1, 1, 7]}, r"shape must be of 64 numbers, got \(1, 1, 7\)"),
        ({"shape": [7]}, r"Expected `array` of length 3, got 1 - at `\$.shape`"),
        ({"whole": None}, r"Expected `bool`, got `null` - at `\$.whole`"),
        ({"kind": "array", "names": ["a"]}, r"names must be as many as features \(64\), got 1"),
        ({"kind": "table"}, "Object missing required field `columns`"),
    ],
    ids=["no shape", "other shape", "flat shape", "whole", "names", "kind"],
)
def test_documents_of_arrays_and_images_that_were_changed_are_refused(change, match):
    refused({**load("digits").preparation.to_dict(), **change}, match)
