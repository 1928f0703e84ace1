"""Rows that are taken evenly, of very many too."""

import pytest
import torch
from torch import nn

from contractive import analysis
from contractive.objectives import Gaussian


def test_very_many_rows_are_taken_evenly():
    x = torch.zeros(2**24 + 4, 1, dtype=torch.uint8)  # single precision rounds the last index up to the length
    x[-1] = 1
    assert analysis.spread_rows(x, 4).flatten().tolist() == [0, 0, 0, 1]


def test_no_row_is_refused():
    with pytest.raises(ValueError, match="count must be at least 1, got 0"):
        analysis.spread_rows(torch.zeros(3, 1), 0)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")], ids=str)
@pytest.mark.parametrize(
    "measure",
    [
        lambda x: analysis.sensitivity(nn.Identity(), x, Gaussian(0.1)),
        lambda x: analysis.contraction_curve(nn.Identity(), x),
        lambda x: analysis.directions(nn.Identity(), x),
        lambda x: analysis.evaluation_points(nn.Identity(), x),
    ],
    ids=["sensitivity", "contraction_curve", "directions", "evaluation_points"],
)
def test_rows_that_are_not_finite_are_named(measure, wrong):
    x = torch.rand(9, 3)
    x[4, 1] = wrong
    with pytest.raises(ValueError, match=r"(x|training) must be finite") as refused:
        measure(x)
    assert "in 1 of 9 rows" in str(refused.value)


def test_a_code_that_is_not_finite_is_named():
    with pytest.raises(ValueError, match=r"codes\['one'\] must be finite, got nan or infinity in 12 of 12 rows"):
        analysis.similarity(torch.full((12, 2), float("nan")), torch.rand(12, 2))
