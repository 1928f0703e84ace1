"""Several kinds of autoencoder trained under one budget and measured alike."""

from contractive.studies.compare._compare import Settings, compare
from contractive.studies.compare._fit import Budget
from contractive.studies.compare._results import Results, read, write

__all__ = [
    "compare",
    "Settings",
    "Budget",
    # results as files
    "Results",
    "read",
    "write",
]
