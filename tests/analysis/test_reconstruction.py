"""Reconstruction error against rows done by hand."""

import math

import torch

from contractive import analysis


def test_reconstruction_error_and_share_of_variance():
    x = torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    assert analysis.reconstruction(lambda rows: rows, x).r2 == 1
    mean = analysis.reconstruction(lambda rows: rows * 0 + rows.mean(0), x)
    assert mean.errors.tolist() == [1, 1]
    assert mean.r2 == 0
    assert math.isnan(analysis.reconstruction(lambda rows: rows, x[:1]).r2)


def test_equal_rows_have_no_share_of_variance():
    for dtype in (torch.float32, torch.float64):
        assert math.isnan(analysis.reconstruction(lambda rows: rows + 1, torch.full((7, 4), 0.1, dtype=dtype)).r2)
