"""Everything that is measured of a trained model, section by section, for one model or several side by side."""

from contractive.studies.sections._analyze import Analysis, AnalysisSettings, analyze
from contractive.studies.sections._applies import RULES, Facts, left_out
from contractive.studies.sections._document import document
from contractive.studies.sections._figures import FIGURES, Figure, figures
from contractive.studies.sections._pack import PackError, pack, unpack
from contractive.studies.sections._read import read_rows, rows_of_split
from contractive.studies.sections._results import Examples, FeatureSensitivity, Map, Reconstructions, RobustCode
from contractive.studies.sections._rows import Rows
from contractive.studies.sections._store import StoredAnalysis, read_analysis, write_analysis_files

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
    "write_analysis_files",
    "read_analysis",
    "StoredAnalysis",
]
