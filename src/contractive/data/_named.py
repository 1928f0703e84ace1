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
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from contractive.data._arrays import ArrayReader, ArraySchema
from contractive.data._errors import DataError, first_line, invalid
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK, ImagesPreparation, Preparation
from contractive.data._reader import files_checksum, slices
from contractive.data._split import TEST, VALIDATION, Split

SETS = ("digits", "mnist", "fashion-mnist")
DATA_VARIABLE = "CONTRACTIVE_DATA"

_IDX_FILES = tuple(f"{part}.gz" for part in (
    "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
))  # fmt: skip
_SOURCES = {  # address, and MD5 of each file
    "mnist": ("https://ossci-datasets.s3.amazonaws.com/mnist/", (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c",
    )),
    "fashion-mnist": ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310",
    )),
}  # fmt: skip


def load_named(name: str, data_dir: str | Path | None, seed: int) -> Split:
    """Return a named set. The digits are split by the seed and stratified; the others have a fixed split."""
    raw, y, num_train, checksum = _raw(name, data_dir)
    shape, high = raw.shape[1:], 16 if name == "digits" else 255
    preparation = ImagesPreparation(
        features=shape[0] * shape[1],
        scaler="range",
        scale=np.array([float(high)]),
        shape=(1, *shape),
        whole=high == 255,
    )
    x, parts = preparation.transform(raw), None
    if name == "digits":  # 60 % training, 20 % validation, 20 % test
        from sklearn.model_selection import train_test_split

        rest, test = train_test_split(np.arange(len(x)), test_size=0.2, stratify=y, random_state=seed)
        train, validation = train_test_split(rest, test_size=0.25, stratify=y[rest], random_state=seed)
        parts = np.zeros(len(x), np.uint8)
        parts[validation], parts[test] = VALIDATION, TEST
        notes = "Pixels from 0 to 16 were scaled to [0, 1].", f"Rows were split at random (seed {seed}), stratified."
    else:  # the classic split: of 60,000 training rows the last 10,000 validate
        held_out = max(1, num_train // 6)
        train, validation = slice(num_train - held_out), slice(num_train - held_out, num_train)
        test = slice(num_train, None)
        notes = "Bytes were divided by 255.", f"The last {held_out} training rows are for validation."
    return Split(
        name, x[train], x[validation], x[test], (y[train], y[validation], y[test]), shape, (1, *shape),
        preparation, parts, checksum, preparation.feature_names, notes,
    )  # fmt: skip


class NamedSet(ArrayReader):
    """All rows of a named set in their own units, training files before test files."""

    name = "named sets"

    def __init__(self, name: str, like: Preparation, data_dir: str | Path | None):
        super().__init__(Path(name), like=like)
        self._rows, self._labels, *_ = _raw(name, data_dir)

    def schema(self) -> ArraySchema:
        return ArraySchema(self._rows.shape, self._rows.dtype)

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[np.ndarray]:
        return slices(self._rows, size)

    def column_names(self) -> list[str]:
        return ["label"]

    def column(self, name: str) -> np.ndarray:
        return self._labels


def _raw(name: str, data_dir: str | Path | None) -> tuple[np.ndarray, np.ndarray, int, str]:
    """Return images, labels, how many of them are for training, and the checksum of what was read."""
    if name == "digits":
        from sklearn.datasets import load_digits

        x, y = map(np.asarray, load_digits(return_X_y=True))
        return x.reshape(-1, 8, 8), y, len(x), hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()
    files = _idx_files(name, data_dir)
    train_x, train_y, test_x, test_y = map(read_idx, files)
    for images, labels in ((train_x, train_y), (test_x, test_y)):
        if images.ndim != 3 or labels.shape != images.shape[:1]:
            raise _mismatched(files, f"{name} must have one label per image, got other files")
    if train_x.shape[1:] != test_x.shape[1:]:
        raise _mismatched(files, f"{name} must have images of one size, got two sizes")
    if len(train_x) < 2 or not len(test_x):
        raise _mismatched(files, f"{name} must have images to train and test, got too few")
    checksum = files_checksum(files[0].parent, sorted(files))
    return np.concatenate([train_x, test_x]), np.concatenate([train_y, test_y]), len(train_x), checksum


def _mismatched(files: list[Path], what: str) -> DataError:
    return DataError(f"{what} in {files[0].parent}. Download them again.")


def read_idx(path: Path) -> np.ndarray:
    """Return the array of an IDX .gz file of unsigned bytes; `DataError` if it is missing, truncated or another."""
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
        raise DataError(f"{path} must be a readable .gz file, got: {first_line(error)}. Download it again.") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} must be a whole .gz file, got: {first_line(error)}. Download it again.") from error
    if start[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} must hold unsigned bytes in the IDX format, got something else. Download it again.")
    if not shape or len(body) != size:
        got = "more" if len(body) > size else str(len(body))
        raise DataError(f"{path} must hold {shape} bytes, got {got}. It is cut short or damaged; download it again.")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _idx_files(name: str, data_dir: str | Path | None) -> list[Path]:
    """Return the files in the folder given by the user, else downloaded ones."""
    given = data_dir or os.environ.get(DATA_VARIABLE)
    if not given:
        return [_downloaded(name, file) for file in _IDX_FILES]
    folder = Path(given).expanduser()
    folder = folder / name if (folder / name).is_dir() else folder
    missing = [file for file in _IDX_FILES if not (folder / file).is_file()]
    if missing:
        raise invalid("data_dir", f"hold {missing[0]}", f"{folder} without it", "Put the IDX .gz files there.")
    return [folder / file for file in _IDX_FILES]


def _downloaded(name: str, file: str) -> Path:
    import platformdirs
    import pooch
    from requests.exceptions import RequestException

    address, hashes = _SOURCES[name]
    try:
        cache = Path(platformdirs.user_cache_dir("contractive")) / name
        known = f"md5:{hashes[_IDX_FILES.index(file)]}"
        return Path(pooch.retrieve(address + file, known, fname=file, path=cache, progressbar=False))
    except (RequestException, OSError, ValueError) as error:
        raise DataError(
            f"{name} must be on this machine or downloadable, got: {first_line(error)}."
            f" Put its four IDX .gz files into a folder and give it as `data_dir` or ${DATA_VARIABLE}."
        ) from error
