"""Data sets by name, their splits and their scaling.

`digits` comes with scikit-learn and works offline. `mnist` and `fashion-mnist` are read as IDX .gz files from a folder,
else downloaded once and cached with checksums.
"""

import gzip
import hashlib
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from contractive.data._arrays import ArrayReader, ArraySchema
from contractive.data._errors import DataError, invalid
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK, ImagesPreparation, Preparation
from contractive.data._reader import files_checksum, slices
from contractive.data._split import TEST, VALIDATION, Split

DATA_VARIABLE = "CONTRACTIVE_DATA"

_IDX_FILES = {
    "train_x": "train-images-idx3-ubyte.gz",
    "train_y": "train-labels-idx1-ubyte.gz",
    "test_x": "t10k-images-idx3-ubyte.gz",
    "test_y": "t10k-labels-idx1-ubyte.gz",
}
_SOURCES = {
    "mnist": ("https://ossci-datasets.s3.amazonaws.com/mnist/", {
        "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
    }),
    "fashion-mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", {
        "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
    }),
}  # fmt: skip


def _scaled(shape: tuple[int, int], high: float, *, whole: bool) -> ImagesPreparation:
    """Scale greyscale images of known range to [0, 1]."""
    scale = np.array([high])
    return ImagesPreparation(features=shape[0] * shape[1], scaler="range", scale=scale, shape=(1, *shape), whole=whole)


def _split_digits(data_dir: str | Path | None, seed: int) -> Split:
    """1797 digits of 8 x 8 (UCI, bundled with scikit-learn): 60 % training, 20 % validation, 20 % test, stratified."""
    from sklearn.model_selection import train_test_split

    raw, y = _raw_digits()
    preparation = _scaled((8, 8), 16, whole=False)
    x = preparation.transform(raw)
    rest, test = train_test_split(np.arange(len(x)), test_size=0.2, stratify=y, random_state=seed)
    train, validation = train_test_split(rest, test_size=0.25, stratify=y[rest], random_state=seed)
    parts = np.zeros(len(x), np.uint8)
    parts[validation], parts[test] = VALIDATION, TEST
    checksum = hashlib.sha256(raw.tobytes() + y.tobytes()).hexdigest()
    return Split(
        "digits", x[train], x[validation], x[test], (y[train], y[validation], y[test]), (8, 8), (1, 8, 8),
        preparation, parts, checksum, preparation.feature_names,
        ("Pixels from 0 to 16 were scaled to [0, 1].", f"Rows were split at random (seed {seed}), stratified."),
    )  # fmt: skip


def _raw_digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    x, y = map(np.ascontiguousarray, load_digits(return_X_y=True))
    return x, y


