import numpy as np
import pytest
import torch

import contractive as ct
from contractive.estimators._score_module import Surprise
from contractive.estimators._surprise import Ranks

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def rows(seed, count=40, features=4):
    return np.random.RandomState(seed).standard_normal((count, features))


@pytest.fixture(scope="module")
def detectors():
    """Detectors by their score."""
    common = {"max_epochs": 2, "n_components": 6, "random_state": 0}
    return {
        name: ct.ContractiveOutlierDetector(score_by=name, **common).fit(rows(0))
        for name in ("reconstruction", "structured", "table")
    }


@pytest.mark.parametrize("score_by", ["reconstruction", "structured"])
def test_the_module_gives_score_and_flag_of_new_rows(detectors, score_by):
    detector = detectors[score_by]
    new = np.r_[rows(1), 10 * rows(2, 5)]
    score, flagged = detector.parts()["detector"](torch.from_numpy(detector.scaled(new)))
    np.testing.assert_allclose(score, -detector.score_samples(new), rtol=1e-9)
    np.testing.assert_array_equal(flagged, detector.predict(new) == -1)
    assert flagged.any()


def test_surprise_is_that_of_the_ranks_also_between_equal_and_beyond_all_numbers():
    for values in (np.array([1.0, 2, 2, 5, 7]), np.zeros(4), np.array([0.0, 0, 3])):
        ranks, numbers = Ranks.of(values), np.array([0, 0.5, 1, 1.5, 2, 3, 6.9, 7, 7.1, 90])
        np.testing.assert_allclose(Surprise(ranks)(torch.from_numpy(numbers)), ranks.surprise(numbers), atol=1e-12)


def test_what_needs_the_training_rows_is_refused(detectors):
    rule = "score_by must be reconstruction or structured to be exported, got table, which needs the training rows"
    with pytest.raises(ValueError, match=rule):
        detectors["table"].parts()


def test_what_depends_on_the_batch_is_refused(detectors):
    detector = detectors["reconstruction"].set_params(false_discovery_rate=0.1)
    with pytest.raises(ValueError, match=r"false_discovery_rate must be None to be exported, got 0\.1: flags depend"):
        detector.parts()
    detector.set_params(false_discovery_rate=None)
