"""Everything that is measured of a trained model, section by section, for one model or several side by side.

A section is one class, in a file of its own: it measures, names its numbers, draws them and says what they mean.
"""

from contractive.studies.sections._analysis import (
    Analysis,
    AnalysisSettings,
    DataSummary,
    Facts,
    MetricValue,
    RowSet,
    RunSummary,
    SectionResult,
)
from contractive.studies.sections._examples import ExampleRows
from contractive.studies.sections._features import FeatureSensitivity
from contractive.studies.sections._map import CodeMap, umap_map
from contractive.studies.sections._read import LEAST_ROWS, read_rows, rows_of_split, summary_of
from contractive.studies.sections._reconstruction import Reconstructions
from contractive.studies.sections._robustness import RobustCode, fit_probe
from contractive.studies.sections._rows import Rows, class_numbers
from contractive.studies.sections._section import Caveat, Context, Group, Section, Subject
from contractive.studies.sections._sections import (
    SECTIONS,
    analysis_sentences,
    analysis_tiles,
    analyze,
    caveats,
    left_out,
    read_analysis,
    section_pictures,
)

__all__ = [
    "analyze",
    "read_analysis",
    "AnalysisSettings",
    # what it found
    "Analysis",
    "SectionResult",
    "MetricValue",
    "DataSummary",
    "RowSet",
    "RunSummary",
    "Facts",
    # in words and pictures
    "analysis_sentences",
    "analysis_tiles",
    "caveats",
    "section_pictures",
    "Context",
    # rows to measure on
    "Rows",
    "read_rows",
    "rows_of_split",
    "class_numbers",
    "summary_of",
    "LEAST_ROWS",
    # sections, and one of your own
    "SECTIONS",
    "left_out",
    "Section",
    "Subject",
    "Group",
    "Caveat",
    # results that are not of `contractive.analysis`
    "Reconstructions",
    "ExampleRows",
    "FeatureSensitivity",
    "CodeMap",
    "RobustCode",
    # measurements that need other libraries
    "umap_map",
    "fit_probe",
]
