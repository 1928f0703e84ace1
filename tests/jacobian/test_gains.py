"""The gain-weighted norm against its definition by brute force, its estimate by its mean, and its invariance."""

import math

import pytest
import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

import contractive as ct
from contractive.core.errors import InvalidValue
from contractive.jacobian import squared_norm, value_and_gain_weighted_norm


def networks():
    torch.manual_seed(2)
    shared = nn.Sequential(nn.Linear(6, 5), nn.Softplus(), nn.Linear(5, 4), nn.Tanh())
    return {
        "one layer": ct.mlp(6, code=4, output="linear"),
        "deep": ct.mlp(6, hidden=(7, 5), code=4, activation="tanh", decoder_activation="silu"),
        "overcomplete": ct.mlp(6, code=9, activation="silu"),
        "tied": ct.tied(6, 4),
        "any encoder": ct.Autoencoder(nn.Sequential(shared, nn.LayerNorm(4)), nn.Linear(4, 6)),
    }


@pytest.fixture(params=list(networks()))
def net(request):
    return networks()[request.param].double()


X = torch.rand(7, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def by_definition(net, x):
    """(||grad f_j||^2, ||dg/dh_j||^2), each (batch, code), by jacrev."""

    def matrices(module, at):
        state = dict(module.named_parameters())
        return vmap(jacrev(lambda row: functional_call(module, state, (row[None],))[0]))(at)

    return matrices(net.encoder, x).square().sum(2), matrices(net.decoder, net.encoder(x)).square().sum(1)


def test_value_and_gradient_are_those_of_the_definition(net):
    factors = torch.rand(len(X), dtype=X.dtype)
    value, norm = value_and_gain_weighted_norm(net.encoder, net.decoder, X, method="exact")
    changes, gains = by_definition(net, X)
    truth = (changes * gains.mean(0)).sum(1)
    torch.testing.assert_close(value, net(X))
    torch.testing.assert_close(norm, truth, rtol=1e-10, atol=0)
    for got, wanted in zip(
        torch.autograd.grad((factors * norm).sum(), list(net.parameters()), allow_unused=True),
        torch.autograd.grad((factors * truth).sum(), list(net.parameters()), allow_unused=True),
        strict=True,
    ):
        if wanted is not None and got is not None:
            torch.testing.assert_close(got, wanted, rtol=1e-8, atol=1e-12)
        else:
            assert all(gradient is None or not gradient.any() for gradient in (got, wanted))


def test_the_estimate_and_its_gradient_are_unbiased(net):
    generator, parameters, draws = torch.Generator().manual_seed(0), list(net.parameters()), []
    for _ in range(400):
        norm = value_and_gain_weighted_norm(net.encoder, net.decoder, X, generator=generator)[1]
        gradients = torch.autograd.grad(norm.mean(), parameters, allow_unused=True)
        steepest = torch.stack([g.sum() for g in gradients if g is not None])
        draws.append(torch.cat([norm.detach(), steepest]))
    norm = value_and_gain_weighted_norm(net.encoder, net.decoder, X, method="exact")[1]
    gradients = torch.autograd.grad(norm.mean(), parameters, allow_unused=True)
    truth = torch.cat([norm.detach(), torch.stack([g.sum() for g in gradients if g is not None])])
    drawn = torch.stack(draws)
    errors = drawn.std(0) / math.sqrt(len(drawn))
    assert ((drawn.mean(0) - truth).abs() <= 4.5 * errors + 1e-10).all()


@pytest.mark.parametrize("method", ["exact", "probes"])
def test_scaling_the_code_while_the_decoder_undoes_it_changes_nothing(method):
    net = ct.mlp(6, hidden=(7,), code=4, activation="tanh", output="linear").double()
    net.encoder.append(nn.Linear(4, 4, dtype=X.dtype))
    scales = torch.tensor([1e-3, 0.5, 2.0, 1e3], dtype=X.dtype)

    def measured():
        draw = torch.Generator().manual_seed(0)
        return value_and_gain_weighted_norm(net.encoder, net.decoder, X, method=method, generator=draw)

    before, plain = measured(), squared_norm(net.encoder, X)
    with torch.no_grad():
        net.encoder[-1].weight *= scales[:, None]
        net.encoder[-1].bias *= scales
        net.decoder[0].weight /= scales
    torch.testing.assert_close(measured()[1], before[1], rtol=1e-10, atol=0)
    torch.testing.assert_close(measured()[0], before[0], rtol=1e-10, atol=1e-12)
    assert (squared_norm(net.encoder, X) > 100 * plain).all()


def test_principal_components_have_one_per_component():
    """f(x) = V^T x and g(h) = V h with orthonormal V: every unit has gain 1 and a gradient of length 1."""
    directions = torch.linalg.qr(torch.rand(6, 3, dtype=X.dtype))[0]
    encoder, decoder = nn.Linear(6, 3, dtype=X.dtype), nn.Linear(3, 6, dtype=X.dtype)
    with torch.no_grad():
        encoder.weight.copy_(directions.T)
        decoder.weight.copy_(directions)
    norm = value_and_gain_weighted_norm(encoder, decoder, X, method="exact")[1]
    torch.testing.assert_close(norm, torch.full_like(norm, 3.0))


def test_many_rows_are_done_in_parts(monkeypatch):
    net = ct.mlp(6, code=4).double()
    whole = value_and_gain_weighted_norm(net.encoder, net.decoder, X, method="exact")
    monkeypatch.setattr("contractive.jacobian._gains.MEMORY_BUDGET", 2 * 2 * 4 * 6 * 8)
    for got, wanted in zip(
        value_and_gain_weighted_norm(net.encoder, net.decoder, X, method="exact"), whole, strict=True
    ):
        torch.testing.assert_close(got, wanted)


def test_half_precision_is_computed_in_single():
    net = ct.mlp(6, code=4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        norm = value_and_gain_weighted_norm(net.encoder, net.decoder, X.float(), method="exact")[1]
    torch.testing.assert_close(
        norm, value_and_gain_weighted_norm(net.encoder, net.decoder, X.float(), method="exact")[1]
    )


def test_what_it_refuses():
    net = ct.conv((1, 4, 4), code=3)
    with pytest.raises(InvalidValue, match="method must be one of auto, exact, probes, got 'forward'"):
        value_and_gain_weighted_norm(net.encoder, net.decoder, X, method="forward")
    with pytest.raises(InvalidValue, match=r"the code must have the shape \(batch, code\), got \(1, 16, 2, 2\)"):
        value_and_gain_weighted_norm(net.encoder[:2], net.decoder, torch.rand(1, 1, 4, 4))
