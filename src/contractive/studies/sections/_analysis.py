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
    """How much is measured.

    Attributes:
        seed: Seed of noise, points, directions and probe vectors.
        num_points: Rows at which Jacobians are computed.
        map_points: Rows on the maps.
        attack_points: Rows that are attacked.
        umap: Whether to draw a map by UMAP where the library is installed.
    """

    seed: int = 0
    num_points: int = 1000
    map_points: int = 1000
    attack_points: int = 500
    umap: bool = True


@dataclass(frozen=True)
class Facts:
    """What decides which sections apply.

    Attributes:
        features: Numbers per row.
        code: Numbers per code.
        no_classes: Why there are no classes, as words that end a sentence; empty if there are.
        smallest_class: Measured rows of the smallest class.
        varies: Whether the code varies at all.
        layers: Layers of the encoder; 0 if it is no `nn.Sequential`.
    """

    features: int
    code: int
    no_classes: str
    smallest_class: int
    varies: bool
    layers: int


@dataclass(frozen=True)
class RowSet:
    """Some rows: what they are, for instance `test rows`, and how many."""

    name: str
    rows: int


@dataclass(frozen=True)
class DataSummary:
    """The data of an analysis.

    Attributes:
        name: Name of the data.
        features: Numbers per row.
        measured: Test rows, validation rows or new rows: those that are measured.
        reference: Training rows, which the model knows; of new rows they are the measured rows themselves.
        noise_unit: Standard deviation of noise of level 1: that of a typical feature in `reference`.
        image_shape: (channels, height, width) where a row is an image.
        feature_names: Empty where the features are only numbered.
        classes: Names of the classes; empty where there are none.
        available: Rows of each split before the limit.
        notes: Sentences on what was found or decided.
    """

    name: str
    features: int
    measured: RowSet
    reference: RowSet
    noise_unit: float
    image_shape: tuple[int, int, int] | None = None
    feature_names: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    available: tuple[RowSet, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunSummary:
    """The run of the model, from `summary_of`.

    Attributes:
        folder: Where it lies.
        objective: Name of its objective.
        network: Architecture in a few words.
        weight: Weight of the penalty.
        error_increase: Relative increase of the validation error by the penalty, where training measured it.
        squared_norm: ‖J‖² on validation rows.
        squared_norm_without: The same after the same training without the penalty.
        command: Command that trained it.
        checksum: SHA-256 of its data.
    """

    folder: str = ""
    objective: str = ""
    network: str = ""
    weight: float | None = None
    error_increase: float | None = None
    squared_norm: float | None = None
    squared_norm_without: float | None = None
    command: str = ""
    checksum: str = ""


@dataclass(frozen=True)
class MetricValue:
    """One number with the words of its `Metric`; infinite values are None."""

    label: str
    value: float | None
    unit: str
    help: str


@dataclass(frozen=True)
class SectionResult:
    """What one section found.

    Attributes:
        metrics: By key, or `key:group` where a metric is measured several times.
        arrays: Columns of the result's table, rounded to five digits; none of more than 1024 numbers.
        seconds: Time it took.
        result: What the section's `measure` returned.
    """

    metrics: Mapping[str, MetricValue]
    arrays: Mapping[str, tuple[float | None, ...]]
    seconds: float
    result: Any


@dataclass(frozen=True)
class Analysis:
    """What was measured of one model.

    Attributes:
        name: Name of the objective, or any name; it decides on the colour.
        data: What was measured.
        facts: What decided on the sections.
        settings: How much was measured.
        sections: Results by section, in the order they were asked for.
        left_out: Why a section does not apply, by section.
        warnings: Sentences if the model learned nothing.
        seconds: Time of all sections together.
        versions: Versions of the packages that matter.
        run: The run of the model.
        command: Command that makes it again.
    """

    name: str
    data: DataSummary
    facts: Facts
    settings: AnalysisSettings
    sections: Mapping[str, SectionResult]
    left_out: Mapping[str, str]
    warnings: tuple[str, ...]
    seconds: float
    versions: Mapping[str, str]
    run: RunSummary
    command: str

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
