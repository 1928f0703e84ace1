"""The penalty on some rows of a batch: unbiased, the same for several processes, and no row encoded twice."""

import pytest
import torch
from torch import nn

import contractive as ct
from contractive.core.randomness import rank_context
from contractive.jacobian import squared_norm, value_and_squared_norm
from contractive.objectives import HigherOrder, JacobianNorm, ObjectiveSettings, num_penalty_rows
from problems import points, stack

CHAIN = stack((7, 6, 4), nn.Sigmoid).double()
CONVOLUTION = nn.Sequential(
    nn.Unflatten(1, (1, 7)), nn.Conv1d(1, 2, 3), nn.GELU(), nn.Flatten(), nn.Linear(10, 3), nn.Tanh()
).double()
AUTOGRAD = nn.Sequential(nn.Linear(7, 5), nn.LayerNorm(5), nn.Tanh(), nn.Linear(5, 3)).double()
ENCODERS = {
    "chain": CHAIN,
    "one layer": stack((7, 4), nn.Tanh).double(),
    "convolution": CONVOLUTION,
    "autograd": AUTOGRAD,
}
X = points(24, 7)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("rows", [[1, 4, 5, 20], [9, 2], []])
def test_code_norm_and_gradient_of_some_rows_are_those_of_all(name, rows):
    encoder, found = ENCODERS[name], []
    rows = torch.tensor(rows, dtype=torch.long)
    weights = torch.linspace(1, 2, len(rows), dtype=X.dtype)
    for some in (None, rows):
        x = X.clone().requires_grad_()
        code, norm = value_and_squared_norm(encoder, x, method="exact", rows=some)
        norm = norm[rows] if some is None else norm
        loss = (code * torch.linspace(0, 1, code.numel()).reshape(code.shape)).sum() + (weights * norm).sum()
        found.append([code, norm, *torch.autograd.grad(loss, [x, *encoder.parameters()])])
    for expected, seen in zip(*found, strict=True):
        torch.testing.assert_close(seen, expected)


@pytest.mark.parametrize("method", ["auto", "exact", "probes", "forward_probes"])
@pytest.mark.parametrize("name", ENCODERS)
def test_the_penalty_on_some_rows_is_unbiased(name, method):
    # the tails of forward probes are heavy, and each row is drawn five times in 24
    encoder, draws = ENCODERS[name], 2000 if method == "forward_probes" else 300
    penalty = JacobianNorm(method, penalty_rows=5)
    drawn = ct.objectives.Encode(encoder, generator())
    values = torch.stack([penalty(drawn, X.clone())[1].detach() for _ in range(draws)])
    assert ((values != 0).sum(1) == 5).all()
    truth = squared_norm(encoder, X).detach()
    error = values.mean(1).std() / draws**0.5
    assert abs(values.mean() - truth.mean()) < 4 * error
    scores = (values.mean(0) - truth) / (values.std(0) / draws**0.5)
    assert scores.abs().max() < 4.5


@pytest.mark.parametrize("name", ["one layer", "chain"])
def test_the_higher_order_penalty_on_some_rows_is_unbiased(name):
    encoder, draws = ENCODERS[name], 400
    some, every = (
        torch.stack([HigherOrder(penalty_rows=rows)(drawn, X.clone())[1].detach().mean() for _ in range(draws)])
        for rows in (6, 1.0)
        for drawn in [ct.objectives.Encode(encoder, generator())]
    )
    assert abs(some.mean() - every.mean()) < 4 * (some.var() / draws + every.var() / draws).sqrt()


@pytest.mark.parametrize("method", ["auto", "probes", "forward_probes", "exact"])
@pytest.mark.parametrize("name", ENCODERS)
def test_processes_that_share_a_batch_take_the_rows_of_one_process(name, method):
    encoder = ENCODERS[name]
    penalty = JacobianNorm(method, penalty_rows=3)
    alone, parts = ct.objectives.Encode(encoder, generator()), [ct.objectives.Encode(encoder, generator())] * 1
    steps = [penalty(alone, X.clone())[1].detach() for _ in range(4)]
    parts = [ct.objectives.Encode(encoder, generator()) for _ in range(4)]
    for expected in steps:
        shares = []
        for rank in range(4):
            with rank_context(rank, 4):
                shares.append(penalty(parts[rank], X[6 * rank : 6 * rank + 6])[1].detach())
        torch.testing.assert_close(torch.cat(shares), expected)


def test_processes_share_the_noise_of_the_higher_order_penalty():
    penalty = HigherOrder(penalty_rows=9)
    whole = penalty(ct.objectives.Encode(ENCODERS["one layer"], generator()), X)[1]
    shares = []
    for rank in range(2):
        with rank_context(rank, 2):
            encode = ct.objectives.Encode(ENCODERS["one layer"], generator())
            shares.append(penalty(encode, X[12 * rank : 12 * rank + 12])[1])
    torch.testing.assert_close(torch.cat(shares), whole)


