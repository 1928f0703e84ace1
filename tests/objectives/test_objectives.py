import math

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

import contractive as ct
from contractive import objectives
from contractive.core.errors import ContractiveError
from contractive.objectives import Gaussian, Masking, Objective, Term


def brute_squared_norm(module, x):
    state = dict(module.named_parameters())
    return vmap(jacrev(lambda row: functional_call(module, state, (row[None],))[0]))(x).flatten(1).square().sum(1)


@pytest.fixture
def autoencoder():
    torch.manual_seed(0)
    return ct.mlp(6, hidden=(5,), code=3).double()


@pytest.fixture
def x():
    return torch.rand(7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def test_squared_error_is_summed_over_features():
    assert objectives.squared_error(torch.zeros(2, 3), torch.tensor([[1.0, 2, 2], [0, 0, 1]])).tolist() == [9, 1]


def test_cross_entropy_is_summed_over_features():
    got = objectives.cross_entropy(torch.tensor([[0.5, 0.25]]), torch.tensor([[1.0, 0.0]]))
    torch.testing.assert_close(got, torch.tensor([-math.log(0.5) - math.log(0.75)]))


@pytest.mark.parametrize("autocast", [False, True], ids=["bfloat16", "under autocast"])
def test_cross_entropy_of_half_precision_is_computed_in_single(monkeypatch, autocast):
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.empty(5, 100).uniform_(0.1, 0.9, generator=generator).bfloat16() for _ in range(2))
    plain, seen = nn.functional.binary_cross_entropy, []

    def watched(*arguments, **settings):
        seen.append(torch.is_autocast_enabled("cpu"))
        return plain(*arguments, **settings)

    monkeypatch.setattr(nn.functional, "binary_cross_entropy", watched)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        values = objectives.cross_entropy(y, x)
    a, b = x.double(), y.double()
    assert values.dtype == torch.float32
    assert seen == [False]
    torch.testing.assert_close(values.double(), -(a * b.log() + (1 - a) * (1 - b).log()).sum(1), rtol=1e-5, atol=0)


def test_contractive_total_and_gradient_equal_brute_force(autoencoder, x):
    values = objectives.contractive(0.3, method="exact")(autoencoder, x)
    truth = ((autoencoder(x) - x).square().sum(1) + 0.3 * brute_squared_norm(autoencoder.encoder, x)).mean()
    torch.testing.assert_close(values.total, truth, rtol=1e-12, atol=0)
    wanted = torch.autograd.grad(truth, list(autoencoder.parameters()))
    got = torch.autograd.grad(values.total, list(autoencoder.parameters()))
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-14)


def test_reconstruction_contractive_differentiates_the_whole_map(autoencoder, x):
    values = objectives.reconstruction_contractive(0.3, method="exact")(autoencoder, x)
    whole = nn.Sequential(autoencoder.encoder, autoencoder.decoder)
    torch.testing.assert_close(
        values.penalties["reconstruction_contractive"], brute_squared_norm(whole, x), rtol=1e-9, atol=0
    )
    torch.testing.assert_close(values.reconstruction, (autoencoder(x) - x).square().sum(1))


def test_gain_weighted_weighs_each_unit_by_the_decoders_gain(autoencoder, x):
    objective = objectives.gain_weighted(0.3, method="exact")
    values = objective(autoencoder, x)
    value, norm = ct.jacobian.value_and_gain_weighted_norm(autoencoder.encoder, autoencoder.decoder, x, method="exact")
    torch.testing.assert_close(values.penalties["gain_weighted"], norm)
    torch.testing.assert_close(values.total, ((value - x).square().sum(1) + 0.3 * norm).mean())
    assert objectives.gain_weighted(0.3).exact() == objective
    with pytest.raises(ContractiveError, match=r"must be given encoder and decoder, got another map\. Write"):
        objectives.GainWeightedNorm()(autoencoder.encoder, x)
    with pytest.raises(ContractiveError, match="method must be one of auto, exact, probes, got 'forward_probes'"):
        objectives.GainWeightedNorm("forward_probes")


