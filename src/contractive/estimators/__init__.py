"""scikit-learn estimators: features from a table, an outlier detector, classifiers over stacked autoencoders."""

from contractive.estimators._autoencoder import ContractiveAutoencoder
from contractive.estimators._base import ContractiveEstimator
from contractive.estimators._classifiers import ManifoldTangentClassifier, StackedContractiveClassifier
from contractive.estimators._detector import ContractiveOutlierDetector
from contractive.estimators._drift import Drift, FeatureDrift, Stretch
from contractive.estimators._folds import FEWEST_ROWS
from contractive.estimators._parameters import budget
from contractive.estimators._reasons import Change, Explanation
from contractive.estimators._saving import is_saved
from contractive.estimators._surprise import PromiseWarning

__all__ = ["ContractiveAutoencoder", "ContractiveOutlierDetector", "StackedContractiveClassifier"]
__all__ += ["ManifoldTangentClassifier", "budget", "FEWEST_ROWS"]
# either of the first two, from a folder
__all__ += ["ContractiveEstimator", "is_saved"]
# what the detector returns and warns of
__all__ += ["Explanation", "Change", "Drift", "FeatureDrift", "Stretch", "PromiseWarning"]
