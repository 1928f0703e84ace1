"""What a section of the analysis is: one class that measures, names, draws and describes one property of a model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, get_type_hints

import numpy as np
import torch
from torch import Tensor

from contractive.core.artifacts import Artifact
from contractive.core.results import TableResult
from contractive.models import Autoencoder
from contractive.studies.metrics import Metric
from contractive.studies.pages import Picture, Tile
from contractive.studies.sections._analysis import Analysis, AnalysisSettings, Facts, MetricValue
from contractive.studies.sections._rows import Rows

R = TypeVar("R")
CODE = "code per input"  # unit of a Jacobian and its singular values
CLEAR = 1.02  # factors above it are clearly above 1; closer to 1 the words would only follow rounding
_MOST_LISTED = 1024


class Group(NamedTuple):
    """Sections that stand together on the page, with a title and what they are about."""

    title: str
    lead: str


CONTRACTION = Group(
    "Contraction: how much, and where",
    "A contractive autoencoder is trained to respond little to small changes of its data. These pictures show whether"
    " it does, and how far from the data this holds. J is the Jacobian of the encoder at a row, x the input and z the"
    " code; lengths are Euclidean.",
)
DIRECTIONS = Group(
    "Directions: what the code responds to",
    "A code cannot ignore every direction and still distinguish rows. It has to respond to the directions in which the"
    " data vary.",
)
RECONSTRUCTION = Group(
    "Reconstruction: what the code keeps",
    "Contraction costs reconstruction: a code that responded to nothing could not be decoded.",
)
UNITS = Group("The code itself", "These pictures show what the units do, and where the rows lie in the space of codes.")
CLASSIFIER = Group(
    "A classifier on the code",
    "A classifier on the code stays accurate if the code keeps its meaning while the input is disturbed.",
)


@dataclass(frozen=True)
class Subject:
    """The model that is measured, and what it is measured on."""

    autoencoder: Autoencoder
    rows: Rows
    settings: AnalysisSettings

    @property
    def encode(self) -> Callable[[Tensor], Tensor]:
        """The encoder."""
        return self.autoencoder.encoder

    def generator(self) -> torch.Generator:
        """Return the same generator for every section, so that leaving one out changes no other."""
        return torch.Generator().manual_seed(self.settings.seed)


@dataclass(frozen=True)
class Context:
    """What pictures have to know besides the results."""

    rows: str  # what was measured, for instance `test rows`
    image: tuple[int, int] | None = None  # height and width where a row is an image
    channels: int = 1  # channels of an image
    names: tuple[str, ...] | None = None  # names of the features, or None
    classes: tuple[str, ...] = ()  # names of the classes
    note: str = ""  # added to every caption, for instance ` Seed 0.`

    def one_channel(self, rows: Tensor) -> Tensor:
        """Return features of images as one channel, the mean of all; others as they are."""
        if self.image is None or self.channels == 1:
            return rows
        height, width = self.image
        return rows.reshape(*rows.shape[:-1], self.channels, height * width).mean(-2)


class Caveat(NamedTuple):
    """A sentence on why numbers must not be taken at face value; the page shows the smallest `rank` first."""

    rank: int
    text: str


class Section(ABC, Generic[R]):
    """One section of the analysis: everything that is known about it.

    `R` is what it measures: a dataclass, tensor, tuple or mapping of such. It is stored by the annotation of `measure`.
    Name, title, group and topic are given as keywords of the class.
    """

    name: ClassVar[str]  # its key in Python and in files, and its name in messages
    title: ClassVar[str]  # heading of its numbers on the page
    group: ClassVar[Group]  # where it stands on the page
    metrics: ClassVar[tuple[Metric, ...]] = ()  # words for the numbers that `values` returns
    topic: ClassVar[str] = ""  # heading of its sentences; sections of the same topic share a paragraph

    def __init_subclass__(cls, **words: str | Group) -> None:
        for name, value in words.items():
            setattr(cls, name, value)

    @abstractmethod
    def measure(self, subject: Subject) -> R:
        """Measure the model."""

    def reason_left_out(self, facts: Facts) -> str:
        """Return why the section does not apply, as words that end a sentence; empty if it applies."""
        return ""

    def values(self, result: R) -> Mapping[str, float]:
        """Return the numbers of a result by key, or `key:group`; NaN for one that does not exist for this model."""
        return {}

    def warnings(self, result: R) -> Sequence[str]:
        """Return sentences if the model learned nothing."""
        return ()

    def pictures(self, results: Mapping[str, R], context: Context) -> Iterable[Picture]:
        """Draw the results of one model, or of several side by side."""
        return ()

    def sentences(self, document: Analysis) -> str:
        """Say what was found in whole sentences, made from the document's numbers alone."""
        return ""

    def caveats(self, document: Analysis) -> Iterable[Caveat]:
        """Say why numbers of this section, or others, must not be taken at face value."""
        return ()

    def tile(self, document: Analysis) -> Tile | None:
        """Return the number that stands for the section at the top of the page."""
        return None

    def described(self, result: R) -> dict[str, MetricValue]:
        """Return the numbers that exist, with their words."""
        words = {metric.key: metric for metric in self.metrics}
        made = {}
        for key, value in self.values(result).items():
            metric, _, group = key.partition(":")
            label = f"{words[metric].label}, {group}" if group else words[metric].label
            if value == value:
                made[key] = MetricValue(label, _finite(float(value)), words[metric].unit, words[metric].help)
        return made

    def listed(self, result: R) -> dict[str, tuple[float | None, ...]]:
        """Return the columns of the result, if it is a table, that are numbers and not too long; five digits."""
        table = result.columns() if isinstance(result, TableResult) else {}
        columns = {name: np.asarray(column) for name, column in table.items() if len(column) <= _MOST_LISTED}
        return {
            name: tuple(_finite(float(f"{value:.5g}")) for value in column.tolist())
            for name, column in columns.items()
            if column.dtype.kind in "fiu"
        }

    def restored(self, packed: Any, arrays: Mapping[str, np.ndarray] | None = None) -> R:
        """Return a result as `measure` gave it, from what an `Artifact` made of it.

        Raises:
            ArtifactError: It is something else.
        """
        return Artifact(self.name, packed, arrays or {}).to(get_type_hints(type(self).measure)["return"])


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
