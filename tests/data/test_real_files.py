"""Files that people have. They are not part of the project; $CONTRACTIVE_DATA names the folder that holds them."""

import os
from pathlib import Path

import numpy as np
import pytest

from contractive.data import DATA_VARIABLE, DataError, Options, load


def real(name):
    folder = os.environ.get(DATA_VARIABLE)
    if not folder or not (Path(folder) / name).exists():
        pytest.skip(f"${DATA_VARIABLE} names no folder with {name}")
    return Path(folder) / name


def test_california_housing():
    path = real("tabular/california_housing.csv")
    with pytest.raises(DataError, match=r"got text in ocean_proximity\. Use `drop` ocean_proximity or `one_hot`"):
        load(path)
    with pytest.raises(DataError, match=r"got missing ones in column total_bedrooms \(207\)\. Use `impute`"):
        load(path, options=Options(one_hot=True))
    split = load(path, options=Options(one_hot=True, impute="median"))
    assert len(split.parts) == 20640
    assert split.features == 14
    raw = split.preparation.inverse(split.train[:1])
    assert raw["ocean_proximity"][0] in {"NEAR BAY", "<1H OCEAN", "INLAND", "NEAR OCEAN", "ISLAND"}


def test_adult_has_no_header_and_a_test_file_with_a_comment():
    train, test = real("tabular/adult.data"), real("tabular/adult.test")
    options = {"one_hot": True, "impute": "mean"}
    split = load(train, options=Options(drop=("c14",), **options))
    assert len(split.parts) == 32561
    with pytest.raises(DataError, match=r"must be among '<=50K', '>50K', got '<=50K\.', '>50K\.'\. .* or .* `drop`\."):
        load(train, options=Options(label="c14", test=test, **options))
    split = load(train, options=Options(drop=("c14",), test=test, **options))
    assert len(split.test) == 16281


@pytest.mark.parametrize(
    ("name", "rows", "features", "labelled", "image", "scaler"),
    [
        ("spectra/tecator.npz", 215, 100, False, None, "standard"),
        ("tabular/covtype_ramp_subset.npz", 92962, 54, True, None, "standard"),
        ("freyfaces.npz", 1965, 560, False, None, "range"),
        ("cifar-bw/cifar10_gray.npz", 50000, 1024, True, (32, 32), "range"),
        ("adbench/14_glass.npz", 214, 7, True, None, "none"),
        ("adbench/20_letter.npz", 1600, 32, True, None, "standard"),
    ],
)
def test_arrays(name, rows, features, labelled, image, scaler):
    split = load(real(name))
    assert len(split.parts) == rows
    assert split.features == features
    assert (split.labels is not None) == labelled
    assert split.image == image
    assert split.preparation.scaler == scaler
    assert np.isfinite(split.train).all()
