"""Everything that is measured of a trained model, section by section, for one model or several side by side.

A section is a class in a file with those like it. It measures, names its numbers, draws them and says what they mean.
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
from contractive.studies.sections._examples import ExampleRows, FeatureSensitivity
from contractive.studies.sections._reconstruction import Reconstructions
from contractive.studies.sections._robustness import RobustCode, fit_probe
from contractive.studies.sections._rows import (
    LEAST_ROWS,
    Rows,
    class_numbers,
    read_rows,
    rows_of_split,
    summary_of,
    thinned,
)
from contractive.studies.sections._section import Caveat, Context, Group, Section, Subject
from contractive.studies.sections._sections import (
    SECTIONS,
    analysis_sentences,
    analysis_tiles,
    analysis_verdict,
    analyze,
    caveats,
    left_out,
    read_analysis,
    section_pictures,
)
from contractive.studies.sections._units import CodeMap, umap_map

__all__ = ["analyze", "read_analysis", "AnalysisSettings"]
# what it found, in words and pictures
__all__ += ["Analysis", "SectionResult", "MetricValue", "DataSummary", "RowSet", "RunSummary", "Facts"]
__all__ += ["analysis_sentences", "analysis_tiles", "analysis_verdict", "caveats", "section_pictures", "Context"]
# rows to measure on
__all__ += ["Rows", "read_rows", "rows_of_split", "class_numbers", "summary_of", "thinned", "LEAST_ROWS"]
# sections, and one of your own
__all__ += ["SECTIONS", "left_out", "Section", "Subject", "Group", "Caveat"]
# results that are not of `contractive.analysis`
__all__ += ["Reconstructions", "ExampleRows", "FeatureSensitivity", "CodeMap", "RobustCode"]
# measurements that need other libraries
__all__ += ["umap_map", "fit_probe"]