def test_higher_order_adds_the_difference_of_jacobians(x):
    autoencoder = ct.mlp(6, code=3).double()
    objective = objectives.higher_order(1.0, ratio=2.0, sigma=0.2, copies=3)
    values = objective(autoencoder, x, generator=torch.Generator().manual_seed(0))
    _, norm, difference = ct.jacobian.value_norm_and_difference(
        autoencoder.encoder, x, sigma=0.2, copies=3, generator=torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(values.penalties["higher_order"], norm + 2 * difference)
    assert (difference > 0).all()


def test_sparse_penalty_is_the_divergence_of_bernoulli_means(autoencoder, x):
    value = objectives.sparse(1.0, target=0.1)(autoencoder, x).penalties["kl_sparsity"]
    mean = autoencoder.encode(x).mean(0)
    bernoulli = torch.distributions.Bernoulli
    truth = torch.distributions.kl_divergence(bernoulli(torch.full_like(mean, 0.1)), bernoulli(mean)).sum()
    torch.testing.assert_close(value, truth.expand(7))


def test_l1_and_weight_decay(autoencoder, x):
    l1 = objectives.l1(1.0)(autoencoder, x).penalties["code_l1"]
    torch.testing.assert_close(l1, autoencoder.encode(x).abs().sum(1))
    decayed = objectives.weight_decay(0.1)(autoencoder, x)
    squares = sum(p.square().sum() for p in autoencoder.parameters() if p.ndim == 2)
    torch.testing.assert_close(decayed.total, decayed.reconstruction.mean() + 0.1 * squares)


def test_denoising_reconstructs_the_clean_input(autoencoder, x):
    values = objectives.denoising(0.5)(autoencoder, x, generator=torch.Generator().manual_seed(3))
    noisy = Gaussian(0.5)(x, torch.Generator().manual_seed(3))
    torch.testing.assert_close(values.reconstruction, (autoencoder(noisy) - x).square().sum(1))


def test_contractive_denoising_penalises_at_the_corrupted_input(autoencoder, x):
    objective = objectives.compose(objectives.contractive(0.1, method="exact"), objectives.denoising(Masking(0.5)))
    values = objective(autoencoder, x, generator=torch.Generator().manual_seed(3))
    noisy = Masking(0.5)(x, torch.Generator().manual_seed(3))
    torch.testing.assert_close(values.penalties["contractive"], brute_squared_norm(autoencoder.encoder, noisy))
    assert objectives.contractive_denoising(0.1, 0.2).corruption == Gaussian(0.2)


def test_a_step_runs_the_encoder_once(x):
    calls = []

    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(6, 3, dtype=torch.float64)

        def forward(self, rows):
            calls.append(len(rows))
            return torch.sigmoid(self.layer(rows))

    autoencoder = ct.Autoencoder(Counted(), nn.Linear(3, 6, dtype=torch.float64))
    mix = objectives.compose(objectives.contractive(0.1), objectives.sparse(0.1), objectives.l1(0.1))
    mix(autoencoder, x)
    assert calls == [7]


def test_own_callables_are_accepted(autoencoder, x):
    def largest(encode, rows):
        code = encode(rows)
        return code, code.amax(1)

    objective = Objective(loss=lambda r, rows: (r - rows).abs().sum(1), terms=(Term("largest", 2.0, largest),))
    values = objective(autoencoder, x)
    torch.testing.assert_close(
        values.total, ((autoencoder(x) - x).abs().sum(1) + 2 * autoencoder.encode(x).amax(1)).mean()
    )


def test_exact_objective_has_neither_noise_nor_estimate(autoencoder, x):
    objective = objectives.compose(objectives.contractive(0.1, method="probes"), objectives.denoising(0.5)).exact()
    values = objective(autoencoder, x)
    torch.testing.assert_close(values.penalties["contractive"], brute_squared_norm(autoencoder.encoder, x))
    torch.testing.assert_close(values.reconstruction, (autoencoder(x) - x).square().sum(1))


def test_penalties_are_plain_functions_of_any_encoder(autoencoder, x):
    code, value = objectives.JacobianNorm("exact")(autoencoder.encoder, x)
    torch.testing.assert_close(code, autoencoder.encode(x))
    torch.testing.assert_close(value, brute_squared_norm(autoencoder.encoder, x))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: objectives.contractive(-1), "weight must be a finite number of at least 0, got -1"),
        (lambda: objectives.contractive(float("inf")), "weight must be a finite number of at least 0, got inf"),
        (lambda: objectives.weight_decay(-1), "weight_decay must be a finite number of at least 0, got -1"),
        (lambda: objectives.higher_order(ratio=-1.0), "ratio must be a finite number of at least 0, got -1.0"),
        (lambda: objectives.higher_order(ratio=float("nan")), "ratio must be a finite number of at least 0, got nan"),
        (lambda: objectives.sparse(target=1.0), "target must lie strictly between 0 and 1, got 1.0"),
        (lambda: Term("t", 1.0, objectives.code_l1, of="code"), "of must be one of encoder, decoder"),
        (lambda: objectives.compose(), "compose must get at least one objective"),
        (
            lambda: objectives.compose(objectives.denoising(0.1), objectives.denoising(0.2)),
            "objectives must have at most one corruption, got 2",
        ),
        (
            lambda: objectives.compose(objectives.standard(), objectives.standard(loss=objectives.cross_entropy)),
            "objectives must share one loss, got 2",
        ),
        (
            lambda: objectives.compose(objectives.contractive(0.1), objectives.contractive(0.2)),
            "terms must have different names",
        ),
        (lambda: objectives.squared_weights(nn.Sigmoid()), "weight decay must find at least one weight matrix"),
    ],
)
def test_misuse_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()


