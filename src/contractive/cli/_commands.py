"""The commands, in the order of the help. What they need is imported when they run: help answers at once."""

from contractive.cli import _compare, _illustrate, _report, _version
from contractive.cli._app import app

__all__ = ["app", "_compare", "_illustrate", "_report", "_version"]
