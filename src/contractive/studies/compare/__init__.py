"""Several objectives trained with the same network and settings, and measured alike."""

from contractive.studies.compare._compare import compare
from contractive.studies.compare._results import Fit, ObjectiveResult, Results
from contractive.studies.compare._search import Search, SearchTrial
from contractive.studies.compare._settings import CompareSettings

__all__ = ["compare", "CompareSettings"]
# what it found
__all__ += ["Results", "ObjectiveResult", "Fit"]
# the rule for weights
__all__ += ["Search", "SearchTrial"]
