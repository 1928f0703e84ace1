"""Measurements of trained encoders, each a function that returns a frozen dataclass. Needs torch only.

Encoders are any callable from (rows, *features) to codes, in evaluation mode. Every function bounds its memory: it
takes evenly spaced rows and works in parts. docs/analysis.md has the formulas.
"""

from contractive.analysis._agreement import TangentAgreement, principal_angles, tangent_agreement
from contractive.analysis._attack import accuracy_under_attack
from contractive.analysis._codes import Codes, codes
from contractive.analysis._curve import ContractionCurve, contraction_by_depth, contraction_curve
from contractive.analysis._directions import Directions, directions, directions_by_class
from contractive.analysis._distance import TangentNeighbors, orthonormal, squared_tangent_distances, tangent_neighbors
from contractive.analysis._evaluate import apply, spread_rows
from contractive.analysis._evaluation_points import EvaluationPoints, evaluation_points
from contractive.analysis._examples import ExampleJacobians, example_jacobians, one_per_class
from contractive.analysis._field import ScoreError, VectorField, grid, reconstruction_norms, score_error, vector_field
from contractive.analysis._mixture import GaussianMixture
from contractive.analysis._norms import Norms, norms
from contractive.analysis._principal import PrincipalComponents, principal_components
from contractive.analysis._probe import LinearProbe, Robustness, accuracy_under_noise
from contractive.analysis._reconstruction import Reconstruction, reconstruction
from contractive.analysis._sensitivity import Sensitivity, SensitivityProfile, sensitivity, sensitivity_profile
from contractive.analysis._similarity import Similarity, SimilarityTable, similarities, similarity
from contractive.analysis._spectra import Spectra, spectra
from contractive.analysis._tangents import Tangents, Walks, tangents, walks

__all__ = [
    # how much the code moves
    "sensitivity",
    "Sensitivity",
    "sensitivity_profile",
    "SensitivityProfile",
    "norms",
    "Norms",
    # where it moves
    "evaluation_points",
    "EvaluationPoints",
    "contraction_curve",
    "contraction_by_depth",
    "ContractionCurve",
    # in which directions
    "spectra",
    "Spectra",
    "directions",
    "directions_by_class",
    "Directions",
    "example_jacobians",
    "ExampleJacobians",
    "one_per_class",
    "tangents",
    "Tangents",
    "walks",
    "Walks",
    "tangent_agreement",
    "TangentAgreement",
    "principal_angles",
    # distance between points with their tangent planes
    "squared_tangent_distances",
    "tangent_neighbors",
    "TangentNeighbors",
    "orthonormal",
    # what is left of the data
    "reconstruction",
    "Reconstruction",
    "reconstruction_norms",
    "vector_field",
    "VectorField",
    "grid",
    "score_error",
    "ScoreError",
    "GaussianMixture",
    # what codes look like
    "codes",
    "Codes",
    "principal_components",
    "PrincipalComponents",
    "similarity",
    "Similarity",
    "similarities",
    "SimilarityTable",
    # what a classifier on the code stands
    "LinearProbe",
    "accuracy_under_noise",
    "accuracy_under_attack",
    "Robustness",
    # over many rows
    "apply",
    "spread_rows",
]
