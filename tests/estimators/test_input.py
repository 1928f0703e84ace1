"""Sparse matrices, torch's default precision, and fits in several threads."""

import sys

import joblib
import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.datasets import load_iris

import contractive as ct

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
TABLE, CLASSES = load_iris(return_X_y=True)
COUNTS = np.where(TABLE > np.median(TABLE, 0), TABLE, 0)
QUICK = {"max_epochs": 2, "random_state": 0}


@pytest.mark.parametrize("kind", ["csr_matrix", "csc_array", "coo_array"])
@pytest.mark.parametrize("estimator", [ct.ContractiveAutoencoder, ct.ContractiveOutlierDetector])
def test_a_sparse_matrix_is_the_table_it_stands_for(estimator, kind):
    sparse = getattr(scipy.sparse, kind)(COUNTS)
    ours, wanted = (estimator(n_components=4, **QUICK).fit(rows) for rows in (sparse, COUNTS))
    assert np.array_equal(ours.score_samples(sparse), wanted.score_samples(COUNTS))
    if estimator is ct.ContractiveAutoencoder:
        assert np.array_equal(ours.transform(sparse), wanted.transform(COUNTS))
        assert np.array_equal(ours.partial_fit(sparse).transform(COUNTS), wanted.partial_fit(COUNTS).transform(COUNTS))


def test_a_sparse_matrix_of_single_precision_stays_so():
    features = ct.ContractiveAutoencoder(n_components=4, **QUICK).fit(COUNTS)
    assert features.transform(scipy.sparse.csr_array(COUNTS.astype(np.float32))).dtype == np.float32


@pytest.mark.parametrize("estimator", [ct.StackedContractiveClassifier, ct.ManifoldTangentClassifier])
def test_classifiers_take_sparse_matrices(estimator):
    sparse = scipy.sparse.csr_array(COUNTS)
    quick = {"hidden_layer_sizes": (5,), "pretraining_epochs": 1, "max_epochs": 2, "random_state": 0}
    ours = estimator(**quick).fit(sparse, CLASSES, unlabelled=sparse[:20])
    wanted = estimator(**quick).fit(COUNTS, CLASSES, unlabelled=COUNTS[:20])
    assert np.array_equal(ours.predict_proba(sparse), wanted.predict_proba(COUNTS))


def test_sparse_rows_must_be_finite():
    sparse = scipy.sparse.csr_array(COUNTS)
    sparse.data[3] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        ct.ContractiveAutoencoder(**QUICK).fit(sparse)


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("double")
def test_estimators_train_in_single_precision_whatever_the_default():
    for rows in (TABLE, TABLE.astype(np.float32)):
        features = ct.ContractiveAutoencoder(n_components=4, **QUICK).fit(rows)
        assert next(features.autoencoder_.parameters()).dtype == torch.float32
        assert features.transform(rows).dtype == rows.dtype
        detector = ct.ContractiveOutlierDetector(n_components=4, **QUICK).fit(rows)
        assert set(detector.predict(rows)) <= {-1, 1}
    model = ct.ManifoldTangentClassifier(hidden_layer_sizes=(5,), pretraining_epochs=1, max_epochs=2, random_state=0)
    assert model.fit(TABLE, CLASSES).predict_proba(TABLE).shape == (150, 3)


@pytest.mark.usefixtures("double")
def test_fit_follows_the_precision_of_the_network():
    x = torch.as_tensor(TABLE)
    for objective in (ct.objectives.contractive(0.01), ct.objectives.contractive_denoising(0.01)):
        autoencoder = ct.mlp(4, code=3)
        history = ct.fit(autoencoder, x.float(), objective, validation=x[:20], max_epochs=2, progress=False)
        assert next(autoencoder.parameters()).dtype == torch.float64
        assert len(history) == 2


@pytest.fixture
def switched_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")  # filters are of the process, not of a thread
@pytest.mark.usefixtures("switched_often")
def test_the_same_seed_in_several_threads_gives_the_same_bits():
    rows = TABLE[:40]

    def codes(_):
        return ct.ContractiveAutoencoder(n_components=4, max_epochs=1, random_state=0).fit(rows).transform(rows)

    alone = codes(None)
    together = joblib.Parallel(n_jobs=4, backend="threading")(joblib.delayed(codes)(i) for i in range(8))
    assert all(np.array_equal(found, alone) for found in together)


def test_float_classes_are_refused_with_the_reason():
    with pytest.raises(ValueError, match="Unknown label type: continuous"):
        ct.StackedContractiveClassifier(max_epochs=1).fit(TABLE, np.where(CLASSES > 0, 1.5, 2.5))


@pytest.mark.parametrize("made", [ct.ContractiveAutoencoder, ct.ContractiveOutlierDetector])
def test_numbers_whose_squares_are_infinite_are_refused(made):
    x = np.linspace(-1, 1, 60).reshape(20, 3) * 3e30
    with pytest.raises(ValueError, match=r"X must hold numbers of at most 1e\+30, got 3e\+30\. Change their unit\."):
        made(max_epochs=1).fit(x)


def test_rows_without_a_class_are_named():
    x, labels = np.linspace(0, 1, 60).reshape(20, 3), np.array(["a", None] * 10, dtype=object)
    with pytest.raises(ValueError, match=r"y must have a class for each row, got None\. Give rows"):
        ct.StackedContractiveClassifier(max_epochs=1).fit(x, labels)


@pytest.mark.parametrize(
    "made", [ct.ContractiveAutoencoder, ct.ContractiveOutlierDetector, ct.StackedContractiveClassifier]
)
def test_masked_values_are_refused(made):
    x = np.ma.masked_greater(np.linspace(0, 1, 60).reshape(20, 3), 0.95)
    labels = (np.arange(20) % 2,) if made is ct.StackedContractiveClassifier else ()
    with pytest.raises(ValueError, match=r"X must hold no masked values, got 3 of them\. Leave these rows out"):
        made(max_epochs=1).fit(x, *labels)
