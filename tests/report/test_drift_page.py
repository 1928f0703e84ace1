"""The sentence on drift names what changed, and how."""

import pytest

from contractive.estimators import Drift, FeatureDrift
from contractive.report import drift_sentence


def said(*p_values, score=1.0):
    features = tuple(FeatureDrift(f"column {i}", *each) for i, each in enumerate(p_values))
    found = Drift(min(score, *(min(each) for each in p_values)), score, features)
    return drift_sentence(found).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("p_values", "score", "words"),
    [
        ([(0.3, 1, 1)], 1, "No change is found: the smallest corrected p-value is 0.3."),
        ([(0.0, 1, 1)], 1, "since training, in column 0: the smallest corrected p-value is below 10⁻¹⁶."),
        (
            [(0.01, 1, 1), (1, 1, 1e-3)],
            1,
            "The values of column 1 show no change, but how they go with the others does.",
        ),
        ([(1, 0.01, 1), (1, 1, 0.01)], 1, "since training, in how column 0 and column 1 go with other features: the"),
        (
            [(1, 1, 1)],
            0.02,
            "since training, as a whole and in no single feature: the smallest corrected p-value is 0.02",
        ),
        ([(0, 1, 1)] * 12, 1, "column 8, column 9 and 2 more: the"),
    ],
    ids=["none", "values", "relation beside", "relation", "whole", "many"],
)
def test_the_sentence_names_what_changed(p_values, score, words):
    assert words in said(*p_values, score=score)
