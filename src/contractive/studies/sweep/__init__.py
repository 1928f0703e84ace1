"""One objective over its weight."""

from contractive.studies.sweep._sweep import sweep
from contractive.studies.sweep._sweep_results import Sweep, SweepTrial, read_sweep, write_sweep
from contractive.studies.sweep._sweep_settings import SweepSettings

__all__ = ["sweep", "SweepSettings", "Sweep", "SweepTrial", "read_sweep", "write_sweep"]
