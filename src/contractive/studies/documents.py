"""Results of studies: on disk as one artifact and its table, as a data frame, and in a notebook."""

import csv
import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from contractive.core.artifacts import Artifact
from contractive.core.files import write_text
from contractive.data import Split
from contractive.studies.metrics import noise_unit

if TYPE_CHECKING:
    import pandas as pd

Cell = str | int | float | None


@dataclass(frozen=True)
class DataFacts:
    """The data of a study.

    Attributes:
        name: Name of the data set.
        features: Numbers per row.
        rows: Their number by `train`, `validation` and `test`.
        noise_unit: Standard deviation of noise of level 1.
        labelled: Whether rows have labels.
        image: Height and width where a row is a grey image.
        checksum: SHA-256 of what was read.
    """

    name: str
    features: int
    rows: dict[str, int]
    noise_unit: float
    labelled: bool = False
    image: tuple[int, int] | None = None
    checksum: str = ""

    @classmethod
    def of(cls, split: Split) -> "DataFacts":
        """Return the facts of a split."""
        rows = {"train": len(split.train), "validation": len(split.validation), "test": len(split.test)}
        labelled = split.labels is not None
        return cls(split.name, split.features, rows, noise_unit(split), labelled, split.image, split.checksum)


def versions(*packages: str) -> dict[str, str]:
    """Return the versions that results depend on: of this package, of torch and numpy, and of those named."""
    return {name: version(name) for name in ("contractive", "torch", "numpy", *packages)}


class StudyResult(ABC):
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

    def to_pandas(self) -> "pd.DataFrame":
        """Return the table as a data frame of pandas."""
        import pandas as pd

        headings, rows = self.table()
        return pd.DataFrame(rows, columns=headings)

    def _repr_html_(self) -> str:
        headings, rows = self.table()
        lines = ["".join(f"<td>{escape(_shown(cell))}</td>" for cell in row) for row in [headings, *rows]]
        return f"<table><tr>{'</tr><tr>'.join(lines)}</tr></table>"


def _shown(cell: Cell) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else "" if cell is None else str(cell)
