"""The commands, in the order of the help. What they need is imported when they run: help answers at once."""

from contractive.cli import _analyze, _compare, _export, _illustrate, _report, _train, _use, _version
from contractive.cli._app import app

__all__ = ["app", "_compare", "_train", "_use", "_analyze", "_illustrate", "_report", "_export", "_version"]
