"""Norms against maps whose Jacobians are known by hand."""

import math

import torch
from torch import nn

from contractive import analysis
from measured import gaussian, linear


def test_norms_of_a_linear_map():
    matrix = torch.diag(torch.tensor([2.0, 0.5, 0.1]))
    norms = analysis.norms(linear(matrix), gaussian(5, 3))
    torch.testing.assert_close(norms.squared_frobenius, torch.full((5,), 4.26, dtype=torch.float64))
    torch.testing.assert_close(norms.frobenius, torch.full((5,), 4.26**0.5, dtype=torch.float64))
    torch.testing.assert_close(norms.operator, torch.full((5,), 2.0, dtype=torch.float64))
    assert norms.contractive_share == 0
    assert analysis.norms(linear(matrix / 2), gaussian(5, 3)).contractive_share == 1


def test_norms_of_a_sigmoid_layer_by_hand():
    encoder = nn.Sequential(nn.Linear(1, 1), nn.Sigmoid())
    with torch.no_grad():
        encoder[0].weight.fill_(8.0)
        encoder[0].bias.zero_()
    norms = analysis.norms(encoder, torch.tensor([[0.0], [1.0]]))
    h = 1 / (1 + math.exp(-8))
    torch.testing.assert_close(norms.operator, torch.tensor([2.0, 8 * h * (1 - h)]))
    assert norms.contractive_share == 0.5
