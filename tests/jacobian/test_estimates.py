"""The estimates: unbiased in value and gradient, reproducible, and differentiated as what they are."""

import functools

import pytest
import torch
from torch import nn

import contractive as ct
from problems import assert_close, at_scale, encoder, outcome, points, stack, true_norm

METHODS = ("probes", "forward_probes")
ENCODERS = ("sigmoid layer", "deep, narrow code", "deep, wide code", "convolution", "residual", "to image")


def estimate(f, x, method, num_probes, seed):
    generator = torch.Generator().manual_seed(seed)
    return ct.value_and_squared_norm(f, x, method=method, num_probes=num_probes, generator=generator)


@pytest.mark.parametrize("num_probes", [1, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ENCODERS)
def test_unbiased_in_value_and_gradient(name, method, num_probes):
    """z-scores of the mean of many draws: of each example's norm, and of the gradient along fixed directions."""
    f, x = encoder(name)
    parameters = list(f.parameters())
    weights = 0.5 + points(len(x), seed=2).sigmoid()
    truth = true_norm(f, x)[1]
    direction = torch.autograd.grad((weights * truth).sum(), parameters, materialize_grads=True)
    directions = [direction, *([points(*p.shape, seed=s) for p in parameters] for s in range(3))]

    def along(gradient):
        return torch.stack([sum((a * b).sum() for a, b in zip(gradient, one, strict=True)) for one in directions])

    generator = torch.Generator().manual_seed(0)
    draws = []
    for _ in range(300 // num_probes):  # as precise as 300 with one
        _, norm = ct.value_and_squared_norm(f, x, method=method, num_probes=num_probes, generator=generator)
        gradient = torch.autograd.grad((weights * norm).sum(), parameters, materialize_grads=True)
        draws.append(torch.cat([norm.detach(), along(gradient)]))
    expected = torch.cat([truth.detach(), along(direction)])
    deviation, mean = torch.std_mean(torch.stack(draws), 0)
    error = deviation / len(draws) ** 0.5
    assert ((mean - expected).abs() <= 4 * error + 1e-9 * expected.abs()).all()
    assert (error[: len(x)] <= 0.1 * truth).all(), "the test must be able to see a bias"
    assert error[len(x)] <= 0.1 * expected[len(x)]


@pytest.mark.parametrize("size", [2, 4, 5, 8, 13])
def test_code_probes_cancel_over_a_full_basis(size):
    """For equal examples the mean over as many probes as the Hadamard matrix has rows is exact."""
    f = at_scale(stack((6, size), nn.Tanh), 0.8)
    order = 1 << (size - 1).bit_length()
    _, norm = estimate(f, points(1, 6).expand(order, 6), "probes", 1, seed=0)
    assert_close(norm.mean(), ct.squared_norm(f, points(1, 6))[0], "mean", rtol=1e-12)


def test_more_units_than_the_largest_hadamard_matrix():
    f = at_scale(nn.Sequential(nn.Linear(3, 2100), nn.Tanh()), 0.5)
    x = points(400, 3)
    _, norm = estimate(f, x, "probes", 4, seed=0)
    assert (norm.sum() / ct.squared_norm(f, x).sum()).item() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("num_probes", [1, 3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ENCODERS)
def test_the_gradient_is_that_of_the_same_estimate(name, method, num_probes):
    """By finite differences, with the same probes drawn every time."""
    f, x = encoder(name, std=0.5)
    x = x[:2].requires_grad_()
    parameters = list(f.parameters())

    def fixed(x, *_):
        return estimate(f, x, method, num_probes, seed=5)

    def under_a_mean(x, *_):
        code, norm = fixed(x)
        return code, norm.mean()

    for estimates in (fixed, under_a_mean):
        assert torch.autograd.gradcheck(estimates, (x, *parameters), atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize("num_probes", [1, 3])
@pytest.mark.parametrize("name", ["sigmoid layer", "deep, narrow code", "deep, wide code", "convolution", "to image"])
def test_a_chain_and_a_plain_function_give_the_same_estimate(name, num_probes):
    """The same probes through the closed forms and through autograd."""
    f, x = encoder(name)
    parameters = list(f.parameters())
    run = functools.partial(estimate, method="probes", num_probes=num_probes, seed=7)
    plain = outcome(lambda f, x: run(lambda x: f(x), x), f, x)
    chain = outcome(run, f, x)
    assert len(plain.gradients) == 1 + len(parameters)
    for one, other in zip([chain.norm, *chain.gradients], [plain.norm, *plain.gradients], strict=True):
        assert_close(one, other, "estimate", rtol=1e-11)


@pytest.mark.parametrize("batch", [1, 7, 8, 9, 33])
@pytest.mark.parametrize("method", METHODS)
def test_any_number_of_examples(method, batch):
    """With one unit (or one feature) the estimate is exact, so that every example must come out right."""
    f = at_scale(stack((4, 3, 1) if method == "probes" else (1, 3, 4), nn.Tanh), 1.0)
    x = points(batch, 4 if method == "probes" else 1)
    assert_close(estimate(f, x, method, 3, seed=0)[1], true_norm(f, x)[1], "norm")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ENCODERS)
def test_one_seed_one_result(name, method):
    f, x = encoder(name)
    first, second = (outcome(lambda f, x: estimate(f, x, method, 2, seed=3), f, x) for _ in range(2))
    assert torch.equal(first.norm, second.norm)
    assert all(torch.equal(one, other) for one, other in zip(first.gradients, second.gradients, strict=True))
    others = [estimate(f, x, method, 1, seed)[1] for seed in range(8)]
    assert any(not torch.equal(others[0], other) for other in others[1:])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["deep, wide code", "residual"])
def test_a_generator_moves_on_and_leaves_the_global_one_alone(name, method):
    f, x = encoder(name)
    state = torch.get_rng_state()
    generator = torch.Generator().manual_seed(0)
    norms = [ct.squared_norm(f, x, method=method, generator=generator) for _ in range(4)]
    assert any(not torch.equal(norms[0], norm) for norm in norms[1:])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("method", METHODS)
def test_without_a_generator_the_global_seed_counts(method):
    f, x = encoder("deep, wide code")
    norms = []
    for seed in (0, 0, 1, 2, 3):
        torch.manual_seed(seed)
        norms.append(ct.squared_norm(f, x, method=method))
    assert torch.equal(norms[0], norms[1])
    assert any(not torch.equal(norms[0], norm) for norm in norms[2:])


@pytest.mark.parametrize("method", METHODS)
def test_without_gradients(method):
    for name in ("deep, wide code", "residual"):
        f, x = encoder(name)
        with_graph = estimate(f, x, method, 2, seed=0)[1]
        with torch.no_grad():
            without = estimate(f, x, method, 2, seed=0)[1]
        assert not without.requires_grad
        assert_close(without, with_graph.detach(), "norm", rtol=1e-14)


def test_more_probes_less_noise():
    """The standard deviation falls as 1 / sqrt(num_probes): by half from one to four."""
    f, x = encoder("deep, wide code")
    generator = torch.Generator().manual_seed(0)

    def deviation(num_probes):
        norms = [
            ct.squared_norm(f, x[:1], method="forward_probes", num_probes=num_probes, generator=generator)
            for _ in range(400)
        ]
        return torch.cat(norms).std().item()

    assert deviation(4) == pytest.approx(deviation(1) / 2, rel=0.2)
