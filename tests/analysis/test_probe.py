"""Accuracy under noise against the error function."""

import math

import pytest
import torch
from torch import nn

from contractive import analysis
from contractive.analysis import LinearProbe
from measured import gaussian, linear, seeded

SIGNS = LinearProbe(torch.tensor([[-1.0], [1.0]]).double(), torch.zeros(2).double())


def test_accuracy_of_a_threshold_under_gaussian_noise():
    # x = 1 of class 1 and x = -1 of class 0: wrong where the noise is beyond 1, Phi(1 / sigma) right
    labels = torch.arange(2).repeat(5000)
    x = (2.0 * labels - 1).double().unsqueeze(1)
    found = analysis.accuracy_under_noise(nn.Identity(), SIGNS, x, labels, [2.0, 0.0, 0.5], generator=seeded())
    assert found.sizes == (0.0, 0.5, 2.0)
    expected = [1.0, *(0.5 * (1 + math.erf(1 / sigma / 2**0.5)) for sigma in (0.5, 2.0))]
    assert found.accuracies == pytest.approx(expected, abs=0.01)


def test_scores_are_those_of_the_code():
    probe = LinearProbe(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([0.5, -0.5]))
    assert probe.scores(torch.tensor([[1.0, 10.0]])).tolist() == [[21.5, 42.5]]


def test_two_rows_make_a_probe():
    with pytest.raises(ValueError, match=r"probe must have weight \(classes, code\) for at least two classes"):
        LinearProbe(torch.zeros(1, 3), torch.zeros(1))
    with pytest.raises(ValueError, match="probe must have weight"):
        LinearProbe(torch.zeros(2, 3), torch.zeros(3))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"labels": torch.zeros(2).long()}, "labels must be one per row"),
        ({"labels": torch.zeros(3)}, r"labels must be whole numbers, got torch\.float32"),
        ({"labels": torch.tensor([0, 1, 2])}, "labels must lie between 0 and 1, got 0 to 2"),
        ({"labels": torch.tensor([0, 1, -1])}, "labels must lie between 0 and 1, got -1 to 1"),
        ({"sigmas": []}, "sizes must be at least one number from 0"),
        ({"sigmas": [-1.0]}, "sizes must be at least one number from 0"),
        ({"num_draws": 0}, "num_draws must be at least 1"),
        ({"encode": nn.Dropout()}, "encode must be in evaluation mode, got a training Dropout"),
        ({"encode": nn.Sequential(nn.BatchNorm1d(1))}, "got a training BatchNorm1d"),
    ],
)
def test_misuse_is_refused(options, match):
    usual = {"encode": linear([[1.0]]), "probe": SIGNS, "x": gaussian(3, 1), "labels": torch.tensor([0, 1, 1])}
    with pytest.raises(ValueError, match=match):
        analysis.accuracy_under_noise(**(usual | {"sigmas": [0.1]} | options))
