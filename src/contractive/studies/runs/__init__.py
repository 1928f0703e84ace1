"""Runs: one trained autoencoder as a folder that can be resumed, opened and used on data.

`train` is loaded when first used: Lightning takes seconds, and a run is opened without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from contractive.studies.runs._apply import encode, reconstruct
from contractive.studies.runs._folder import RunError
from contractive.studies.runs._open import AnyRun, Run, open_run
from contractive.studies.runs._settings import DEFAULT_MAX_ERROR_INCREASE, MODELS, Settings, span
from contractive.studies.runs._source import is_training_data, load_again, split_parts

if TYPE_CHECKING:
    from contractive.studies.runs._train import Trained, train

__all__ = [
    "train",
    "Trained",
    "Settings",
    "MODELS",
    "DEFAULT_MAX_ERROR_INCREASE",
    "span",
    # from a folder
    "open_run",
    "Run",
    "AnyRun",
    "RunError",
    "load_again",
    "split_parts",
    "is_training_data",
    # on data
    "encode",
    "reconstruct",
]


def __getattr__(name: str) -> Any:
    if name not in ("train", "Trained"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}._train"), name)
    globals()[name] = value
    return value
