"""Runs: a trained model as a folder that can be resumed, opened and used on data. `TASKS` lists what can be trained."""

from contractive.studies.runs._apply import Predicted, RowOptions, Scored, drift, encode, predict, reconstruct, score
from contractive.studies.runs._autoencoder import (
    AutoencoderMetrics,
    AutoencoderRun,
    AutoencoderSettings,
    completed_network,
)
from contractive.studies.runs._classes import (
    ClassifierMetrics,
    ClassLabels,
    EncoderMetrics,
    Evaluation,
    LayerMetrics,
    class_labels,
    evaluate,
)
from contractive.studies.runs._classifier import ClassifierRun
from contractive.studies.runs._classifier_settings import ClassifierSettings
from contractive.studies.runs._detector import DetectorRun, DetectorSettings
from contractive.studies.runs._engine import TASKS, open_run, train
from contractive.studies.runs._folder import Files, RunError
from contractive.studies.runs._task import (
    Job,
    ProgressCallback,
    RowFunction,
    Run,
    RunDocument,
    Task,
    TaskSettings,
    Trained,
    with_problems,
)
from contractive.studies.runs._unusual import Bound, DetectorMetrics, Reason, Row, Tested

__all__ = ["train", "Trained", "ProgressCallback"]
# tasks
__all__ += ["TASKS", "Task", "TaskSettings", "Job", "AutoencoderSettings", "ClassifierSettings", "DetectorSettings"]
# from a folder
__all__ += ["open_run", "Run", "AutoencoderRun", "ClassifierRun", "DetectorRun", "RunDocument", "RunError", "Files"]
__all__ += ["RowFunction", "with_problems"]
# on data
__all__ += ["encode", "reconstruct", "predict", "Predicted", "score", "Scored", "drift", "RowOptions"]
# metrics
__all__ += ["AutoencoderMetrics", "ClassifierMetrics", "Evaluation", "EncoderMetrics", "LayerMetrics"]
__all__ += ["evaluate", "DetectorMetrics", "Tested", "Row", "Reason", "Bound"]
# labels and data
__all__ += ["ClassLabels", "class_labels", "completed_network"]
