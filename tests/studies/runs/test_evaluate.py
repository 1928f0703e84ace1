"""Errors against counting by hand, the interval against its formula."""

import numpy as np
import pytest
import torch
from torch import nn

from contractive.models import Classifier
from contractive.studies.runs import evaluate
from contractive.studies.runs._classes import interval, mistakes


def fixed():
    """A classifier whose logits are its inputs."""
    net = Classifier(nn.Sequential(nn.Linear(3, 3)), 3, 3)
    for layer in (net.encoder[0], net.linear):
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
    return net.eval()


X = torch.tensor([[5.0, 0, 0], [0, 2, 0], [0, 9, 0], [0, 0, 1], [3, 0, 0]])
LABELS = np.array([0, 1, 0, 2, -1])


def test_counts_are_those_by_hand():
    found = evaluate(fixed(), X, LABELS)
    assert (found.rows, found.wrong, found.unknown) == (5, 2, 1)
    assert found.error == 0.4
    assert found.confusion == ((1, 1, 0), (0, 1, 0), (0, 0, 1))
    assert found.class_error == (0.5, 0.0, 0.0)
    by_hand = [
        -np.log(np.exp(row[label]) / np.exp(row).sum()) for row, label in zip(X.numpy(), LABELS[:4], strict=False)
    ]
    assert found.loss == pytest.approx(np.mean(by_hand), rel=1e-5)


def test_a_class_without_rows_has_no_error():
    assert evaluate(fixed(), X[:2], LABELS[:2]).class_error == (0.0, 0.0, None)


@pytest.mark.parametrize(("count", "rows"), [(0, 10), (3, 10), (12, 360), (50, 50)])
def test_the_interval_is_wilsons(count, rows):
    z, p = 1.959963984540054, count / rows
    middle = (p + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z / (1 + z**2 / rows) * np.sqrt(p * (1 - p) / rows + z**2 / (4 * rows**2))
    assert interval(count, rows) == pytest.approx((middle - half, middle + half), abs=1e-12)


def test_mistakes_are_those_it_was_surest_of():
    found = mistakes(fixed(), X, LABELS)
    assert found.number.tolist() == [2, 4]
    assert found.given.tolist() == [1, 0]
    assert found.true.tolist() == [0, -1]
    assert found.rows.tolist() == X[[2, 4]].tolist()
    assert found.probability[0] == pytest.approx(np.exp(9) / (np.exp(9) + 2), rel=1e-6)


def test_at_most_24_mistakes_are_kept():
    found = mistakes(fixed(), torch.rand(40, 3) + torch.tensor([0.0, 0, 5]), np.zeros(40, int))
    assert len(found.rows) == 24
    assert (np.diff(found.probability) <= 0).all()


@pytest.mark.parametrize("labels", [LABELS[:3], LABELS[:, None]])
def test_labels_must_be_one_per_row(labels):
    with pytest.raises(ValueError, match="labels must be one per row, got"):
        evaluate(fixed(), X, labels)
    with pytest.raises(ValueError, match="for 0 rows"):
        evaluate(fixed(), X[:0], LABELS[:0])
