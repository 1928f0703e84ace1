"""scikit-learn classifiers over stacked contractive autoencoders."""

from contractive.classifiers._manifold import ManifoldTangentClassifier
from contractive.classifiers._stacked import StackedContractiveClassifier

__all__ = ["StackedContractiveClassifier", "ManifoldTangentClassifier"]
