"""Pictures of a comparison: plain numbers in, a plotly figure out. Every kind of autoencoder keeps its colour."""

from contractive.plots._curves import accuracy_under_noise, trade_off, training_curves
from contractive.plots._distributions import operator_norm, sensitivity
from contractive.plots._pictures import filters, reconstructions
from contractive.plots._style import color

__all__ = [
    # lines and points
    "training_curves",
    "accuracy_under_noise",
    "trade_off",
    # distributions over test examples
    "sensitivity",
    "operator_norm",
    # what the network sees
    "filters",
    "reconstructions",
    # the colour of a kind
    "color",
]
