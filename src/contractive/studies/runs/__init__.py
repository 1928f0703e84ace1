"""Runs: a trained model as a folder that can be resumed, opened and used on data. `TASKS` lists what can be trained."""

from contractive.studies.runs._apply import Predicted, RowOptions, encode, predict, reconstruct
from contractive.studies.runs._autoencoder import AutoencoderMetrics, AutoencoderRun, AutoencoderSettings, value_range
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
from contractive.studies.runs._engine import TASKS, open_run, train
from contractive.studies.runs._folder import Files, RunError
from contractive.studies.runs._task import Job, ProgressCallback, Run, RunDocument, Task, TaskSettings, Trained

__all__ = [
    "train",
    "Trained",
    "ProgressCallback",
    # tasks
    "TASKS",
    "Task",
    "TaskSettings",
    "Job",
    "AutoencoderSettings",
    "ClassifierSettings",
    # from a folder
    "open_run",
    "Run",
    "AutoencoderRun",
    "ClassifierRun",
    "RunDocument",
    "RunError",
    "Files",
    # on data
    "encode",
    "reconstruct",
    "predict",
    "Predicted",
    "RowOptions",
    # metrics
    "AutoencoderMetrics",
    "ClassifierMetrics",
    "Evaluation",
    "EncoderMetrics",
    "LayerMetrics",
    "evaluate",
    # labels and data
    "ClassLabels",
    "class_labels",
    "value_range",
]
