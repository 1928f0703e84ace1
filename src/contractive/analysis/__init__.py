"""Measurements of trained encoders, each a function that returns a frozen dataclass. Needs torch only.

All functions share these conventions, and docs/analysis.md has their formulas:

- Notation: f encodes, g decodes, r = g o f, J = df/dx is k x d for a code of k numbers and an input of d features.
- An encoder is any callable from rows (rows, *features) to codes that treats every row alone, in evaluation mode.
- `x` is a floating-point tensor of rows. Lengths are Euclidean and in the units of x.
- Memory is bounded: a count such as `num_points` takes at most so many evenly spaced rows, and work is split into
  parts of `jacobian.MEMORY_BUDGET` bytes.
- `generator` is the source of all random numbers, on any device; torch's global one if omitted. The same state gives
  the same result, and meets every encoder with the same noise, points and directions.
- A value that breaks a rule raises `InvalidValue`, a `ValueError` that names it; a wrong type `InvalidType`.
- Results have a short `repr`; those that are a table have `to_pandas()`, and notebooks show them as one.
"""

from contractive.analysis._bounds import CertifiedNorms, certified_norms
from contractive.analysis._codes import Codes, Similarity, SimilarityTable, codes, similarities, similarity
from contractive.analysis._contraction import (
    ContractionCurve,
    EvaluationPoints,
    Sensitivity,
    SensitivityProfile,
    contraction_by_depth,
    contraction_curve,
    evaluation_points,
    sensitivity,
    sensitivity_profile,
)
from contractive.analysis._distance import TangentNeighbors, orthonormal, squared_tangent_distances, tangent_neighbors
from contractive.analysis._dynamics import (
    AveragedJacobian,
    FixedPoints,
    Trajectories,
    averaged_jacobian,
    fixed_points,
    trajectories,
)
from contractive.analysis._reconstruction import (
    GaussianMixture,
    LocalDimension,
    Reconstruction,
    ScoreError,
    VectorField,
    grid,
    local_dimension,
    reconstruction,
    reconstruction_norms,
    score_error,
    vector_field,
)
from contractive.analysis._robustness import LinearProbe, Robustness, accuracy_under_attack, accuracy_under_noise
from contractive.analysis._rows import PrincipalComponents, apply, principal_components, spread_rows
from contractive.analysis._spectra import Directions, Norms, Spectra, directions, directions_by_class, norms, spectra
from contractive.analysis._tangents import (
    ExampleJacobians,
    TangentAgreement,
    Tangents,
    TangentsOf,
    Walks,
    example_jacobians,
    one_per_class,
    principal_angles,
    tangent_agreement,
    tangents,
    tangents_of,
    walks,
)

# how much the code changes
__all__ = ["sensitivity", "Sensitivity", "sensitivity_profile", "SensitivityProfile", "norms", "Norms"]
# where it changes
__all__ += ["evaluation_points", "EvaluationPoints", "contraction_curve", "contraction_by_depth", "ContractionCurve"]
# in which directions
__all__ += ["spectra", "Spectra", "directions", "directions_by_class", "Directions"]
__all__ += ["example_jacobians", "ExampleJacobians", "one_per_class", "walks", "Walks"]
__all__ += ["tangents", "Tangents", "tangents_of", "TangentsOf"]
__all__ += ["tangent_agreement", "TangentAgreement", "principal_angles"]
# distance between points with their tangent planes
__all__ += ["squared_tangent_distances", "tangent_neighbors", "TangentNeighbors", "orthonormal"]
# what is left of the data
__all__ += ["reconstruction", "Reconstruction", "reconstruction_norms", "vector_field", "VectorField", "grid"]
__all__ += ["local_dimension", "LocalDimension"]
__all__ += ["score_error", "ScoreError", "GaussianMixture"]
# z <- f(g(z)), and a map on average
__all__ += ["fixed_points", "FixedPoints", "trajectories", "Trajectories"]
__all__ += ["averaged_jacobian", "AveragedJacobian"]
__all__ += ["certified_norms", "CertifiedNorms"]
# what codes look like
__all__ += ["codes", "Codes", "principal_components", "PrincipalComponents"]
__all__ += ["similarity", "Similarity", "similarities", "SimilarityTable"]
# accuracy of a classifier on the code
__all__ += ["LinearProbe", "accuracy_under_noise", "accuracy_under_attack", "Robustness"]
# over many rows
__all__ += ["apply", "spread_rows"]
