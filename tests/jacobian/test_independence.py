"""Encoders whose rows depend on each other are found; all others pass."""

import copy

import pytest
import torch
from torch import nn

import contractive as ct
from contractive import objectives
from contractive.jacobian import Output, check_independent_rows

X = torch.randn(20, 6, generator=torch.Generator().manual_seed(0))
LINEAR = nn.Linear(6, 4)
GENERATOR = torch.Generator()


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
    with pytest.raises(ValueError, match=r"encoder must treat every example on its own, got rows that change by"):
        check_independent_rows(Mixed(share), X[:rows])


def test_attention_over_the_batch_is_found():
    attention = nn.MultiheadAttention(6, 1)
    with pytest.raises(ValueError, match="encoder must treat every example on its own"):
        check_independent_rows(lambda x: attention(x, x, x)[0], X)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: x.cumsum(0), X),
        (lambda x: x.flip(0).cumsum(0), X),
        (lambda x: x.unflatten(0, (8, 2)).softmax(1).flatten(0, 1), X),
        (lambda x: x + x.roll(1, 0), X),
        (lambda x: x + x.roll(len(x) // 2, 0), X),
        (Output(nn.GRU(6, 3), 0), X),
        (Output(nn.LSTM(6, 3), 0), X.reshape(5, 4, 6)),
        (nn.BatchNorm1d(6), X),
    ],
    ids=["earlier", "later", "pairs", "neighbours", "far", "GRU over rows", "LSTM, not batch first", "batch norm"],
)
def test_every_way_to_depend_on_other_rows_is_found(f, x):
    with pytest.raises(ValueError, match="encoder must treat every example on its own, got rows that change by"):
        check_independent_rows(f, x)


def test_it_leaves_no_trace_and_sees_through_dropout():
    module = nn.Sequential(nn.BatchNorm1d(6), nn.Dropout(0.5), Mixed())
    before, state, x = copy.deepcopy(module.state_dict()), torch.get_rng_state(), X.clone()
    with pytest.raises(ValueError, match="net must treat every example on its own"):
        check_independent_rows(module, x, "net", batch_norm=False)
    check_independent_rows(nn.Sequential(nn.ReLU(inplace=True), module[0]), x, batch_norm=False)
    assert all(torch.equal(module.state_dict()[name], value) for name, value in before.items())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(x, X)


@pytest.mark.parametrize(
    "encode",
    [
        LINEAR,
        nn.Sequential(nn.Linear(6, 300), nn.LayerNorm(300), nn.Tanh(), nn.Linear(300, 3)),
        nn.Sequential(nn.Unflatten(1, (1, 6)), nn.Conv1d(1, 8, 3), nn.Flatten()),
        nn.BatchNorm1d(6).eval(),
        nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5)),
        lambda x: x * torch.rand(len(x), 1, generator=GENERATOR),  # cannot be judged
        Output(nn.LSTM(1, 3, batch_first=True), 0),
        lambda x: x.sum(),  # nothing by row: refused elsewhere
        lambda x: 0 * x,
        lambda x: LINEAR(x).bfloat16(),
    ],
    ids="linear|layer norm|convolution|fixed batch norm|dropout|random|recurrent|no rows|zero|half".split("|"),
)
def test_independent_rows_pass(encode):
    check_independent_rows(encode, X.unsqueeze(2) if isinstance(encode, Output) else X)


def test_one_row_passes():
    check_independent_rows(Mixed(), X[:1])


def test_fit_refuses_it_before_the_first_step():
    autoencoder = ct.Autoencoder(Mixed(), nn.Linear(4, 6))
    before = autoencoder.encoder.linear.weight.clone()
    for objective in (ct.objectives.contractive(0.1), ct.objectives.contractive(0.1, method="probes")):
        with pytest.raises(ValueError, match="encoder must treat every example on its own"):
            ct.fit(autoencoder, X, objective, max_epochs=1, progress=False)
    assert torch.equal(autoencoder.encoder.linear.weight, before)


class MixedInTraining(nn.Linear):
    def forward(self, x):
        code = super().forward(x)
        return code - code.mean(0) if self.training else code


@pytest.mark.parametrize(
    "encoder",
    [MixedInTraining(6, 4), nn.Sequential(nn.Dropout(0.5), MixedInTraining(6, 4)), Output(nn.GRU(6, 4), 0)],
    ids=["in training", "in training, after dropout", "GRU"],
)
def test_fit_looks_at_the_map_of_training(encoder):
    with pytest.raises(ValueError, match="encoder must treat every example on its own, got rows that change"):
        ct.fit(ct.Autoencoder(encoder, nn.Linear(4, 6)), X, objectives.contractive(0.1), progress=False)


@pytest.mark.parametrize("make", [objectives.reconstruction_contractive, objectives.nuclear, objectives.isometric])
def test_a_decoder_that_mixes_rows_is_refused_where_it_is_differentiated(make):
    with pytest.raises(ValueError, match="autoencoder must treat every example on its own, got rows that change"):
        ct.fit(ct.Autoencoder(nn.Linear(6, 4), MixedInTraining(4, 6)), X, make(0.1), progress=False)


@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
def test_a_decoder_that_mixes_rows_may_stand_behind_a_penalty_of_the_encoder():
    autoencoder = ct.Autoencoder(nn.Linear(6, 4), nn.Sequential(MixedInTraining(4, 6), nn.BatchNorm1d(6)))
    assert len(ct.fit(autoencoder, X, objectives.contractive(0.1), max_epochs=1, progress=False)) == 1


@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
def test_batch_norm_without_a_module_can_be_held():
    class Normed(nn.Linear):
        def forward(self, x):
            return nn.functional.batch_norm(super().forward(x), torch.zeros(4), torch.ones(4), training=self.training)

    autoencoder = ct.Autoencoder(Normed(6, 4), nn.Linear(4, 6))
    with pytest.raises(ValueError, match="a BatchNorm that uses the statistics of the batch"):
        ct.fit(autoencoder, X, objectives.contractive(0.1), max_epochs=1, progress=False)
    objective = objectives.contractive(0.1, batch_statistics="constant")
    assert len(ct.fit(autoencoder, X, objective, max_epochs=1, progress=False)) == 1


@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
@pytest.mark.parametrize(
    "objective", [objectives.standard(), objectives.l1(0.1), objectives.sparse(0.1)], ids=["none", "l1", "sparse"]
)
def test_fit_without_a_derivative_takes_it(objective):
    autoencoder = ct.Autoencoder(nn.Sequential(Mixed(), nn.Sigmoid()), nn.Linear(4, 6))
    assert len(ct.fit(autoencoder, X, objective, max_epochs=1, progress=False)) == 1


def test_check_penalty_refuses_it():
    with pytest.raises(ValueError, match="encoder must treat every example on its own"):
        ct.check_penalty(lambda encode, x: ct.squared_norm(encode, x), Mixed().double(), X.double())
