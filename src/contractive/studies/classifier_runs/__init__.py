"""Runs that end in a classifier: a stack of pretrained layers, fine-tuned on labels, as a folder.

`train` is loaded when first used: Lightning takes seconds, and a run is opened without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from contractive.studies.classifier_runs._judge import Judged, judge
from contractive.studies.classifier_runs._open import ClassifierRun, open_any, open_classifier
from contractive.studies.classifier_runs._predict import Predicted, predict
from contractive.studies.classifier_runs._settings import PRETRAINING, Settings
from contractive.studies.classifier_runs._task import Task, task_of

if TYPE_CHECKING:
    from contractive.studies.classifier_runs._train import Trained, train

__all__ = [
    "train",
    "Trained",
    "Settings",
    "PRETRAINING",
    # labels
    "task_of",
    "Task",
    # from a folder
    "open_classifier",
    "open_any",
    "ClassifierRun",
    # on data
    "predict",
    "Predicted",
    "judge",
    "Judged",
]


def __getattr__(name: str) -> Any:
    if name not in ("train", "Trained"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}._train"), name)
    globals()[name] = value
    return value
