"""scikit-learn's own checks; exempted is only what training in small batches cannot give."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import contractive as ct

# Equality to 1e-7 of weighted and repeated rows, which are shuffled into other batches; scikit-learn exempts its own
# MLPs alike. What holds instead is in test_weights.py.
EXEMPTED = {
    f"check_sample_weight_equivalence_on_{kind}_data": "mini-batches of weighted and of repeated rows differ"
    for kind in ("dense", "sparse")
}


# The checks fit on pure noise and on a constant; that a fit of noise may say so is not what they are about.
@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
@pytest.mark.filterwarnings("ignore::contractive.PromiseWarning")
@parametrize_with_checks(
    [
        ct.ContractiveAutoencoder(max_epochs=2),
        ct.ContractiveAutoencoder(max_epochs=20, start="random", objective="contractive", weight=0.1),
        ct.ContractiveOutlierDetector(max_epochs=1, n_components=4),
    ],
    expected_failed_checks=lambda estimator: EXEMPTED,
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)
