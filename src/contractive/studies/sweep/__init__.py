"""One objective over its weight."""

from contractive.studies.sweep._results import Sweep, SweepTrial
from contractive.studies.sweep._settings import SweepSettings
from contractive.studies.sweep._sweep import sweep

__all__ = ["sweep", "SweepSettings", "Sweep", "SweepTrial"]
