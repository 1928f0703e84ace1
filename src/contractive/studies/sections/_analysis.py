"""What was measured of one model: the same dataclasses in memory and on disk."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contractive.core.artifacts import Artifact

KIND = "analysis"


@dataclass(frozen=True)
class AnalysisSettings:
    """How much is measured."""

    seed: int = 0  # of noise, points, directions and probe vectors
    num_points: int = 1000  # at which Jacobians are computed
    map_points: int = 1000  # rows on the maps
    attack_points: int = 500  # rows that are attacked
    umap: bool = True  # draw a map by UMAP where the library is installed


@dataclass(frozen=True)
class Facts:
    """What decides which sections apply."""

    features: int  # numbers per row
    code: int  # numbers per code
    no_classes: str  # why there are no classes, as words that end a sentence; empty if there are
    smallest_class: int  # measured rows of the smallest class
    varies: bool  # true where the code varies at all
    layers: int  # layers of the encoder; 0 if it is no `nn.Sequential`


@dataclass(frozen=True)
class RowSet:
    """Some rows: what they are, for instance `test rows`, and how many."""

    name: str
    rows: int


@dataclass(frozen=True)
class DataSummary:
    """The data of an analysis."""

    name: str  # as pages write it
    features: int  # numbers per row
    measured: RowSet  # test rows, validation rows or new rows: those that are measured
    reference: RowSet  # training rows, which the model knows; of new rows they are the measured rows themselves
    noise_unit: float  # standard deviation of noise of level 1: that of a typical feature in `reference`
    image_shape: tuple[int, int, int] | None = None  # (channels, height, width) where a row is an image
    feature_names: tuple[str, ...] = ()  # empty where the features are only numbered
    classes: tuple[str, ...] = ()  # names of the classes; empty where there are none
    available: tuple[RowSet, ...] = ()  # rows of each split before the limit
    notes: tuple[str, ...] = ()  # sentences on what was found or decided


@dataclass(frozen=True)
class RunSummary:
    """The run of the model, from `summary_of`."""

    folder: str = ""  # where it lies
    objective: str = ""  # name of its objective
    network: str = ""  # architecture in a few words
    weight: float | None = None  # weight of the penalty
    error_increase: float | None = None  # by the penalty, as a share, if measured
    max_error_increase: float | None = None  # what was allowed for it
    still_falling: float | None = None  # share by which the error fell in the last tenth of the epochs
    squared_norm: float | None = None  # ‖J‖² on validation rows
    squared_norm_without: float | None = None  # the same after the same training without the penalty
    command: str = ""  # command that trained it
    checksum: str = ""  # SHA-256 of its data


@dataclass(frozen=True)
class MetricValue:
    """One number with the words of its `Metric`; infinite values are None."""

    label: str
    value: float | None
    unit: str
    help: str


@dataclass(frozen=True)
class SectionResult:
    """What one section found."""

    metrics: Mapping[str, MetricValue]  # by key, or `key:group` where a metric is measured several times
    arrays: Mapping[str, tuple[float | None, ...]]  # short columns of the result's table, rounded
    seconds: float  # time it took
    result: Any  # what the section's `measure` returned


@dataclass(frozen=True)
class Analysis:
    """What was measured of one model."""

    name: str  # name of the objective, or any name; it decides on the colour
    data: DataSummary  # what was measured
    facts: Facts  # what decided on the sections
    settings: AnalysisSettings  # how much was measured
    sections: Mapping[str, SectionResult]  # results by section, in the order they were asked for
    left_out: Mapping[str, str]  # why a section does not apply, by section
    warnings: tuple[str, ...]  # sentences if the model learned nothing
    seconds: float  # time of all sections together
    versions: Mapping[str, str]  # versions of the packages that matter
    run: RunSummary  # the run of the model
    command: str  # command that makes it again

    @property
    def results(self) -> dict[str, Any]:
        """What each section's `measure` returned, by section."""
        return {name: section.result for name, section in self.sections.items()}

    @property
    def rows(self) -> str:
        """What was measured, for instance `test rows`."""
        return self.data.measured.name

    def value(self, section: str, key: str) -> float:
        """Return one number; NaN where it does not exist."""
        found = self.sections[section].metrics.get(key) if section in self.sections else None
        return math.nan if found is None or found.value is None else found.value

    def write(self, folder: str | Path) -> None:
        """Write `analysis.json` and `analysis.npz`, each whole or not at all; the folder is made if missing."""
        Artifact.of(KIND, self).write(folder, KIND)
