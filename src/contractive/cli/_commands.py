"""The commands, in the order of the help. What they need is imported when they run: help answers at once."""

from contractive.cli import (
    _analyze,
    _classify,
    _compare,
    _export,
    _illustrate,
    _predict,
    _projector,
    _report,
    _sweep,
    _train,
    _use,
    _version,
)
from contractive.cli._app import app

__all__ = [
    "app",
    "_compare",
    "_train",
    "_classify",
    "_predict",
    "_use",
    "_analyze",
    "_sweep",
    "_illustrate",
    "_report",
    "_export",
    "_projector",
    "_version",
]
