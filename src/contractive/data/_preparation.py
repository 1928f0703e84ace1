"""From raw rows to the network's numbers and back, fitted on the training rows; of arrays and images here."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import numpy as np
from msgspec import Meta

from contractive.core.errors import LARGEST_NUMBER
from contractive.data._columns import Text
from contractive.data._errors import DataError, first_line, join_names
from contractive.data._mismatches import DEFAULT_RULES, Mismatches
from contractive.data._spectra import STEPS, WINDOW, Step, check_channels, preprocess
from contractive.data._survey import Group, Survey

BLOCK = 8192  # rows read at once, fewer of wide ones
MOST_FEATURES = 2**22
VERSION = 2
_NUMBERS = 2**25  # in rows read at once, at most

Scaler = Literal["none", "minmax", "standard", "robust", "common", "range"]
Count = Annotated[int, Meta(ge=1, le=MOST_FEATURES)]
Names = Annotated[tuple[Text, ...], Meta(max_length=MOST_FEATURES)]
_Numbers = Annotated[list[Annotated[float, Meta(ge=-1e300, le=1e300)]], Meta(max_length=MOST_FEATURES)]


def rows_at_once(width: int) -> int:
    """Return the number of rows with so many features that are read at once."""
    return max(1, min(BLOCK, _NUMBERS // width))


_TYPES: dict[str, type["Preparation"]] = {}  # by their kind


@dataclass(frozen=True, eq=False, kw_only=True)
class Preparation(ABC):
    """Everything between a raw source and the network; a feature is `(raw - offset) / scale`, after steps on spectra.

    Attributes:
        kind: "array", "images", "table" or "windows".
        features: Numbers per prepared row.
        scaler: "none", "minmax", "standard", "robust", "common" (one for all), or "range" (known, of all or a channel).
        offset: Of each feature, or of all of them (one number), float64.
        scale: Likewise.
        fill: The number of each feature put where a value is missing; None refuses missing values.
        spectra: Steps of `preprocess`, which `inverse` does not take back.
        spectra_window: Channels in the window of Savitzky and Golay.
        reference: The mean training spectrum, of each feature, that `msc` fits rows to.
        label: Column of a table that is the label; it may be absent later.
    """

    kind: ClassVar[str]
    part: ClassVar[str] = "feature"  # what messages call the part of a row that is wrong
    largest_grade: ClassVar[int] = 127  # bytes that stay below it may be grades instead of intensities
    numbers_at_once: ClassVar[int] = 2**17  # their float64 stays in the processor's cache

    features: Count
    scaler: Scaler = "none"
    offset: np.ndarray = field(default_factory=lambda: np.zeros(1))
    scale: np.ndarray = field(default_factory=lambda: np.ones(1))
    fill: np.ndarray | None = None
    spectra: Annotated[tuple[Step, ...], Meta(max_length=len(STEPS))] = ()
    spectra_window: int = WINDOW
    reference: np.ndarray | None = None
    label: Text | None = None

    def __init_subclass__(cls) -> None:
        if "kind" in vars(cls):
            _TYPES[cls.kind] = cls

    def __post_init__(self) -> None:
        allowed = {"offset": (1, self.features), "scale": (1, self.features), "fill": (self.features,)}
        allowed["reference"] = (self.features,)
        for name, sizes in allowed.items():
            values = getattr(self, name)
            if values is not None and values.size not in sizes:
                raise DataError(f"{name} must have one number per feature ({self.features}), got {values.size}")
        if not (self.scale > 0).all():
            raise DataError("scale must be positive")
        if self.spectra:
            names = (group.name for group in self.groups)
            check_channels([*names], self.image_shape is None and self.numeric, self.spectra, self.spectra_window)

    @property
    def given_names(self) -> tuple[str, ...]:
        """Names of the features where the source has them, else none."""
        return ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features: columns, `column=category`, or x0, x1, ..."""
        return self.given_names or tuple(f"x{i}" for i in range(self.features))

    @property
    def place_columns(self) -> tuple[str, ...]:
        """Names of the columns of results that say which rows they are of; none where each row has its own."""
        return ()

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(channels, height, width) of images, else None."""
        return None

    @property
    def groups(self) -> list[Group]:
        """The columns of a table with their features; the features of an array, each on its own."""
        return [Group(name, i, 1, "number") for i, name in enumerate(self.feature_names)]

    @property
    def numeric(self) -> bool:
        """True where every column is a number."""
        return all(group.kind == "number" for group in self.groups)

    def column_names(self) -> tuple[str, ...]:
        """Return the names of the columns of a table, of the features of an array."""
        return tuple(group.name for group in self.groups)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preparation) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.kind, self.features, self.scaler, self.given_names))

    def transform(self, raw: Any, rules: Mismatches = DEFAULT_RULES) -> np.ndarray:
        """Prepare raw rows, float32 (rows, features); `DataError` where they do not fit those of training.

        Args:
            raw: For a table: an Arrow table, a data frame of pandas or polars, or a mapping of names to values, its
                columns in any order. For arrays and images: an array whose rows are the examples; images may keep
                their height, width and channels (first or last).
            rules: What becomes of rows that do not fit; those that are marked become NaN.
        """
        return self.checked(raw, rules)[0]

    def checked(self, raw: Any, rules: Mismatches = DEFAULT_RULES) -> tuple[np.ndarray, dict[int, str]]:
        """Return what `transform` does, and the problem of each marked row by its number."""
        rows = self._rows(raw, rules)
        problems: dict[int, str] = {}
        out = np.empty((len(rows), self.features), np.float32)
        bad, size = Survey(self.features), max(1, min(BLOCK, self.numbers_at_once // self.features))
        for start in range(0, len(rows), size):
            block, found = self._encoded(rows[start : start + size], rules)
            if rules.missing_values == "mark" and self.fill is None:
                found = self._gaps(block) | found
            block[[*found]] = 0
            problems |= {start + row: problem for row, problem in found.items()}
            if not _within(block, LARGEST_NUMBER):
                bad.add(block)
            block = self.unscaled(block)
            with np.errstate(over="ignore", invalid="ignore"):  # refused below, with the column
                if self.scaler != "none":  # in place: the block is a copy already
                    block -= self.offset
                    block /= self.scale
                out[start : start + size] = block.astype(np.float32)
        if bad.rows:
            bad.check_usable(self.groups, self.part)
            if self.fill is None:
                bad.check_missing(
                    self.groups,
                    self.part,
                    "Fill them, mark such rows (`missing_values` mark), or train with `impute` median.",
                )
        if not _within(out, np.finfo(np.float32).max):
            where = join_names(self.feature_names[i] for i in np.flatnonzero(~np.isfinite(out).all(0)))
            raise DataError(f"values must be finite after scaling, got others in {where}. Remove or replace them.")
        out[[*problems]] = np.nan
        return out, problems

    def inverse(self, x: np.ndarray) -> Any:
        """Turn prepared rows (rows, features), as a decoder gives them, back into the user's units.

        A table becomes a dict from column name to values (numbers, booleans, dates, the likeliest category), an array
        float64 (rows, features), images of bytes uint8 (rows, features), rounded and clipped. Steps on spectra are not
        taken back: the units are those after them.
        """
        x = np.asarray(x)
        if x.ndim != 2 or x.shape[1] != self.features:
            raise DataError(f"x must be (rows, {self.features}), got {x.shape}. Give rows as transform returns them.")
        return self._decoded(x.astype(np.float64) * self.scale + self.offset)

    def encode(self, raw: Any) -> np.ndarray:
        """Return raw rows before imputation, steps on spectra and scaling, float64, NaN where a value is missing."""
        return self._encoded(self._rows(raw, DEFAULT_RULES), DEFAULT_RULES)[0]

    def unscaled(self, block: np.ndarray) -> np.ndarray:
        """Return encoded rows with the missing values filled, after the steps on spectra."""
        block = block if self.fill is None else np.where(np.isnan(block), self.fill, block)
        return preprocess(block, self.spectra, self.spectra_window, self.reference)

    def varying(self, seen: Survey) -> tuple["Preparation", np.ndarray, list[str]]:
        """Return the draft without columns that do not vary among training rows, the features kept, and notes."""
        if seen.constant.all():
            raise DataError("data must vary, got the same value everywhere in each feature. Check the file.")
        return self, np.ones(self.features, bool), []

    def automatic_scaler(
        self, seen: Survey, as_bytes: bool, channels: np.ndarray | None = None, signal: bool = False
    ) -> tuple[Scaler, np.ndarray | None, str]:
        """Return the scaler that suits the training numbers, the range where one is known, and the reason.

        The range is (2, 1), or (2, features) where each feature has a channel of its own range.
        """
        low, high = float(np.nanmin(seen.low)), float(np.nanmax(seen.high))
        if as_bytes and high > self.largest_grade:
            return "range", np.array([[0.0], [255.0]]), "Bytes were divided by 255"
        if signal and not (seen.within_unit and low == 0 and high == 1):  # pixels fill [0, 1], spectra do not
            return "common", None, "Columns are one signal: their means were taken off, and one scale is for all"
        if seen.within_unit:
            return "none", None, "Numbers lie in [0, 1] already and stay as they are"
        if self.image_shape is not None and channels is not None:
            of_channel = [channels == channel for channel in range(int(channels.max()) + 1)]
            ranges = [(np.nanmin(seen.low[mine]), np.nanmax(seen.high[mine])) for mine in of_channel]
            return "range", np.array(ranges).T[:, channels], "Pixels of each channel were scaled to [0, 1]"
        if self.image_shape is not None:
            return "range", np.array([[low], [high]]), f"Pixels from {low:g} to {high:g} were scaled to [0, 1]"
        return "standard", None, "Features were scaled to mean 0 and standard deviation 1 over the training rows"

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able form that `from_dict` reads; floats are exact."""
        content = {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in asdict(self).items()}
        return {"version": VERSION, "kind": self.kind, **content}

    @staticmethod
    def from_dict(document: Any) -> "Preparation":
        """Read what `to_dict` wrote; `DataError` for a form that it never writes."""
        try:
            return msgspec.convert(document, _TYPES[msgspec.convert(document, _Head).kind], dec_hook=_as_array)
        except msgspec.ValidationError as error:
            rule = "The preparation of the data must be as it was saved"
            raise DataError(f"{rule}, got: {first_line(error)}. It was changed; train again.") from error

    def _gaps(self, block: np.ndarray) -> dict[int, str]:
        """Return the problem of each encoded row with missing values."""
        found: dict[int, str] = {}
        for group in self.groups if np.isnan(block).any() else ():
            for row in np.flatnonzero(np.isnan(block[:, group.start])).tolist():
                found.setdefault(row, f"{group.name} is missing")
        return found

    @abstractmethod
    def _rows(self, raw: Any, rules: Mismatches) -> Any:
        """Return raw rows in the form that `_encoded` takes slices of, or refuse them."""

    @abstractmethod
    def _encoded(self, rows: Any, rules: Mismatches) -> tuple[np.ndarray, dict[int, str]]:
        """Return raw rows as numbers, NaN where a value is missing, and the problem of each row to mark."""

    @abstractmethod
    def _decoded(self, raw: np.ndarray) -> Any: ...


