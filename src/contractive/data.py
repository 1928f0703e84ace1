"""Data sets by name, their splits and their scaling.

`digits` comes with scikit-learn and works offline. `mnist` and `fashion-mnist` are read as IDX .gz files from a folder,
else downloaded once and cached with checksums.
"""

import gzip
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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


class DataError(ValueError):
    """Data that cannot be used, and what to do about it."""


@dataclass(frozen=True)
class Split:
    """Training, validation and test rows in [0, 1] or scaled, float32, with labels where they exist.

    Attributes:
        name: Of the data set.
        train: (examples, features); `validation` and `test` likewise.
        labels: The three label arrays in the same order, or None.
        image: (height, width) where a row is a grey image, else None.
    """

    name: str
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    labels: tuple[np.ndarray, np.ndarray, np.ndarray] | None
    image: tuple[int, int] | None

    @property
    def features(self) -> int:
        """Numbers per example."""
        return self.train.shape[1]


def load(name: str, *, data_dir: str | Path | None = None, seed: int = 0) -> Split:
    """Load a data set by name, split and scaled.

    Args:
        name: One of `SETS`.
        data_dir: Folder with the IDX files (or with a folder `name` that holds them); $CONTRACTIVE_DATA if omitted,
            then a download into the user's cache.
        seed: Of the split, where the set has none of its own.

    Raises:
        DataError: An unknown name, or files that are missing or broken.
    """
    if name not in SETS:
        raise DataError(f"DATA must be one of {', '.join(SETS)}, got {name!r}. People's own files are not read yet.")
    return SETS[name](data_dir, seed)


def _digits(data_dir: str | Path | None, seed: int) -> Split:
    """1797 digits of 8 x 8 (UCI, bundled with scikit-learn): 60 % training, 20 % validation, 20 % test, stratified."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = map(np.asarray, load_digits(return_X_y=True))
    x = (x / 16).astype(np.float32)  # 0 to 16 is the range of the pixels, known beforehand
    rest, test = train_test_split(np.arange(len(x)), test_size=0.2, stratify=y, random_state=seed)
    train, validation = train_test_split(rest, test_size=0.25, stratify=y[rest], random_state=seed)
    return Split("digits", x[train], x[validation], x[test], (y[train], y[validation], y[test]), (8, 8))


def _idx_set(name: str) -> Callable[[str | Path | None, int], Split]:
    def read(data_dir: str | Path | None, seed: int) -> Split:
        """The classic split: first 50,000 rows to train, last 10,000 to validate, the test set as given."""
        folder = _folder(name, data_dir)
        arrays = {key: read_idx(_file(name, folder, file)) for key, file in _IDX_FILES.items()}
        if arrays["train_x"].ndim != 3 or len(arrays["train_x"]) != len(arrays["train_y"]):
            raise DataError(f"{name} must have one label per image, got other files in {folder}. Download it again.")
        image = arrays["train_x"].shape[1:]
        train, test = (
            (arrays[key].reshape(-1, image[0] * image[1]) / np.float32(255)) for key in ("train_x", "test_x")
        )
        held_out = len(train) // 6
        labels = (arrays["train_y"][:-held_out], arrays["train_y"][-held_out:], arrays["test_y"])
        return Split(name, train[:-held_out], train[-held_out:], test, labels, (image[0], image[1]))

    return read


SETS: dict[str, Callable[[str | Path | None, int], Split]] = {
    "digits": _digits,
    "mnist": _idx_set("mnist"),
    "fashion-mnist": _idx_set("fashion-mnist"),
}


def read_idx(path: Path) -> np.ndarray:
    """Read one IDX .gz file of unsigned bytes.

    Raises:
        DataError: Missing, truncated or not such a file.
    """
    try:
        raw = gzip.decompress(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} must be a readable .gz file, got: {error}. Download it again.") from error
    except (EOFError, zlib.error) as error:
        raise DataError(f"{path} must be a whole .gz file, got a broken one: {error}. Download it again.") from error
    if len(raw) < 4 or raw[:3] != b"\x00\x00\x08":
        raise DataError(f"{path} must hold unsigned bytes in the IDX format, got something else. Download it again.")
    rank = raw[3]
    shape = struct.unpack(f">{rank}I", raw[4 : 4 + 4 * rank]) if len(raw) >= 4 + 4 * rank else ()
    body = raw[4 + 4 * rank :]
    if not shape or len(body) != int(np.prod(shape, dtype=np.int64)):
        raise DataError(f"{path} must hold {shape} bytes, got {len(body)}. It is cut short; download it again.")
    return np.frombuffer(body, np.uint8).reshape(shape)


def _folder(name: str, data_dir: str | Path | None) -> Path | None:
    """The folder given by the user, or None for a download."""
    given = data_dir or os.environ.get(DATA_VARIABLE)
    if not given:
        return None
    folder = Path(given).expanduser()
    folder = folder / name if (folder / name).is_dir() else folder
    missing = [file for file in _IDX_FILES.values() if not (folder / file).is_file()]
    if missing:
        raise DataError(f"--data-dir must hold {missing[0]}, got {folder} without it. Put the IDX .gz files there.")
    return folder


def _file(name: str, folder: Path | None, file: str) -> Path:
    if folder is not None:
        return folder / file
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
            f" Put its four IDX .gz files into a folder and give --data-dir or ${DATA_VARIABLE}."
        ) from error