@pytest.mark.parametrize("penalty", [JacobianNorm(penalty_rows=0.25), HigherOrder(penalty_rows=0.25)])
def test_no_row_passes_the_encoder_twice(penalty):
    seen = []

    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = AUTOGRAD

        def forward(self, x):
            seen.append(x.detach())
            return self.inner(x)

    penalty = JacobianNorm(penalty_rows=0.25) if isinstance(penalty, JacobianNorm) else penalty
    model = ct.Autoencoder(Counting(), nn.Linear(3, 7).double())
    objective = ct.objectives.Objective(terms=(ct.objectives.Term("p", 0.1, penalty),))
    values = objective(model, X, generator=generator())
    rows = torch.cat(seen)
    copies = (rows.unsqueeze(1) == X).all(2).sum(0)  # noisy copies are other rows
    assert (copies == 1).all()
    torch.testing.assert_close(values.reconstruction, ct.objectives.squared_error(model(X), X))


def test_sample_weights_weigh_the_rows_that_are_drawn():
    model = ct.Autoencoder(CHAIN, nn.Linear(4, 7).double())
    weights = torch.linspace(0, 2, len(X), dtype=X.dtype)
    objective = ct.objectives.contractive(0.5, penalty_rows=4)
    values = objective(model, X, generator=generator(), sample_weight=weights)
    expected = (weights * (values.reconstruction + 0.5 * values.penalties["contractive"])).mean()
    torch.testing.assert_close(values.total, expected)
    (of_all,) = torch.autograd.grad(values.total, CHAIN[0].bias)
    drawn = values.penalties["contractive"].nonzero().flatten()
    norm = squared_norm(CHAIN, X[drawn], method="exact")
    again = (weights * ct.objectives.squared_error(model(X), X)).mean()
    by_hand = again + 0.5 * (weights[drawn] * norm * len(X) / 4).sum() / len(X)
    if torch.allclose(norm * 6, values.penalties["contractive"][drawn]):  # exact where that costs about as much
        (expected,) = torch.autograd.grad(by_hand, CHAIN[0].bias)
        torch.testing.assert_close(of_all, expected)


def test_batch_statistics_are_refused_on_some_rows_too():
    encoder = nn.Sequential(nn.Linear(7, 4), nn.BatchNorm1d(4)).double()
    with pytest.raises(ValueError, match="f must treat every example on its own"):
        JacobianNorm(penalty_rows=8)(encoder, X)


def test_a_share_is_a_float_and_a_count_a_whole_number():
    assert [num_penalty_rows(rows, 40) for rows in (1.0, 1, 0.25, 0.001, 64, "auto")] == [40, 1, 10, 1, 40, 40]


@pytest.mark.parametrize("rows", [0, 0.0, 1.5, -1, True, "all", None])
def test_other_numbers_of_rows_are_refused(rows):
    for penalty in (JacobianNorm, HigherOrder):
        with pytest.raises(ValueError, match=r"penalty_rows must be auto, a share of the rows above 0 and up to 1\.0"):
            penalty(penalty_rows=rows)


@pytest.mark.parametrize("rows", [torch.zeros(2, 2, dtype=torch.long), torch.rand(3), torch.arange(30)])
def test_numbers_of_rows_that_cannot_be_are_refused(rows):
    with pytest.raises(ValueError, match="rows must be different whole numbers from 0 to 23"):
        value_and_squared_norm(CHAIN, X, rows=rows)


@pytest.mark.parametrize(
    ("text", "rows"), [("auto", "auto"), ("0.25", 0.25), ("1.0", 1.0), ("1", 1), ("32", 32), (0.5, 0.5), (16, 16)]
)
def test_settings_read_shares_and_counts(text, rows):
    for name in ("contractive", "higher_order", "reconstruction_contractive"):
        (term,) = ObjectiveSettings(name, 0.1, penalty_rows=text).make().terms
        assert term.penalty.penalty_rows == rows
        assert type(term.penalty.penalty_rows) is type(rows)


@pytest.mark.parametrize("text", ["2.0", "none", "0", "nan"])
def test_settings_refuse_other_texts(text):
    with pytest.raises(ValueError, match="penalty_rows must be auto, a share"):
        ObjectiveSettings(penalty_rows=text)


def test_settings_refuse_rows_for_an_objective_without_a_jacobian():
    with pytest.raises(ValueError, match="penalty_rows must be auto for the objective sparse, got 8"):
        ObjectiveSettings("sparse", penalty_rows=8)


def test_validation_takes_all_rows():
    for penalty in (JacobianNorm(penalty_rows=3), HigherOrder(penalty_rows=3)):
        assert penalty.exact().penalty_rows == 1.0


@pytest.mark.parametrize(
    "activation", [nn.Sigmoid, nn.Tanh, nn.ReLU, nn.SiLU, nn.GELU, nn.ELU, nn.Softplus, nn.LeakyReLU]
)
def test_gradients_through_code_and_norm_of_some_rows_are_those_of_autograd(activation):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 5), activation(), nn.Linear(5, 4), activation()).double()
    x, factors = torch.rand(9, 6, dtype=torch.float64), torch.randn(9, 4, dtype=torch.float64)

    def gradients(f):
        code, norm = ct.value_and_squared_norm(f, x, method="exact", rows=torch.tensor([1, 4, 7]))
        total = (code * factors).sum() + (norm * torch.arange(1.0, 4.0)).sum()
        return torch.autograd.grad(total, list(net.parameters()))

    torch.testing.assert_close(gradients(net), gradients(lambda z: net(z)))
