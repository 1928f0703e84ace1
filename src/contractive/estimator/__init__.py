"""scikit-learn estimators over `fit`: features from a table, and an outlier detector."""

from contractive.estimator._autoencoder import ContractiveAutoencoder
from contractive.estimator._detector import ContractiveOutlierDetector

__all__ = ["ContractiveAutoencoder", "ContractiveOutlierDetector"]
