"""Several fits under one budget, measured alike: kinds compared, or one kind over its weight."""

from contractive.experiments._compare import Settings, compare
from contractive.experiments._fit import Budget
from contractive.experiments._measures import MEASURES, Measure
from contractive.experiments._results import Results, read, write
from contractive.experiments._sweep import sweep
from contractive.experiments._sweep_results import Sweep, SweepTrial, read_sweep, write_sweep
from contractive.experiments._sweep_settings import SweepSettings
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
    # the weight of one kind
    "sweep",
    "SweepSettings",
    "Sweep",
    "SweepTrial",
    "read_sweep",
    "write_sweep",
]