def _split_idx(name: str, data_dir: str | Path | None, seed: int) -> Split:
    """The classic split: first 50,000 rows to train, last 10,000 to validate, the test set as given."""
    files = _idx_files(name, data_dir)
    arrays = _raw_idx(name, files)
    height, width = arrays["train_x"].shape[1:]
    preparation = _scaled((height, width), 255, whole=True)
    train, test = preparation.transform(arrays["train_x"]), preparation.transform(arrays["test_x"])
    held_out = max(1, len(train) // 6)
    labels = (arrays["train_y"][:-held_out], arrays["train_y"][-held_out:], arrays["test_y"])
    paths = sorted(files.values())
    return Split(
        name, train[:-held_out], train[-held_out:], test, labels, (height, width), (1, height, width),
        preparation, None, files_checksum(paths[0].parent, paths), preparation.feature_names,
        ("Bytes were divided by 255.", f"The last {held_out} training rows are for validation."),
    )  # fmt: skip


def _raw_idx(name: str, files: dict[str, Path]) -> dict[str, np.ndarray]:
    """Return images and labels of the training and test files as bytes, checked against each other."""
    arrays = {key: read_idx(path) for key, path in files.items()}
    folder = files["train_x"].parent
    for part in ("train", "test"):
        images, labels = arrays[f"{part}_x"], arrays[f"{part}_y"]
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise DataError(f"{name} must have one label per image, got other files in {folder}. Download it again.")
    if arrays["train_x"].shape[1:] != arrays["test_x"].shape[1:]:
        raise DataError(f"{name} must have images of one size, got two sizes in {folder}. Download it again.")
    if len(arrays["train_x"]) < 2 or not len(arrays["test_x"]):
        raise DataError(f"{name} must have images to train and test, got too few in {folder}. Download it again.")
    return arrays


SETS: dict[str, Callable[[str | Path | None, int], Split]] = {
    "digits": _split_digits,
    **{name: partial(_split_idx, name) for name in _SOURCES},
}


class NamedSet(ArrayReader):
    """All rows of a named set in their own units, training files before test files.

    Args:
        name: Of the set.
        like: The preparation of a model for which these are further rows.
        data_dir: As for `load`.
    """

    name = "named sets"

    def __init__(self, name: str, like: Preparation | None = None, data_dir: str | Path | None = None):
        super().__init__(Path(name), like=like)
        self._data_dir = data_dir

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray]:
        name = str(self.path)
        if name not in _SOURCES:
            return _raw_digits()
        arrays = _raw_idx(name, _idx_files(name, self._data_dir))
        pixels, labels = ([arrays[f"{part}_{which}"] for part in ("train", "test")] for which in "xy")
        return np.concatenate(pixels), np.concatenate(labels)

    def schema(self) -> ArraySchema:
        return ArraySchema(self._rows[0].shape, self._rows[0].dtype)

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[np.ndarray]:
        return slices(self._rows[0], size)

    def column_names(self) -> list[str]:
        return ["label"]

    def column(self, name: str) -> np.ndarray:
        return self._rows[1]


def read_idx(path: Path) -> np.ndarray:
    """Return the array of an IDX .gz file of unsigned bytes.

    Raises:
        DataError: Missing, truncated or not such a file.
    """
    try:
        with gzip.open(path) as file:
            start = file.read(4)
            rank = start[3] if len(start) == 4 else 0
            sides = file.read(4 * rank)
            shape = struct.unpack(f">{rank}I", sides) if rank and len(sides) == 4 * rank else ()
            size = math.prod(shape)
            check_fits(str(path), size, "Download it again.")
            body = file.read(size + 1)  # one more, to see whether there are more
    except OSError as error:
        raise DataError(f"{path} must be a readable .gz file, got: {error}. Download it again.") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} must be a whole .gz file, got a broken one: {error}. Download it again.") from error
    if start[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} must hold unsigned bytes in the IDX format, got something else. Download it again.")
    if not shape or len(body) != size:
        got = "more" if len(body) > size else str(len(body))
        raise DataError(f"{path} must hold {shape} bytes, got {got}. It is cut short or damaged; download it again.")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _idx_files(name: str, data_dir: str | Path | None) -> dict[str, Path]:
    """Return the files in the folder given by the user, else downloaded ones."""
    given = data_dir or os.environ.get(DATA_VARIABLE)
    if not given:
        return {key: _downloaded(name, file) for key, file in _IDX_FILES.items()}
    folder = Path(given).expanduser()
    folder = folder / name if (folder / name).is_dir() else folder
    missing = [file for file in _IDX_FILES.values() if not (folder / file).is_file()]
    if missing:
        raise invalid("data_dir", f"hold {missing[0]}", f"{folder} without it", "Put the IDX .gz files there.")
    return {key: folder / file for key, file in _IDX_FILES.items()}


def _downloaded(name: str, file: str) -> Path:
    import platformdirs
    import pooch
    from requests.exceptions import RequestException

    base, hashes = _SOURCES[name]
    try:
        cache = Path(platformdirs.user_cache_dir("contractive")) / name
        return Path(pooch.retrieve(base + file, hashes[file], fname=file, path=cache, progressbar=False))
    except (RequestException, OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{name} must be on this machine or downloadable, got: {reason}."
            f" Put its four IDX .gz files into a folder and give it as `data_dir` or ${DATA_VARIABLE}."
        ) from error
