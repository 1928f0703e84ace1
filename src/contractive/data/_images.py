"""Folders of images through Pillow: one row of bytes each, channels first."""

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from contractive.data._checksum import files_checksum
from contractive.data._errors import DataError, first_line, listed
from contractive.data._memory import check_fits
from contractive.data._options import Options
from contractive.data._preparation import Preparation, blocks
from contractive.data._source import Source, unscaled
from contractive.data._stored import MOST_FEATURES

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp")
_GRAY_MODES = ("1", "L", "LA", "La")
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}
_ORIENTATION = 0x0112  # EXIF
_BROKEN = (
    OSError,
    UnidentifiedImageError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    TypeError,
    KeyError,
    OverflowError,
    MemoryError,  # a piece of the file claims to be huge
)


@dataclass(frozen=True)
class Folder:
    """Images of a folder.

    Attributes:
        root: The folder.
        files: Of the images, sorted.
        labels: Name of the sub-folder of each, where all lie in one.
        notes: What was skipped.
    """

    root: Path
    files: tuple[Path, ...]
    labels: np.ndarray | None
    notes: tuple[str, ...]


def image_source(root: Path, options: Options) -> Source:
    """Images of a folder in memory, as bytes.

    Raises:
        DataError: No images, broken ones, or sizes that differ.
    """
    _refuse_other_options(options)
    folder = find_images(root)
    shape, notes = common_shape(folder, options)
    return _source(folder, unscaled("images", int(np.prod(shape)), image_shape=shape, whole=True), notes)


def images_like(root: Path, preparation: Preparation) -> Source:
    """Further images for a preparation, brought to its size."""
    return _source(find_images(root), preparation, [])


def _source(folder: Folder, draft: Preparation, notes: list[str]) -> Source:
    shape = draft.image_shape
    if shape is None:
        raise DataError(f"{folder.root} must hold what the model was made for, got images. Give a table or an array.")
    remedy = "Give a smaller --size." if len(folder.files) > 1 else "Give another file."
    check_fits(str(folder.root), 5 * draft.width * len(folder.files), remedy)
    pixels = np.empty((len(folder.files), draft.width), np.uint8)
    for i, path in enumerate(folder.files):
        pixels[i] = read_image(path, shape)
    return Source(
        folder.root, draft, len(pixels), lambda: blocks(pixels), folder.labels, as_bytes=True,
        checksum=files_checksum(folder.root, folder.files), notes=[*folder.notes, *notes],
    )  # fmt: skip


def find_images(root: Path) -> Folder:
    """Images of a folder and its sub-folders, hidden files and links out of it left aside.

    Raises:
        DataError: There are none, or its sub-folders are parts and not labels.
    """
    files, other, outside = [], 0, 0
    inside = root.resolve()
    for path in _walk(root):
        if path.suffix.lower() not in IMAGE_ENDINGS:
            other += 1
        elif path.is_symlink() and not path.resolve().is_relative_to(inside):
            outside += 1
        else:
            files.append(path)
    if not files:
        raise DataError(f"{root} must hold images ({' '.join(IMAGE_ENDINGS)}), got none. Give another folder.")
    tops = [path.relative_to(root).parts for path in files]
    nested = [len(parts) > 1 for parts in tops]
    names = {parts[0] for parts in tops if len(parts) > 1}
    if names and {name.lower() for name in names} <= _PARTS:
        first, last = sorted(names)[-1], sorted(names)[0]
        raise DataError(
            f"sub-folders of {root} must be labels, got {listed(sorted(names))}."
            f" Give {root / first} as DATA{f' and --test {root / last}' if first != last else ''}."
        )
    notes = [f"Skipped {other} files that are no images."] if other else []
    notes += [f"Skipped {outside} links out of the folder."] if outside else []
    if any(nested) and not all(nested):
        notes.append("Sub-folders are no labels here: some images lie beside them.")
    labels = np.asarray([parts[0] for parts in tops]) if all(nested) else None
    return Folder(root, tuple(files), labels, tuple(notes))


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(files) if not name.startswith("."))


