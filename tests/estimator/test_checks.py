"""scikit-learn's own checks, none exempted."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import contractive as ct


# The checks fit on pure noise and on a constant; that a fit of noise may say so is not what they are about.
@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
@parametrize_with_checks([ct.ContractiveAutoencoder(max_epochs=20), ct.ContractiveOutlierDetector(max_epochs=20)])
def test_scikit_learn_conventions(estimator, check):
    check(estimator)
