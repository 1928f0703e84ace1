"""scikit-learn estimators: features from a table, an outlier detector, classifiers over stacked autoencoders."""

from contractive.estimators._autoencoder import ContractiveAutoencoder
from contractive.estimators._detector import ContractiveOutlierDetector
from contractive.estimators._manifold_classifier import ManifoldTangentClassifier
from contractive.estimators._stacked_classifier import StackedContractiveClassifier

__all__ = [
    "ContractiveAutoencoder",
    "ContractiveOutlierDetector",
    "StackedContractiveClassifier",
    "ManifoldTangentClassifier",
]
