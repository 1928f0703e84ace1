"""Training on Lightning behind one function, `fit`."""

from contractive.training._batches import Rows
from contractive.training._checkpoints import CheckpointError
from contractive.training._checks import DEVICES, PRECISIONS
from contractive.training._collapse import collapse
from contractive.training._fit import SCHEDULES, fit
from contractive.training._history import CollapseWarning, History, TrainingDiverged
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
