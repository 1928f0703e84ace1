"""Results of studies: on disk as one artifact and its table, as a data frame, and in a notebook."""

import csv
import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import ClassVar, Self

from contractive.core.artifacts import Artifact
from contractive.core.files import write_text
from contractive.core.results import TableResult
from contractive.data import Split
from contractive.studies.metrics import noise_unit

Cell = str | int | float | None


@dataclass(frozen=True)
class DataFacts:
    """The data of a study."""

    name: str
    features: int  # numbers per row
    rows: dict[str, int]  # their number by `train`, `validation` and `test`
    noise_unit: float  # standard deviation of noise of level 1
    labelled: bool = False  # whether rows have labels
    image: tuple[int, int] | None = None  # height and width where a row is a grey image
    checksum: str = ""  # SHA-256 of what was read
    names: tuple[str, ...] = ()  # of the features, where the source has them

    def __post_init__(self) -> None:
        if not {"train", "validation", "test"} <= set(self.rows):
            raise ValueError("rows of train, validation and test must be counted")

    @classmethod
    def of(cls, split: Split) -> "DataFacts":
        """Return the facts of a split."""
        rows = {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)}
        labelled = split.labels is not None
        names = split.preparation.given_names if split.preparation else ()
        return cls(split.name, split.features, rows, noise_unit(split), labelled, split.image, split.checksum, names)


# a study writes them with every run, and each time all that its maker says of a package would be read
version = cache(metadata.version)


def versions(*packages: str) -> dict[str, str]:
    """Return the versions that results depend on: of this package, of torch and numpy, and of those named."""
    return {name: version(name) for name in ("contractive", "torch", "numpy", *packages)}


class StudyResult(TableResult, ABC):
    """A frozen dataclass that is stored and shown as a table."""

    kind: ClassVar[str]
    file: ClassVar[str]

    @abstractmethod
    def table(self) -> tuple[list[str], list[list[Cell]]]:
        """Return the headings and the rows of the table; None stands for a missing number."""

    def write(self, folder: str | Path) -> None:
        """Write the artifact (`.json`, and `.npz` for arrays) and the table (`.csv`) into a folder."""
        Artifact.of(self.kind, self).write(folder, self.file)
        text = io.StringIO()
        headings, rows = self.table()
        csv.writer(text, lineterminator="\n").writerows([headings, *rows])
        write_text(Path(folder) / f"{self.file}.csv", text.getvalue())

    @classmethod
    def read(cls, folder: str | Path) -> Self:
        """Read what `write` wrote.

        Raises:
            ArtifactError: A missing or broken file, or one of another version.
        """
        return Artifact.read(folder, cls.file, cls.kind).to(cls, Path(folder) / f"{cls.file}.json")

    def columns(self) -> dict[str, tuple[Cell, ...]]:
        """Return the columns by name."""
        headings, rows = self.table()
        return dict(zip(headings, zip(*rows, strict=True), strict=True))
