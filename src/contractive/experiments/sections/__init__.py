"""Everything that is measured of a trained model, section by section, for one model or several side by side."""

from contractive.experiments.sections._analyze import Analysis, AnalysisSettings, analyze
from contractive.experiments.sections._applies import RULES, Facts, left_out
from contractive.experiments.sections._document import document
from contractive.experiments.sections._figures import FIGURES, Figure, figures
from contractive.experiments.sections._pack import PackError, pack, unpack
from contractive.experiments.sections._read import read_rows, rows_of_split
from contractive.experiments.sections._results import (
    Examples,
    FeatureSensitivity,
    Map,
    Reconstructions,
    RobustCode,
)
from contractive.experiments.sections._rows import Rows

__all__ = [
    "analyze",
    "Analysis",
    "AnalysisSettings",
    "document",
    # rows to measure on
    "Rows",
    "read_rows",
    "rows_of_split",
    # which sections apply
    "left_out",
    "Facts",
    "RULES",
    # the numbers of a section
    "figures",
    "Figure",
    "FIGURES",
    # results that are not of `contractive.analysis`
    "Reconstructions",
    "Examples",
    "FeatureSensitivity",
    "Map",
    "RobustCode",
    # as files
    "pack",
    "unpack",
    "PackError",
]
