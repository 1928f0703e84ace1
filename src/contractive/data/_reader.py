"""What a format of data is: a reader of its raw rows, and a sink that writes them."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import numpy as np

from contractive.data._columns import Column
from contractive.data._mismatches import Mismatches
from contractive.data._options import DEFAULT, Options
from contractive.data._preparation import BLOCK, Preparation

Schema = TypeVar("Schema")
Batch = TypeVar("Batch")


class Sink(Protocol):
    """Writes rows to a file, given by its path and the names of its columns."""

    def write(self, rows: np.ndarray | dict[str, np.ndarray]) -> None:
        """Append rows: an array (rows, names), or for each name its values."""

    def close(self) -> None:
        """Finish the file."""


@dataclass
class TestRows:
    """Rows for testing alone: of a separate file, or of a separate array in the same file."""

    name: str
    batches: Iterable[Any]
    labels: np.ndarray | None
    notes: list[str]


@dataclass
class Source:
    """Rows to split and what is known of them."""

    reader: "Reader[Any, Any]"
    draft: Preparation  # how rows become numbers, before imputation and scaling
    num_rows: int
    batches: Callable[[], Iterator[Any]]  # a pass over the rows, as `draft.encode` takes them
    labels: np.ndarray | None = None
    labelled: np.ndarray | None = None  # mask of the rows that have a label, None where all have
    as_bytes: bool = False  # all raw values are bytes
    channels: np.ndarray | None = None  # of each feature its channel, where channels are scaled each by its own range
    columns: list[str] | None = None  # those of a table that are read
    notes: list[str] = field(default_factory=list)
    on_disk: bool = False  # the training rows stay there
    clock: Column | None = None  # of time stamps
    of_series: dict[str, np.ndarray] | None = None  # raw values of the columns of time and group, for windows
    # what tells rows apart: time stamps, identifiers, files
    places: dict[str, np.ndarray] = field(default_factory=dict)


class Reader(ABC, Generic[Schema, Batch]):
    """Raw rows of a file or folder in one format. Derive a new one from `TableReader` or `ArrayReader`.

    `like` is the preparation of a model for which these are further rows; None for rows to train on.
    """

    name: ClassVar[str]  # what messages call files of the format
    kind: ClassVar[str]  # and what one holds
    prepared_by: ClassVar[tuple[type[Preparation], ...]]
    takes: ClassVar[frozenset[str]]  # the options that not every format has
    sink: ClassVar[Callable[[Path, Sequence[str]], Sink] | None] = None

    def __init__(self, path: Path, options: Options = DEFAULT, like: Preparation | None = None):
        self.path, self.options, self.like = path, options, like

    @abstractmethod
    def schema(self) -> Schema:
        """Return what is known before rows are read: Arrow's schema of a table, the `ArraySchema` of an array."""

    @abstractmethod
    def batches(self, size: int = BLOCK, columns: Sequence[str] | None = None) -> Iterator[Batch]:
        """Go through the rows, at most `size` at once; of a table only the given columns."""

    @abstractmethod
    def source(self, on_disk: bool) -> Source:
        """Return the rows to train on, with the draft of their preparation."""

    @abstractmethod
    def labels(self) -> np.ndarray | None:
        """Return one label per row, None where there are none."""

    @abstractmethod
    def column_names(self) -> list[str]:
        """Return the names of what has a value per row and can be passed through."""

    @abstractmethod
    def batches_with(self, names: Sequence[str], size: int = BLOCK) -> Iterator[tuple[Batch, dict[str, np.ndarray]]]:
        """Go through rows for a preparation, each batch with the raw values of some columns."""

    def unknown_columns(self, names: Sequence[str], rules: Mismatches) -> list[str]:
        """Return the columns that neither the preparation nor `names` has; `DataError` where the rules refuse some."""
        return []

    def check_memory(self, num_columns: int, on_disk: bool) -> None:
        """Refuse a file of which more would be in memory at once than fits there."""

    @property
    def header(self) -> bool | None:
        """A text table has names in its first row; None for other formats."""
        return None

    def test_rows(self) -> TestRows | None:
        """Return rows that the file itself names as those to test on."""
        return None

    def checksum(self) -> str:
        """Return the SHA-256 of what is read."""
        return file_checksum(self.path)

    def notes(self) -> list[str]:
        """Return sentences on how the file was read."""
        return []


class OnDisk(ABC):
    """What a reader has, too, where training rows can stay in the file."""

    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Return the numbers of rows and of columns."""

    @abstractmethod
    def block(self) -> int:
        """Return the number of rows that are natural to read at once."""

    @abstractmethod
    def read(self, start: int, stop: int, columns: Sequence[str] | None) -> Any:
        """Read some rows."""


class Rows:
    """Training rows that stay on disk: a slice is read and prepared when asked for.

    Rows are counted and sliced among the training rows alone, in the order of the source; a slice has exactly the rows
    of the same slice of an array. Reading is cheapest in whole blocks `rows[i * block : (i + 1) * block]`.

    Attributes:
        shape: (rows, features).
        block: Rows that are natural to read at once.
    """

    def __init__(self, source: Source, preparation: Preparation, held: np.ndarray):
        assert isinstance(source.reader, OnDisk)
        self._reader, self._columns = source.reader, source.columns
        self._preparation, self._held = preparation, held  # rows held out for validation and testing, sorted
        self._before = held - np.arange(len(held))  # training rows before each row held out
        self.shape = (source.num_rows - len(held), preparation.features)
        self.block = source.reader.block()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"rows must be read in steps of 1, got a slice with step {step}. Pick from the block.")
        if stop <= start:
            return np.empty((0, self.shape[1]), np.float32)
        first, last = self._row(start), self._row(stop - 1) + 1
        kept = np.ones(last - first, bool)
        kept[self._held[np.searchsorted(self._held, first) : np.searchsorted(self._held, last)] - first] = False
        return self._preparation.transform(self._reader.read(first, last, self._columns))[kept]

    def _row(self, position: int) -> int:
        """Return the row of the source for a position among the training rows."""
        return position + int(np.searchsorted(self._before, position, side="right"))


def slices(rows: Any, size: int = BLOCK) -> Iterator[Any]:
    """Go through rows, at most `size` at once."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def file_checksum(path: Path) -> str:
    """Return the SHA-256 of a file, read in chunks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_checksum(folder: Path, files: Iterable[Path]) -> str:
    """Return the SHA-256 over the names and contents of files in a folder."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_checksum(path)}\n".encode())
    return digest.hexdigest()
