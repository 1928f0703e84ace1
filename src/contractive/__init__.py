"""Contractive autoencoders: the right Jacobian penalty for any encoder, fast; training, comparison, analysis.

Importing this needs torch and nothing heavier: `fit`, `save` and `load` bring in what they need when first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from contractive import corruption, jacobian, objectives, penalties
from contractive.autoencoder import Autoencoder, Recipe, conv, mlp, tied
from contractive.jacobian import plan, singular_values, squared_norm, value_and_squared_norm
from contractive.objectives import Objective, Term

if TYPE_CHECKING:
    from contractive.jacobian import jacobian as jacobian  # at run time the module, which is callable
    from contractive.training import CollapseWarning, History, TrainingDiverged, fit

__version__ = "0.1.0"

__all__ = [
    # the Jacobian
    "value_and_squared_norm",
    "squared_norm",
    "jacobian",
    "singular_values",
    "plan",
    # autoencoders
    "Autoencoder",
    "Recipe",
    "mlp",
    "tied",
    "conv",
    # what is minimised
    "Objective",
    "Term",
    "objectives",
    "penalties",
    "corruption",
    # training
    "fit",
    "History",
    "CollapseWarning",
    "TrainingDiverged",
]

_LAZY = {
    "fit": "training",
    "History": "training",
    "CollapseWarning": "training",
    "TrainingDiverged": "training",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'contractive' has no attribute {name!r}")
    try:
        return getattr(import_module(f"contractive.{_LAZY[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("contractive"):
            raise
        raise ModuleNotFoundError(
            f"contractive.{name} needs {error.name}, which is not installed. Run: pip install 'contractive[all]'",
            name=error.name,
        ) from error


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
