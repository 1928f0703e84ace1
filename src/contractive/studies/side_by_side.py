"""Sections of an analysis that comparisons and sweeps show of their models side by side: those that are quick."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from contractive import analysis
from contractive.data import Split
from contractive.models import Autoencoder
from contractive.studies.metrics import MEASURING_ERRORS
from contractive.studies.sections import LEAST_ROWS, AnalysisSettings, CodeMap, RobustCode, analyze, rows_of_split

COMPARED = ("sensitivity", "contraction curve", "spectra", "codes", "map", "robustness")
SWEPT = ("norms", "sensitivity", "contraction curve", "spectra", "codes")
_SETTINGS = AnalysisSettings(num_points=600, map_points=500, attack_points=200, umap=False)


@dataclass(frozen=True)
class ShownSections:
    """Results of sections of one model; None where one does not apply."""

    norms: analysis.Norms | None = None
    sensitivity: analysis.SensitivityProfile | None = None
    contraction_curve: analysis.ContractionCurve | None = None
    spectra: analysis.Spectra | None = None
    codes: analysis.Codes | None = None
    map: CodeMap | None = None
    robustness: RobustCode | None = None
    classes: tuple[str, ...] = ()  # names of the classes by the numbers that `map` holds
    sampled_codes: Tensor | None = None  # codes of up to 1000 rows, for their similarity to those of other models

    @classmethod
    def of(
        cls, autoencoder: Autoencoder, split: Split, only: tuple[str, ...] = COMPARED, limit: int = 10_000
    ) -> "ShownSections":
        """Measure the sections named in `only` on at most `limit` rows; none with fewer than 12 test rows."""
        if len(split.test) < LEAST_ROWS:
            return cls()
        rows = rows_of_split(split, limit)
        found = dict(analyze(autoencoder, rows, _SETTINGS, only=only).results)
        if "map" in found:
            found["map"] = replace(found["map"], inputs=rows.measured[:0])  # the same for all models
        codes = analysis.apply(autoencoder.encoder, analysis.spread_rows(rows.measured, 1000))
        results = {name.replace(" ", "_"): result for name, result in found.items()}
        return cls(classes=rows.data.classes, sampled_codes=codes, **results)

    def by_name(self) -> dict[str, object]:
        """Return the results that there are, by the name of the section."""
        found = {name.replace("_", " "): result for name, result in vars(self).items() if result is not None}
        return {name: result for name, result in found.items() if name not in ("classes", "sampled codes")}


def similarity_of(models: Mapping[str, ShownSections]) -> analysis.SimilarityTable | None:
    """Return how alike the codes of several models are; None with fewer than two that vary."""
    codes = {name: shown.sampled_codes for name, shown in models.items() if shown.sampled_codes is not None}
    varying = {name: code for name, code in codes.items() if float(code.std(0).max()) > 0}
    if len(varying) < 2:
        return None
    neighbors = min(10, len(next(iter(varying.values()))) - 1)
    try:
        return analysis.similarities(varying, num_neighbors=neighbors)
    except MEASURING_ERRORS:  # of few rows
        return None
