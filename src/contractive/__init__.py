"""Contractive autoencoders: a correct Jacobian penalty for your encoder; training, comparison, analysis.

Names are loaded when first used, so that `import contractive` costs nothing and the penalty needs torch only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contractive import analysis, models, objectives, training
    from contractive.estimators import (
        ContractiveAutoencoder,
        ContractiveOutlierDetector,
        ManifoldTangentClassifier,
        PromiseWarning,
        StackedContractiveClassifier,
    )
    from contractive.jacobian import jacobian, plan, singular_values, squared_norm, value_and_squared_norm
    from contractive.models import Autoencoder, Recipe, conv, load, mlp, save, tied
    from contractive.objectives import Objective, Term
    from contractive.objectives.check import PenaltyCheck, check_penalty
    from contractive.training import (
        CollapseWarning,
        History,
        TrainingDiverged,
        contract,
        fit,
        fit_with_max_error_increase,
    )

__version__ = "0.1.0"

# the Jacobian
__all__ = ["value_and_squared_norm", "squared_norm", "jacobian", "singular_values", "plan", "check_penalty"]
__all__ += ["PenaltyCheck"]
# autoencoders
__all__ += ["Autoencoder", "Recipe", "mlp", "tied", "conv", "save", "load"]
# what is minimised
__all__ += ["Objective", "Term", "objectives"]
# training
__all__ += ["fit", "fit_with_max_error_increase", "contract", "History", "CollapseWarning", "TrainingDiverged"]
# scikit-learn
__all__ += ["ContractiveAutoencoder", "ContractiveOutlierDetector", "StackedContractiveClassifier"]
__all__ += ["ManifoldTangentClassifier", "PromiseWarning"]
# rooms of their own
__all__ += ["analysis", "models", "training"]

_MODULES = {"analysis", "jacobian", "models", "objectives", "training"}  # `jacobian` is callable: see there
_HOME = {
    "jacobian": ("value_and_squared_norm", "squared_norm", "singular_values", "plan"),
    "objectives.check": ("check_penalty", "PenaltyCheck"),
    "models": ("Autoencoder", "Recipe", "mlp", "tied", "conv", "save", "load"),
    "objectives": ("Objective", "Term"),
    "training": (
        *("fit", "fit_with_max_error_increase", "contract"),
        *("History", "CollapseWarning", "TrainingDiverged"),
    ),
    "estimators": (
        *("ContractiveAutoencoder", "ContractiveOutlierDetector"),
        *("StackedContractiveClassifier", "ManifoldTangentClassifier", "PromiseWarning"),
    ),
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"contractive.{name}")
    home = next((module for module, names in _HOME.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'contractive' has no attribute {name!r}")
    try:
        value = getattr(import_module(f"contractive.{home}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "contractive").startswith("contractive"):
            raise
        remedy = f"contractive.{name} needs {error.name}, which is not installed. Run: pip install 'contractive[all]'"
        raise ModuleNotFoundError(remedy, name=error.name) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