@pytest.mark.parametrize(
    ("returned", "got"),
    [
        (lambda code: code.sum(1), "Tensor"),
        (lambda code: (code, [1.0]), "Tensor, list"),
        (lambda code: (code,), "Tensor"),
    ],
)
def test_a_penalty_must_return_the_code_and_its_values(autoencoder, x, returned, got):
    objective = Objective(terms=(Term("odd", 1.0, lambda encode, rows: returned(encode(rows))),))
    with pytest.raises(ValueError, match=rf"penalty 'odd' must return two tensors, .*, got {got}\. Write: return code"):
        objective(autoencoder, x)


def test_a_penalty_must_return_one_value_per_example(autoencoder, x):
    objective = Objective(terms=(Term("mean", 1.0, lambda encode, rows: (encode(rows), encode(rows).mean())),))
    with pytest.raises(ValueError, match=r"penalty 'mean' must return one value per example, shape \(7,\), got \(\)"):
        objective(autoencoder, x)


def test_kl_sparsity_refuses_codes_outside_zero_and_one(x):
    autoencoder = ct.mlp(6, code=3, activation="tanh").double()
    with torch.no_grad():
        autoencoder.encoder[0].bias.fill_(-5)
    with pytest.raises(ValueError, match="the code must lie between 0 and 1 for KL sparsity"):
        objectives.sparse()(autoencoder, x)
    code = torch.tensor([[-0.4, 0.5], [1.0, 0.5]])  # though the means lie there
    with pytest.raises(ValueError, match=r"the code must lie between 0 and 1 for KL sparsity, got -0\.4 to 1"):
        objectives.sparse().terms[0].penalty(lambda x: code, torch.zeros(2, 3))


def test_cross_entropy_refuses_data_outside_zero_and_one(autoencoder, x):
    with pytest.raises(ValueError, match="data must lie between 0 and 1 for the cross-entropy, got"):
        objectives.standard(loss=objectives.cross_entropy)(autoencoder, x * 3)


def test_cross_entropy_refuses_reconstructions_outside_zero_and_one(x):
    autoencoder = ct.mlp(6, code=3, output="linear").double()
    with torch.no_grad():
        autoencoder.decoder[0].bias.fill_(5.0)
    with pytest.raises(ValueError, match=r"reconstructions must lie between 0 and 1 .* end in a sigmoid"):
        objectives.standard(loss=objectives.cross_entropy)(autoencoder, x)


def test_unknown_methods_are_refused_when_the_penalty_is_made():
    with pytest.raises(ValueError, match=r"method must be one of auto, exact, .* got 'exakt'"):
        objectives.contractive(0.1, method="exakt")


def test_a_unit_that_hardly_fires_has_a_gradient_in_the_kl_sparsity():
    bias = torch.full((2,), -30.0, requires_grad=True)
    value = objectives.KLSparsity(0.05)(lambda x: torch.sigmoid(x @ torch.zeros(3, 2) + bias), torch.zeros(4, 3))[1]
    # target * (log target + 30) + (1 - target) * log(1 - target) per unit, and -target for its slope in the bias
    wanted = 2 * (0.05 * (math.log(0.05) + 30) + 0.95 * math.log(0.95))
    torch.testing.assert_close(value, torch.full((4,), wanted))
    torch.testing.assert_close(torch.autograd.grad(value.mean(), bias)[0], torch.full((2,), -0.05))
