"""Training on Lightning behind one function, `fit`.

What needs Lightning is loaded when first used: it takes seconds, and a run is opened without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from contractive.training._batches import Rows
from contractive.training._checks import DEVICES, PRECISIONS
from contractive.training._collapse import collapse
from contractive.training._history import CollapseWarning, History, TrainingDiverged
from contractive.training._schedules import SCHEDULES

if TYPE_CHECKING:
    from contractive.training._checkpoints import CheckpointError
    from contractive.training._fit import fit
    from contractive.training._penalty import JacobianPenalty
    from contractive.training._price import fit_at_price
    from contractive.training._trainer import is_first_process

__all__ = [
    "fit",
    "fit_at_price",
    "History",
    "Rows",
    "is_first_process",
    # for a LightningModule of one's own
    "JacobianPenalty",
    # what the settings may be
    "SCHEDULES",
    "DEVICES",
    "PRECISIONS",
    # what can go wrong
    "CheckpointError",
    "CollapseWarning",
    "TrainingDiverged",
    "collapse",
]

_LATER = {
    "CheckpointError": "_checkpoints",
    "fit": "_fit",
    "JacobianPenalty": "_penalty",
    "fit_at_price": "_price",
    "is_first_process": "_trainer",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    globals()[name] = value
    return value