class _MatrixPreparation(Preparation):
    """What arrays and images share: rows of numbers, those of an image its channels one after another."""

    def _rows(self, raw: Any, rules: Mismatches) -> np.ndarray:
        width, image = self.features, self.image_shape
        if isinstance(raw, Mapping) or hasattr(raw, "__arrow_c_stream__"):
            raise DataError(f"data must be an array of rows with {width} numbers as in training, got a table.")
        array = np.asarray(raw)
        if array.dtype.kind not in "buif":
            raise DataError(f"data must be an array of numbers as in training, got {array.dtype}. Convert it first.")
        shape = array.shape[1:]
        if image is not None and len(shape) == 3 and shape == (*image[1:], image[0]):
            return np.moveaxis(array, 3, 1).reshape(len(array), width)
        fits = image is None or len(shape) < 2 or shape in (image, image[1:])
        if array.ndim < 2 or int(np.prod(shape)) != width or not fits:
            wanted = f"rows of {width} numbers"
            wanted = f"images of {image[1]}x{image[2]}, or {wanted}," if image else wanted
            raise DataError(
                f"data must hold {wanted} as in training, got an array of {array.shape}."
                " Give the data that the model was made for."
            )
        return array.reshape(len(array), width)

    def _encoded(self, rows: np.ndarray, rules: Mismatches) -> tuple[np.ndarray, dict[int, str]]:
        with np.errstate(over="ignore", invalid="ignore"):  # what float64 does not hold is infinite and refused
            return rows.astype(np.float64), {}

    def _decoded(self, raw: np.ndarray) -> np.ndarray:
        return raw


