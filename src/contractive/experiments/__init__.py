"""Several fits under one budget, measured alike."""

from contractive.experiments._compare import Settings, compare
from contractive.experiments._fit import Budget
from contractive.experiments._measures import MEASURES, Measure
from contractive.experiments._results import Results, read, write
from contractive.variants import VARIANTS, Variant

__all__ = [
    "compare",
    "Settings",
    "Budget",
    "VARIANTS",
    "Variant",
    "MEASURES",
    "Measure",
    # results as files
    "Results",
    "read",
    "write",
]
