"""What all results on disk have in common: the facts of their data, the versions, and rows that make a table."""

import csv
import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING

from contractive.core.artifacts import ArtifactError
from contractive.data import Split
from contractive.studies.metrics import noise_unit

if TYPE_CHECKING:
    import pandas as pd

Cell = str | int | float | None


class ResultsError(ArtifactError):
    """A results folder that cannot be read, and what to do about it."""


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


class Table(ABC):
    """A result that is a table."""

    @abstractmethod
    def table(self) -> tuple[list[str], list[list[Cell]]]:
        """Return its headings and its rows; None stands for a missing number."""

    def to_csv(self) -> str:
        """Return the table as CSV text."""
        text = io.StringIO()
        headings, rows = self.table()
        csv.writer(text, lineterminator="\n").writerows([headings, *rows])
        return text.getvalue()

    def to_pandas(self) -> "pd.DataFrame":
        """Return the table as a data frame of pandas."""
        import pandas as pd

        headings, rows = self.table()
        return pd.DataFrame(rows, columns=headings)

    def _repr_html_(self) -> str:
        headings, rows = self.table()
        head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
        body = "".join(f"<tr>{''.join(f'<td>{_shown(cell)}</td>' for cell in row)}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _shown(cell: Cell) -> str:
    return f"{cell:.4g}" if isinstance(cell, float) else "" if cell is None else escape(str(cell))