@dataclass(frozen=True, eq=False, kw_only=True)
class ArrayPreparation(_MatrixPreparation):
    """Preparation of an array whose rows are the examples.

    Attributes:
        names: Of the features, where it has any.
    """

    kind = "array"
    names: Names = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.names) not in (0, self.features):
            raise DataError(f"names must be as many as features ({self.features}), got {len(self.names)}")

    @property
    def given_names(self) -> tuple[str, ...]:
        return self.names


@dataclass(frozen=True, eq=False, kw_only=True)
class ImagesPreparation(_MatrixPreparation):
    """Preparation of images, a row each.

    Attributes:
        shape: (channels, height, width).
        whole: Raw images are bytes, to which `inverse` rounds.
    """

    kind = "images"
    largest_grade = 1
    shape: tuple[Count, Count, Count]
    whole: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shape[0] * self.shape[1] * self.shape[2] != self.features:
            raise DataError(f"shape must be of {self.features} numbers, got {self.shape}")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.shape

    def _decoded(self, raw: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(np.nan_to_num(raw)), 0, 255).astype(np.uint8) if self.whole else raw


@dataclass(frozen=True)
class _Head:
    version: Literal[2]
    kind: Literal["array", "images", "table", "windows"]


def _within(block: np.ndarray, limit: Any) -> bool:
    """Return whether all numbers are at most so large; NaN is not. No copy is made, as `abs` or `isfinite` do."""
    return not block.size or bool(block.max() <= limit and block.min() >= -limit)


def _as_array(kind: type, value: Any) -> np.ndarray:
    try:
        return np.array(msgspec.convert(value, _Numbers), np.float64)
    except msgspec.ValidationError as error:  # anew: its place is that in the array, not that in the document
        raise ValueError(str(error).partition(" - at")[0]) from error
