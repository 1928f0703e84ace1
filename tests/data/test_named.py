import gzip
import struct

import numpy as np
import pytest
from requests.exceptions import ConnectionError as NoConnection

from contractive import data
from contractive.data import DataError


def idx(array):
    return gzip.compress(
        b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    )


@pytest.fixture
def folder(tmp_path):
    """A tiny data set in the form of MNIST."""
    random = np.random.default_rng(0)
    for part, rows in (("train", 60), ("t10k", 20)):
        images = random.integers(0, 256, (rows, 4, 5), dtype=np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx(np.arange(rows, dtype=np.uint8) % 10))
    return tmp_path


def test_digits_are_split_without_overlap_and_by_seed():
    split = data.load("digits")
    assert (len(split.train), len(split.validation), len(split.test)) == (1077, 360, 360)
    rows = np.concatenate([split.train, split.validation, split.test])
    assert len(np.unique(rows, axis=0)) == 1797
    assert rows.min() == 0
    assert rows.max() == 1
    assert split.train.dtype == np.float32
    assert split.image == (8, 8)
    np.testing.assert_array_equal(split.train, data.load("digits").train)
    assert not np.array_equal(split.train, data.load("digits", seed=1).train)
    for labels in split.labels:
        assert set(np.unique(labels)) == set(range(10))


def test_idx_files_are_split_in_the_classic_way(folder):
    split = data.load("mnist", data_dir=folder)
    assert (len(split.train), len(split.validation), len(split.test)) == (50, 10, 20)
    raw = data.read_idx(folder / "train-images-idx3-ubyte.gz")
    np.testing.assert_allclose(split.validation, raw[50:].reshape(10, 20) / 255, rtol=1e-6)
    assert split.labels[1].tolist() == list(range(10))
    assert split.image == (4, 5)


def test_a_tiny_set_still_has_validation_rows(folder):
    for kind, shape in (("images-idx3", (4, 4, 5)), ("labels-idx1", 4)):
        (folder / f"train-{kind}-ubyte.gz").write_bytes(idx(np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)))
    split = data.load("mnist", data_dir=folder)
    assert (len(split.train), len(split.validation)) == (3, 1)
    assert split.labels[1].tolist() == [3]


@pytest.mark.parametrize("name", ["mnist", "digits"])
def test_named_sets_have_a_preparation_and_a_checksum(name, folder):
    split = data.load(name, data_dir=folder)
    assert split.preparation.scaler == "range"
    assert split.image_shape == (1, *split.image)
    assert split.columns == split.preparation.feature_names
    assert len(split.checksum) == 64
    assert split.checksum == data.load(name, data_dir=folder).checksum
    assert (split.parts is None) == (name == "mnist")
    raw = split.preparation.inverse(split.test)
    np.testing.assert_array_equal(split.preparation.transform(raw), split.test)
    assert raw.max() == (255 if name == "mnist" else 16)


def test_the_folder_may_hold_a_folder_and_come_from_the_environment(folder, tmp_path, monkeypatch):
    inner = tmp_path / "all" / "mnist"
    inner.mkdir(parents=True)
    for path in folder.glob("*.gz"):
        (inner / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv(data.DATA_VARIABLE, str(tmp_path / "all"))
    assert len(data.load("mnist").train) == 50


def test_without_a_folder_the_files_are_retrieved_with_checksums(folder, monkeypatch, tmp_path):
    asked = []

    def retrieve(url, known_hash, fname, path, progressbar):
        asked.append((url, known_hash))
        return str(folder / fname)

    monkeypatch.delenv(data.DATA_VARIABLE, raising=False)
    monkeypatch.setattr("pooch.retrieve", retrieve)
    assert len(data.load("fashion-mnist").test) == 20
    assert len(asked) == 4
    assert all(url.endswith(".gz") and checksum.startswith("md5:") for url, checksum in asked)


def test_a_failed_download_says_what_to_do(monkeypatch):
    def retrieve(*_, **__):
        raise NoConnection("no network")

    monkeypatch.delenv(data.DATA_VARIABLE, raising=False)
    monkeypatch.setattr("pooch.retrieve", retrieve)
    with pytest.raises(DataError, match=r"mnist must be on this machine or downloadable, got: no network\. Put"):
        data.load("mnist")


TRAIN = "train-images-idx3-ubyte.gz"


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda f: (f / TRAIN).unlink(), "data_dir must hold train-images-idx3-ubyte.gz"),
        (lambda f: (f / TRAIN).write_bytes(b"plain"), "must be a readable .gz file"),
        (lambda f: (f / TRAIN).write_bytes((f / TRAIN).read_bytes()[:-30]), "must be a whole .gz file"),
        (lambda f: (f / TRAIN).write_bytes(b""), "must hold unsigned bytes|must be a"),
        (
            lambda f: (f / TRAIN).write_bytes(gzip.compress(b"hello world")),
            "must hold unsigned bytes in the IDX format",
        ),
        (
            lambda f: (f / TRAIN).write_bytes(gzip.compress(gzip.decompress((f / TRAIN).read_bytes())[:-1])),
            r"must hold \(60, 4, 5\) bytes, got 1199. It is cut short",
        ),
        (
            lambda f: (f / TRAIN).write_bytes(idx(np.zeros((7, 4, 5), np.uint8))),
            "mnist must have one label per image",
        ),
        (
            lambda f: (f / "t10k-labels-idx1-ubyte.gz").write_bytes(idx(np.zeros(19, np.uint8))),
            "mnist must have one label per image",
        ),
        (
            lambda f: (f / "t10k-images-idx3-ubyte.gz").write_bytes(idx(np.zeros((20, 5, 5), np.uint8))),
            "mnist must have images of one size, got two sizes",
        ),
        (
            lambda f: [
                (f / f"train-{kind}.gz").write_bytes(idx(np.zeros(shape, np.uint8)))
                for kind, shape in (("images-idx3-ubyte", (1, 4, 5)), ("labels-idx1-ubyte", 1))
            ],
            "mnist must have images to train and test, got too few",
        ),
    ],
    ids=[
        "missing",
        "not gzip",
        "cut gzip",
        "empty",
        "not idx",
        "cut idx",
        "other labels",
        "other test labels",
        "other size",
        "one image",
    ],
)
def test_broken_files_are_refused(damage, match, folder):
    damage(folder)
    with pytest.raises(DataError, match=match):
        data.load("mnist", data_dir=folder)


def test_an_unknown_name_lists_the_names():
    with pytest.raises(DataError, match="data must be one of digits, mnist, fashion-mnist, a file or a folder"):
        data.load("cifar")
