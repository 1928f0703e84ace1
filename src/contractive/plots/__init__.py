"""Pictures: plain numbers or results of `contractive.analysis` in, a plotly figure out, without any computing.

Every kind of autoencoder keeps its colour. Mappings are by variant; `layout.meta` holds a layout for narrow screens.
"""

from contractive.plots._classification import confusion, learning, mistakes
from contractive.plots._codes import code_histograms, code_map, similarity, thumbnails, unit_activity
from contractive.plots._contraction import (
    class_directions,
    contraction_by_depth,
    contraction_curves,
    directions,
    spectra,
)
from contractive.plots._curves import accuracy_under_noise, trade_off, training_curves
from contractive.plots._distributions import operator_norm, reconstruction_error, sensitivity
from contractive.plots._fields import vector_fields
from contractive.plots._jacobians import feature_lines, jacobian_features, jacobian_pictures, jacobian_rows
from contractive.plots._pareto import pareto, weight_curves
from contractive.plots._pictures import filters, reconstructions
from contractive.plots._robustness import robustness
from contractive.plots._sensitivity import evaluation_points, sensitivity_at, sensitivity_profiles
from contractive.plots._style import NEUTRAL, Room, axes, color, in_order, panels, set_axes
from contractive.plots._tangents import tangent_agreement, tangents, walks

__all__ = [
    # lines and points
    "training_curves",
    "accuracy_under_noise",
    "trade_off",
    # a sweep over the weight
    "pareto",
    "weight_curves",
    # distributions over test examples
    "sensitivity",
    "sensitivity_profiles",
    "sensitivity_at",
    "operator_norm",
    "reconstruction_error",
    "evaluation_points",
    # how far, how many, in which directions
    "contraction_curves",
    "contraction_by_depth",
    "spectra",
    "directions",
    "class_directions",
    # single examples
    "jacobian_rows",
    "jacobian_pictures",
    "jacobian_features",
    "feature_lines",
    "tangents",
    "walks",
    "tangent_agreement",
    # what the network sees
    "filters",
    "reconstructions",
    "vector_fields",
    # codes
    "code_histograms",
    "unit_activity",
    "code_map",
    "thumbnails",
    "similarity",
    # a classifier on the code
    "robustness",
    # a classifier of its own
    "learning",
    "confusion",
    "mistakes",
    # the colour of a kind, and of models that are no kinds
    "color",
    "in_order",
    # a figure of your own in this style
    "panels",
    "Room",
    "axes",
    "set_axes",
    "NEUTRAL",
]
