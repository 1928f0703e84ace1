"""Training on Lightning behind one function, `fit`; pretraining of stacks and fine-tuning of classifiers.

What needs Lightning is loaded when first used: it takes seconds, and a run is opened without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from contractive.training._checkpoints import CheckpointError, read_checkpoint
from contractive.training._fine_tuning import FineTuning, Regularisation, fine_tune
from contractive.training._history import (
    FALLING,
    CollapseWarning,
    Epochs,
    History,
    SearchWarning,
    TrainingDiverged,
    collapse,
    is_constant,
    shortcomings,
    still_falling,
)
from contractive.training._principal_components import (
    PrincipalComponents,
    preconditioned,
    principal_components,
    start_at_principal_components,
)
from contractive.training._rows import Rows
from contractive.training._settings import (
    DEVICES,
    FEWEST_SEARCH_EPOCHS,
    MACHINE,
    PRECISIONS,
    SCHEDULES,
    Device,
    Precision,
    Schedule,
    ScheduleName,
    TrainingOptions,
    TrainingSettings,
    check_center,
    check_device,
    check_machine,
    check_seed,
    is_first_process,
    place_of,
)
from contractive.training._start import Start, against_components, chosen_start, from_components
from contractive.training._warm_cosine import WarmCosine, budget

if TYPE_CHECKING:
    from contractive.training._contract import contract
    from contractive.training._error_increase import fit_with_max_error_increase
    from contractive.training._fit import FitOptions, fit
    from contractive.training._from_components import FromComponents, continue_from_components, fit_from_components
    from contractive.training._penalty import JacobianPenalty
    from contractive.training._pretraining import pretrain, start_at_mean
    from contractive.training._warm_up import WeightWarmUp

__all__ = ["fit", "fit_with_max_error_increase", "contract", "WeightWarmUp", "History", "Rows", "is_first_process"]
# from principal components on
__all__ += ["fit_from_components", "continue_from_components", "FromComponents", "WarmCosine", "budget"]
__all__ += ["PrincipalComponents", "principal_components", "start_at_principal_components", "preconditioned"]
__all__ += ["Start", "chosen_start", "against_components", "from_components"]
# stacks: without labels, then with labels
__all__ += ["start_at_mean", "pretrain", "fine_tune", "FineTuning", "Regularisation", "Epochs"]
# settings
__all__ += ["TrainingSettings", "TrainingOptions", "FitOptions", "SCHEDULES", "DEVICES", "PRECISIONS", "MACHINE"]
__all__ += ["FEWEST_SEARCH_EPOCHS"]
__all__ += ["ScheduleName", "Schedule", "Device", "Precision"]
# for your own LightningModule
__all__ += ["JacobianPenalty"]
# errors and warnings
__all__ += ["CheckpointError", "read_checkpoint", "CollapseWarning", "SearchWarning", "TrainingDiverged"]
__all__ += ["collapse", "is_constant", "shortcomings", "still_falling", "FALLING"]
# checks of arguments
__all__ += ["check_center", "check_device", "check_machine", "check_seed", "place_of"]

_LATER = {
    "fit": "_fit",
    "FitOptions": "_fit",
    "fit_with_max_error_increase": "_error_increase",
    "contract": "_contract",
    "WeightWarmUp": "_warm_up",
    "JacobianPenalty": "_penalty",
    "pretrain": "_pretraining",
    "start_at_mean": "_pretraining",
    "FromComponents": "_from_components",
    "fit_from_components": "_from_components",
    "continue_from_components": "_from_components",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = value
    return value
