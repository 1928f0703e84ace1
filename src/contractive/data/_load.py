"""`load`: a set by its name, or people's own file or folder."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from contractive.data._arrays import array_source, choose_key, npy_source, npz_source
from contractive.data._errors import DataError, listed
from contractive.data._images import image_source, images_like
from contractive.data._named import SETS
from contractive.data._npy import npz_headers, read_npy
from contractive.data._options import DEFAULT, Options
from contractive.data._preparation import Preparation
from contractive.data._prepare import split_source
from contractive.data._source import Source
from contractive.data._split import Split
from contractive.data._streams import is_streamed, npy_stream, parquet_stream
from contractive.data._tables import TABLE_ENDINGS, damage_told, table_like, table_source

ENDINGS = (*TABLE_ENDINGS, ".npy", ".npz")


def load(data: str | Path, *, data_dir: str | Path | None = None, seed: int = 0, options: Options = DEFAULT) -> Split:
    """Load a data set, split and scaled; scaling and imputation are fitted on the training rows.

    Args:
        data: One of `SETS`; or a table (.csv, .tsv, .parquet, .feather), an array (.npy, .npz) or a folder of images.
        data_dir: For a named set: folder with its IDX files (or with a folder of its name that holds them);
            $CONTRACTIVE_DATA if omitted, then a download into the user's cache.
        seed: Of the split, where the source has none of its own.
        options: How to read the source.

    Raises:
        DataError: Data that cannot be used as it is, with the option that helps.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise DataError(f"seed must be a whole number from 0 to {2**32 - 1}, got {seed!r}. For instance 0.")
    if str(data) in SETS:
        given = [f"--{name.replace('_', '-')}" for name in vars(options) if vars(options)[name] != vars(DEFAULT)[name]]
        if given:
            raise DataError(f"options on data must be for own files, got {listed(given)} with {data}. Leave them out.")
        split = SETS[str(data)](data_dir, seed)
    else:
        split = _own(existing(data), options, seed)
    return replace(split, source=_note(data, data_dir, options))


def _own(path: Path, options: Options, seed: int) -> Split:
    """People's own file or folder."""
    with damage_told(path):
        source = open_source(path, options)
        test = source.test
        if options.test is not None:
            test = source_like(existing(options.test, "--test"), replace(options, header=source.header), source.draft)
        return split_source(source, test, options, seed)


def _note(data: str | Path, data_dir: str | Path | None, options: Options) -> dict[str, Any]:
    """What was asked for, JSON-able, paths absolute."""
    return {
        "data": str(data) if str(data) in SETS else str(Path(data).expanduser().resolve()),
        "data_dir": str(Path(data_dir).expanduser().resolve()) if data_dir else None,
        "options": {name: str(value) if isinstance(value, Path) else value for name, value in asdict(options).items()},
    }


def existing(data: str | Path, what: str = "DATA") -> Path:
    """Path of a file or folder of a format that is read.

    Raises:
        DataError: It does not exist or has another ending.
    """
    path = Path(data).expanduser()
    if not path.exists():
        names = "" if what != "DATA" else f"one of {', '.join(SETS)}, "
        raise DataError(f"{what} must be {names}a file or a folder of images, got {str(data)!r}. There is none there.")
    if not path.is_dir() and path.suffix.lower() not in ENDINGS:
        said = " ".join(ENDINGS)
        raise DataError(f"{what} must end in one of {said} or be a folder of images, got {path.name}. Convert it.")
    return path


def open_source(path: Path, options: Options) -> Source:
    """The source at a path, in memory or left on disk.

    Raises:
        DataError: It cannot be read.
    """
    streamed = is_streamed(path, options)
    if path.is_dir():
        return image_source(path, options)
    ending = path.suffix.lower()
    if ending == ".npy":
        return npy_stream(path, options) if streamed else npy_source(path, options)
    if ending == ".npz":
        return npz_source(path, options)
    return parquet_stream(path, options) if streamed else table_source(path, options)


def source_like(path: Path, options: Options, preparation: Preparation) -> Source:
    """A further source for a preparation, read as the first one was.

    Raises:
        DataError: It cannot be read, or is of another kind.
    """
    if path.is_dir():
        return images_like(path, preparation)
    ending = path.suffix.lower()
    if ending == ".npy":
        return replace(array_source(path, read_npy(path), _plain(options), str(path)), draft=preparation, notes=[])
    if ending == ".npz":
        key = choose_key(path, npz_headers(path), options)
        return npz_source(path, replace(_plain(options), key=key, label=options.label))
    if preparation.kind != "table":
        raise DataError(f"{path} must be of the kind of the training data ({preparation.kind}), got a table.")
    return table_like(path, options, preparation)


def _plain(options: Options) -> Options:
    return replace(options, drop=(), one_hot=(), separator=None, encoding=None, header=None, size=None, gray=False)
