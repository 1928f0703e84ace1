"""Sources of arrays (.npy, .npz): which array, which label, whether its rows are images."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from contractive.data._checksum import file_checksum
from contractive.data._errors import DataError
from contractive.data._labels import tidy
from contractive.data._memory import check_fits
from contractive.data._npy import Header, npz_headers, read_npy, read_npz
from contractive.data._options import Options, near
from contractive.data._preparation import Preparation, blocks
from contractive.data._source import Source, unscaled
from contractive.data._stored import MOST_FEATURES

_TRAIN_KEYS = ("x_train", "train_x", "train_images", "x", "data", "images", "features")
_LABEL_KEYS = {
    "x_train": ("y_train",), "train_x": ("train_y",), "train_images": ("train_labels",),
    **dict.fromkeys(("x", "data", "images", "features"), ("y", "label", "labels", "target", "targets")),
}  # fmt: skip
_TEST_KEYS = {"x_train": "x_test", "train_x": "test_x", "train_images": "test_images"}


def npy_source(path: Path, options: Options) -> Source:
    """The array of an .npy file in memory.

    Raises:
        DataError: It has no rows of numbers.
    """
    _refuse_table_options(options)
    if options.key or options.label:
        raise DataError(f"--key and --label must be for .npz and tables, got them with {path.name}. Leave them out.")
    array = read_npy(path)
    check_fits(str(path), 4 * array.size, "Leave out --no-stream.")
    return array_source(path, array, options, str(path))


def npz_source(path: Path, options: Options) -> Source:
    """An array of an .npz file in memory, with its labels and its test part where their keys say so.

    Raises:
        DataError: Several arrays and no key, or a key that does not exist.
    """
    _refuse_table_options(options)
    headers = npz_headers(path)
    key = choose_key(path, headers, options)
    source = array_source(path, _read(path, key), options, f"array {key} of {path}")
    if len(headers) > 1:
        source.notes.append(f"Rows are those of {key} (--key).")
    label = _label_key(headers, key, options)
    if label is not None:
        source.labels = _labels(path, label, headers, source.num_rows)
        source.notes.append(f"Labels are those of {label} (--label).")
    else:
        left = [name for name in headers if name.lower() in _LABEL_KEYS.get(key.lower(), ())]
        source.notes += [f"{name} of {headers[name].shape} is no label: it has not one value per row." for name in left]
    names = _feature_names(path, headers, source.draft)
    source.draft = replace(source.draft, names=names) if names else source.draft
    test_key = _same_case(_TEST_KEYS.get(key.lower(), ""), headers)
    if test_key is not None and options.test is None:
        source.test = _test_part(path, test_key, headers, label, source)
    return source


def array_source(path: Path, array: np.ndarray, options: Options, what: str) -> Source:
    """Rows of an array, as images where its shape or --size says so.

    Raises:
        DataError: It has no rows of numbers.
    """
    image_shape, notes = image_shape_of(array.shape, array.dtype, options, what)
    width = math.prod(array.shape[1:])
    kind = "array" if image_shape is None else "images"
    draft = unscaled(kind, width, image_shape=image_shape, whole=kind == "images" and array.dtype == np.uint8)
    return Source(
        path, draft, len(array), lambda: blocks(array), as_bytes=array.dtype == np.uint8, notes=notes,
        checksum=file_checksum(path),
    )  # fmt: skip


def image_shape_of(
    shape: tuple[int, ...], dtype: np.dtype[Any], options: Options, what: str
) -> tuple[tuple[int, int, int] | None, list[str]]:
    """(channels, height, width) where rows are images, with a note; None where they are not.

    Raises:
        DataError: No rows of numbers, or a --size that rows do not have.
    """
    width = math.prod(shape[1:])
    if len(shape) < 2 or dtype.kind not in "buif":
        raise DataError(f"{what} must have rows of numbers, got {dtype} of {shape}. Reshape to (rows, features).")
    if not 1 <= width <= MOST_FEATURES:
        raise DataError(f"rows of {what} must have 1 to {MOST_FEATURES} numbers, got {width}. Make them smaller.")
    if options.gray:
        raise DataError("--gray must be for folders of images, got it with an array. Leave it out.")
    form = _form(shape[1:])
    if options.size is not None:
        size = (options.size[0], options.size[1])
        if (form is not None and form[1:] != size) or (form is None and math.prod(size) != width):
            raise DataError(f"--size must match rows of {width} numbers, got {size[0]}x{size[1]}. Give their own size.")
        form = form or (1, *size)
    if form is None:
        note = [f"Each row of {what} became {width} numbers from {shape[1:]}."] if len(shape) > 2 else []
        return None, note
    return form, [f"Rows are images of {form[1]}x{form[2]} in {'grey' if form[0] == 1 else f'{form[0]} channels'}."]


def choose_key(path: Path, headers: dict[str, Header], options: Options) -> str:
    """Key of the array with the rows.

    Raises:
        DataError: No such key, none that could be it, or several.
    """
    if options.key is not None:
        if options.key not in headers:
            raise DataError(f"--key must be in {path}, got {options.key!r}. {near(options.key, list(headers))}")
        return options.key
    for known in _TRAIN_KEYS:
        key = _same_case(known, headers)
        if key is not None and len(headers[key].shape) >= 2:
            return key
    numbers = {key: header for key, header in headers.items() if header.dtype.kind != "U" and key != options.label}
    could = [key for key, header in numbers.items() if len(header.shape) >= 2]
    if len(could) != 1:
        said = ", ".join(f"{key} {header.shape}" for key, header in list(headers.items())[:20]) or "no array"
        raise DataError(f"--key must say which array of {path} has the rows, got none. There are {said}.")
    return could[0]


def _form(shape: tuple[int, ...]) -> tuple[int, int, int] | None:
    """(channels, height, width) of rows of that shape, where they are images."""
    if len(shape) == 2 and min(shape) > 1:
        return 1, shape[0], shape[1]
    if len(shape) == 3 and shape[2] in (1, 3):
        return shape[2], shape[0], shape[1]
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 and shape[0] in (1, 3) else None


def _same_case(wanted: str, headers: dict[str, Header]) -> str | None:
    return next((key for key in headers if key.lower() == wanted), None)


def _read(path: Path, key: str) -> np.ndarray:
    return read_npz(path, key)


def _label_key(headers: dict[str, Header], key: str, options: Options) -> str | None:
    if options.label is not None:
        if options.label not in headers:
            raise DataError(f"--label must be a key, got {options.label!r}. {near(options.label, list(headers))}")
        return options.label
    rows = headers[key].shape[:1]
    known = (_same_case(label, headers) for label in _LABEL_KEYS.get(key.lower(), ()))
    return next((label for label in known if label is not None and headers[label].shape in (rows, (*rows, 1))), None)


def _labels(path: Path, label: str, headers: dict[str, Header], num_rows: int) -> np.ndarray:
    if headers[label].shape not in ((num_rows,), (num_rows, 1)):
        raise DataError(
            f"--label must have one value per row ({num_rows}), got {label} of {headers[label].shape}. Take another."
        )
    labels = _read(path, label).reshape(-1)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise DataError(f"labels must be finite, got others in {label}. Mend them or take another --label.")
    return tidy(labels)


def _feature_names(path: Path, headers: dict[str, Header], draft: Preparation) -> tuple[str, ...]:
    """Names of the features where the file has them under `feature_names`."""
    header = headers.get("feature_names")
    if header is None or header.dtype.kind != "U" or header.shape != (draft.width,) or draft.kind != "array":
        return ()
    names = tuple(str(name)[:1000] for name in _read(path, "feature_names"))
    return names if len(set(names)) == len(names) else ()


def _test_part(path: Path, key: str, headers: dict[str, Header], label: str | None, source: Source) -> Source:
    array = _read(path, key)
    test = replace(source, draft=source.draft, num_rows=len(array), blocks=lambda: blocks(array), labels=None, notes=[])
    test_label = _same_case(label.lower().replace("train", "test"), headers) if label else None
    if test_label is not None and test_label != label:
        test.labels = _labels(path, test_label, headers, len(array))
    source.notes.append(f"Test rows are those of {key}.")
    return test


def _refuse_table_options(options: Options) -> None:
    given = {"--drop": options.drop, "--one-hot": options.one_hot, "--separator": options.separator}
    given |= {"--encoding": options.encoding, "--header": options.header is not None}
    for option, value in given.items():
        if value:
            raise DataError(f"{option} must be for tables, got it with an array. Leave it out.")
