"""Encoders whose rows depend on each other are found; all others pass."""

import pytest
import torch
from torch import nn

import contractive as ct
from contractive.jacobian import check_independent_rows

X = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
LINEAR = nn.Linear(6, 4)


class Mixed(nn.Module):
    """f(x) = l(x) + share * mean of l over the batch, whose Jacobian of a row is (1 + share / n) times that of l."""

    def __init__(self, share=1.0):
        super().__init__()
        self.linear, self.share = nn.Linear(6, 4), share

    def forward(self, x):
        code = self.linear(x)
        return code + self.share * code.mean(0)


@pytest.mark.parametrize("share", [1.0, -1.0, 0.01])
@pytest.mark.parametrize("rows", [2, 3, 20])
def test_a_mean_over_the_batch_is_found(share, rows):
    with pytest.raises(ValueError, match=r"encoder must treat every example on its own, got a code that changes by"):
        check_independent_rows(Mixed(share), X[:rows])


def test_attention_over_the_batch_is_found():
    attention = nn.MultiheadAttention(6, 1)
    with pytest.raises(ValueError, match="encoder must treat every example on its own"):
        check_independent_rows(lambda x: attention(x, x, x)[0], X)


@pytest.mark.parametrize(
    "encode",
    [
        LINEAR,
        nn.Sequential(nn.Linear(6, 300), nn.LayerNorm(300), nn.Tanh(), nn.Linear(300, 3)),
        nn.Sequential(nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 8, 3), nn.Flatten()),
        nn.BatchNorm1d(6).eval(),
        nn.Dropout(0.5),  # random: cannot be judged
        lambda x: 0 * x,
        lambda x: LINEAR(x).bfloat16(),
    ],
    ids=["linear", "layer norm", "convolution", "fixed batch norm", "random", "zero", "half"],
)
def test_independent_rows_pass(encode):
    check_independent_rows(encode, X)


def test_one_row_passes():
    check_independent_rows(Mixed(), X[:1])


def test_fit_refuses_it_before_the_first_step():
    autoencoder = ct.Autoencoder(Mixed(), nn.Linear(4, 6))
    before = autoencoder.encoder.linear.weight.clone()
    for objective in (ct.objectives.contractive(0.1), ct.objectives.contractive(0.1, method="probes")):
        with pytest.raises(ValueError, match="encoder must treat every example on its own"):
            ct.fit(autoencoder, X, objective, max_epochs=1, progress=False)
    assert torch.equal(autoencoder.encoder.linear.weight, before)


@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
def test_fit_without_a_penalty_takes_it():
    autoencoder = ct.Autoencoder(Mixed(), nn.Linear(4, 6))
    assert len(ct.fit(autoencoder, X, ct.objectives.standard(), max_epochs=1, progress=False)) == 1


def test_check_penalty_refuses_it():
    with pytest.raises(ValueError, match="encoder must treat every example on its own"):
        ct.check_penalty(lambda encode, x: ct.squared_norm(encode, x), Mixed().double(), X.double())