def common_shape(folder: Folder, options: Options) -> tuple[tuple[int, int, int], list[str]]:
    """(channels, height, width) that all images get, and notes.

    Raises:
        DataError: Broken images, sizes that differ where none is given, sixteen bits.
    """
    first, size, gray, frames, resized = folder.files[0], None, True, 0, 0
    for path in folder.files:
        own, mode, more = _look(path)
        if size is None:
            size = own
        if own != size and options.size is None:
            raise DataError(
                f"images must agree in size, got {first.name} of {size[0]}x{size[1]} and {path.name} of"
                f" {own[0]}x{own[1]}. Give --size {size[0]}x{size[1]} to resize them."
            )
        gray, frames = gray and mode in _GRAY_MODES, frames + more
        resized += options.size is not None and own != options.size
    height, width = options.size or size or (0, 0)
    shape = (1 if gray or options.gray else 3, height, width)
    if int(np.prod(shape)) > MOST_FEATURES:
        raise DataError(f"images must have at most {MOST_FEATURES} numbers, got {height}x{width}. Give --size.")
    notes = [f"{len(folder.files)} images of {height}x{width}, {'grey' if shape[0] == 1 else 'in colour'}."]
    notes += ["Labels are the names of the sub-folders."] if folder.labels is not None else []
    notes += [f"Resized {resized} images to {height}x{width}."] if resized else []
    notes += [f"Took the first picture of {frames} files that have several."] if frames else []
    return shape, notes


def _look(path: Path) -> tuple[tuple[int, int], str, bool]:
    """(height, width) as people see it, mode, and whether there are several pictures."""
    with _opened(path) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        mode = "L" if image.mode == "P" and _gray_palette(image) else image.mode
        if mode in _DEEP_MODES:
            raise DataError(f"{path} must have 8 bits per channel, got mode {mode}. Convert it to 8 bits.")
        return (width, height) if turned else (height, width), mode, getattr(image, "n_frames", 1) > 1


def _gray_palette(image: Image.Image) -> bool:
    palette = np.asarray(image.getpalette("RGB") or [], np.uint8)
    return palette.size % 3 == 0 and bool((palette.reshape(-1, 3) == palette.reshape(-1, 3)[:, :1]).all())


def read_image(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """One image as a row of bytes, brought to a size and a number of channels.

    Raises:
        DataError: It is broken or too large to be an image of use.
    """
    channels, height, width = shape
    with _opened(path) as image:
        upright = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
    if upright.size != (width, height):
        upright = upright.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(upright)
    return (pixels if channels == 1 else np.moveaxis(pixels, 2, 0)).reshape(-1)


class _opened:
    """An open image; whatever Pillow raises over a broken or huge one names the file."""

    def __init__(self, path: Path):
        self._path = path

    def __enter__(self) -> Image.Image:
        self._caught = warnings.catch_warnings()
        self._caught.__enter__()
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            self._image = Image.open(self._path)
        except (*_BROKEN, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            self._caught.__exit__(None, None, None)
            raise self._error(error) from error
        return self._image

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._image.close()
        self._caught.__exit__(None, None, None)
        if isinstance(error, _BROKEN) and not isinstance(error, DataError):
            raise self._error(error) from error

    def _error(self, error: BaseException) -> DataError:
        if isinstance(error, Image.DecompressionBombWarning | Image.DecompressionBombError):
            return DataError(f"{self._path} must be an image of ordinary size, got too many pixels. Make it smaller.")
        return DataError(f"{self._path} must be a whole image, got: {first_line(error)}. Mend or remove it.")


def _refuse_other_options(options: Options) -> None:
    given = {"--drop": options.drop, "--one-hot": options.one_hot, "--key": options.key, "--label": options.label}
    for option, value in given.items():
        if value:
            raise DataError(f"{option} must be for tables or arrays, got it with a folder of images. Leave it out.")
