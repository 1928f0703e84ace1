"""Folders of images through Pillow: one row of bytes each, channels first."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from contractive.core.files import BROKEN_FILE_ERRORS
from contractive.data._arrays import ArrayReader, ArraySchema
from contractive.data._errors import DataError, first_line, join_names
from contractive.data._memory import check_fits
from contractive.data._preparation import BLOCK, MOST_FEATURES, ImagesPreparation
from contractive.data._reader import Source, files_checksum, slices

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".gif", ".webp")
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")  # of others some start a program to be read
_GRAY_MODES = ("1", "L", "LA", "La")
_DEEP_MODES = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_SUBSETS = {"train", "training", "test", "testing", "val", "valid", "validation"}
_ORIENTATION = 0x0112  # EXIF
_HUGE = (Image.DecompressionBombWarning, Image.DecompressionBombError)


class ImageFolder(ArrayReader):
    """The images of a folder and its sub-folders, hidden files and links out of it left aside.

    Images to train on agree in size, or are resized as the options say; further ones get the size of the model's.
    """

    name = "folders of images"
    kind = "images"
    prepared_by = (ImagesPreparation,)
    takes = frozenset({"size", "gray"})

    def schema(self) -> ArraySchema:
        return ArraySchema((len(self._files), *self._shape), np.dtype(np.uint8))

    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[np.ndarray]:
        if self.like is None:
            return slices(self._pixels, size)
        return (_pixels(files, self._shape) for files in slices(self._files, size))

    def source(self, on_disk: bool = False) -> Source:
        width = int(np.prod(self._shape))
        draft = ImagesPreparation(features=width, shape=self._shape, whole=True)
        files = {"file": self.column("file")}
        return Source(
            self, draft, len(self._files), self.batches, self.labels(), as_bytes=True, notes=self.notes(), places=files
        )

    def labels(self) -> np.ndarray | None:
        """Return the names of the sub-folders where all images lie in one."""
        tops = [path.relative_to(self.path).parts for path in self._files]
        return np.asarray([parts[0] for parts in tops]) if all(len(parts) > 1 for parts in tops) else None

    def column_names(self) -> list[str]:
        return ["file"] if self.labels() is None else ["file", "label"]

    def column(self, name: str) -> np.ndarray:
        files = np.asarray([path.relative_to(self.path).as_posix() for path in self._files])
        return files if (labels := self.labels()) is None or name == "file" else labels

    def checksum(self) -> str:
        return files_checksum(self.path, self._files)

    def notes(self) -> list[str]:
        return [*self._found[1], *(self._common[1] if self.like is None else [])]

    @property
    def _files(self) -> list[Path]:
        return self._found[0]

    @cached_property
    def _found(self) -> tuple[list[Path], list[str]]:
        """The images, sorted, and notes on what was skipped."""
        files, other, outside, odd, root = [], 0, 0, 0, self.path
        for folder, folders, names in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for path in (Path(folder) / name for name in sorted(names) if not name.startswith(".")):
                if path.suffix.lower() not in _SUFFIXES:
                    other += 1
                elif path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):
                    outside += 1
                elif not path.is_file():
                    odd += 1
                else:
                    files.append(path)
        if not files:
            raise DataError(f"{root} must hold images ({' '.join(_SUFFIXES)}), got none. Give another folder.")
        tops = sorted({path.relative_to(root).parts[0] for path in files if path.parent != root})
        if tops and {name.lower() for name in tops} <= _SUBSETS:
            test = f", and {root / tops[0]} as `test`" if len(tops) > 1 else ""
            raise DataError(
                f"sub-folders of {root} must be labels, got {join_names(tops)}."
                f" Give {root / tops[-1]} as the data{test}."
            )
        notes = [f"Skipped {other} files that are no images."] if other else []
        notes += [f"Skipped {outside} links out of the folder."] if outside else []
        notes += [f"Skipped {odd} that are no regular files."] if odd else []
        if tops and any(path.parent == root for path in files):
            notes.append("Sub-folders are no labels here: some images lie beside them.")
        return files, notes

    @property
    def _shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        return self.like.shape if isinstance(self.like, ImagesPreparation) else self._common[0]

    @cached_property
    def _common(self) -> tuple[tuple[int, int, int], list[str]]:
        """The shape of images to train on, and notes."""
        files, wanted = self._files, self.options.size
        size, gray, several, transparent, resized = None, True, 0, 0, 0
        for path in files:
            found, mode, more, clear = _look(path)
            size = size or found
            if found != size and wanted is None:
                first = f"{files[0].name} of {size[0]}x{size[1]}"
                raise DataError(
                    f"images must agree in size, got {first} and {path.name} of {found[0]}x{found[1]}."
                    f" Give `size` {size[0]}x{size[1]} to resize them."
                )
            gray, several, transparent = gray and mode in _GRAY_MODES, several + more, transparent + clear
            resized += wanted is not None and found != wanted
        height, width = wanted or size or (0, 0)
        shape = (1 if gray or self.options.gray else 3, height, width)
        if int(np.prod(shape)) > MOST_FEATURES:
            raise DataError(f"images must have at most {MOST_FEATURES} numbers, got {height}x{width}. Give a `size`.")
        notes = [f"{len(files)} images of {height}x{width}, {'grey' if shape[0] == 1 else 'in colour'}."]
        notes += ["Labels are the names of the sub-folders."] if self.labels() is not None else []
        notes += [f"Resized {resized} images to {height}x{width}."] if resized else []
        notes += [f"Took the first picture of {several} files that have several."] if several else []
        notes += [f"Ignored the transparency of {transparent} images."] if transparent else []
        return shape, notes

    @cached_property
    def _pixels(self) -> np.ndarray:
        remedy = "Give a smaller `size`." if len(self._files) > 1 else "Give another file."
        check_fits(str(self.path), 5 * int(np.prod(self._shape)) * len(self._files), remedy)
        return _pixels(self._files, self._shape)


def _pixels(files: Sequence[Path], shape: tuple[int, int, int]) -> np.ndarray:
    """Return images as rows of bytes, brought to a size and a number of channels."""
    (channels, height, width), rows = shape, np.empty((len(files), int(np.prod(shape))), np.uint8)
    for row, path in zip(rows, files, strict=True):
        with _opened(path) as image:
            upright = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
        if upright.size != (width, height):
            upright = upright.resize((width, height), Image.Resampling.BILINEAR)
        pixels = np.asarray(upright)
        row[:] = (pixels if channels == 1 else np.moveaxis(pixels, 2, 0)).reshape(-1)
    return rows


def _look(path: Path) -> tuple[tuple[int, int], str, bool, bool]:
    """Return (height, width) as people see it, the mode, and whether several pictures and transparency are there."""
    with _opened(path) as image:
        width, height = image.size
        mode = image.mode
        if mode == "P":
            colours = np.asarray(image.getpalette("RGB") or [], np.uint8)
            if colours.size % 3 == 0 and (colours.reshape(-1, 3) == colours.reshape(-1, 3)[:, :1]).all():
                mode = "L"
        if mode in _DEEP_MODES:
            raise DataError(f"{path} must have 8 bits per channel, got mode {mode}. Convert it to 8 bits.")
        turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        several, clear = getattr(image, "n_frames", 1) > 1, image.has_transparency_data
        return (width, height) if turned else (height, width), mode, several, clear


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; whatever Pillow raises over a broken or huge one names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=_FORMATS) as image:
                yield image
        except DataError:
            raise
        except _HUGE as error:
            rule = "be an image of ordinary size"
            raise DataError(f"{path} must {rule}, got too many pixels. Make it smaller.") from error
        except (*BROKEN_FILE_ERRORS, IndexError) as error:
            raise DataError(f"{path} must be a whole image, got: {first_line(error)}. Correct or remove it.") from error
