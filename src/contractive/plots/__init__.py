"""Pictures: plain numbers or results of `contractive.analysis` in, a plotly figure out, without any computing.

Every objective keeps its colour. Mappings are by model; `layout.meta` holds a layout for narrow screens. `headings` are
those of the panels, one per example. `image` is the height and width where a row is an image, which is drawn as one.
`names` are those of the features, by default their numbers from 1. Boxes are quartiles, whiskers reach from 5 to 95 %.
"""

from contractive.plots._anomalies import p_values, ranking_curves, unusual_curves, unusual_images
from contractive.plots._contraction import (
    class_directions,
    contraction_by_depth,
    contraction_curves,
    directions,
    evaluation_points,
    local_dimension,
    operator_norm,
    reconstruction_error,
    sensitivity,
    sensitivity_at,
    sensitivity_profiles,
    spectra,
    tangent_agreement,
)
from contractive.plots._curves import accuracy_under_noise, learning, robustness, training_curves, weight_curves
from contractive.plots._features import MOST_BARS, FeatureAxis
from contractive.plots._panels import Room, axes, panels, set_axes
from contractive.plots._pictures import (
    feature_lines,
    filters,
    jacobian_features,
    jacobian_pictures,
    jacobian_rows,
    mistakes,
    reconstructions,
    tangents,
    walks,
)
from contractive.plots._planes import (
    code_histograms,
    code_map,
    confusion,
    pareto,
    similarity,
    thumbnails,
    trade_off,
    unit_activity,
    vector_fields,
)
from contractive.plots._style import NEUTRAL, color, colored, in_order, plain

# unusual rows
__all__ = ["p_values", "ranking_curves", "unusual_curves", "unusual_images"]
# training, and models against each other
__all__ += ["training_curves", "accuracy_under_noise", "trade_off"]
# a sweep over the weight
__all__ += ["pareto", "weight_curves"]
# distributions over test examples
__all__ += ["sensitivity", "sensitivity_profiles", "sensitivity_at", "operator_norm", "reconstruction_error"]
__all__ += ["evaluation_points", "local_dimension"]
# how far, how many, in which directions
__all__ += ["contraction_curves", "contraction_by_depth", "spectra", "directions", "class_directions"]
# single examples
__all__ += ["jacobian_rows", "jacobian_pictures", "jacobian_features", "feature_lines", "FeatureAxis", "MOST_BARS"]
__all__ += ["tangents", "walks", "tangent_agreement"]
# weights and reconstructions
__all__ += ["filters", "reconstructions", "vector_fields"]
# codes
__all__ += ["code_histograms", "unit_activity", "code_map", "thumbnails", "similarity"]
# a linear classifier on the code, and a classifier with layers of its own
__all__ += ["robustness", "learning", "confusion", "mistakes"]
# the colour of an objective, and of models that are none
__all__ += ["color", "in_order"]
# a figure of your own in this style
__all__ += ["panels", "Room", "axes", "set_axes", "NEUTRAL", "colored", "plain"]
