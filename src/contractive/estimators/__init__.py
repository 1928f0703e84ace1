"""scikit-learn estimators: features from a table, an outlier detector, classifiers over stacked autoencoders."""

from contractive.estimators._autoencoder import ContractiveAutoencoder
from contractive.estimators._classifiers import ManifoldTangentClassifier, StackedContractiveClassifier
from contractive.estimators._detector import ContractiveOutlierDetector
from contractive.estimators._parameters import budget

__all__ = ["ContractiveAutoencoder", "ContractiveOutlierDetector", "StackedContractiveClassifier"]
__all__ += ["ManifoldTangentClassifier", "budget"]
