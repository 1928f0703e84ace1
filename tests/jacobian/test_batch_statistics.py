"""Batch norm in training mode with its statistics held fixed in J, against a reference by hand in float64."""

import copy
from functools import partial

import pytest
import torch
from torch import nn
from torch.func import jacrev, vmap
from torch.nn import functional as F

import contractive as ct
from contractive.core.errors import InvalidValue
from contractive.jacobian import linearise, plan, value_and_jacobian, value_and_squared_norm
from contractive.objectives import JacobianNorm
from problems import assert_close, assert_same, at_scale, outcome

EPS = 1e-5
constant = {"batch_statistics": "constant"}


class Functional(nn.Module):
    """A batch norm without a module."""

    def forward(self, h):
        return torch.batch_norm(h, None, None, None, None, True, 0.1, EPS, False)


def networks():
    return {
        "dense": nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3)),
        "two, more code than input": nn.Sequential(
            nn.BatchNorm1d(5), nn.Linear(5, 4), nn.BatchNorm1d(4, affine=False), nn.SiLU(), nn.Linear(4, 7), nn.Tanh()
        ),
        "layer norm": nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 6)),
        "functional": nn.Sequential(nn.Linear(5, 4), Functional(), nn.Softplus()),
        "convolution": nn.Sequential(
            nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)
        ),
    }  # fmt: skip


@pytest.fixture(params=list(networks()))
def case(request):
    net = at_scale(networks()[request.param], 0.6).train()
    generator = torch.Generator().manual_seed(3)
    shape = (6, 1, 3, 3) if request.param == "convolution" else (6, 5)
    return net, torch.randn(shape, generator=generator, dtype=torch.float64)


def with_fixed_statistics(net, x, *, exact=True):
    """Code and Jacobians by hand: every batch norm becomes an affine map of the statistics that it has for x."""
    layers, h = [], x
    for module in net:
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | Functional):
            shape = (1, -1, *(1,) * (h.ndim - 2))
            places = (0, *range(2, h.ndim))
            mean, variance = h.mean(places), ((h - h.mean(places, keepdim=True)) ** 2).mean(places)
            scale = 1 / torch.sqrt(variance + EPS)
            weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
            scale = (scale if weight is None else scale * weight).reshape(shape)
            shift = torch.zeros(1).to(x) if bias is None else bias.reshape(shape)
            module = partial(lambda z, m, s, b: (z - m) * s + b, m=mean.reshape(shape), s=scale, b=shift)
        layers.append(module)
        h = module(h)

    def row(z):
        z = z[None]
        for layer in layers:
            z = layer(z)
        return z.flatten()

    return h, vmap(jacrev(row))(x).flatten(2)


def true_norm(net, x):
    code, matrices = with_fixed_statistics(net, x)
    return code, matrices.square().sum((1, 2))


def test_value_and_gradient_are_those_by_hand(case):
    net, x = case
    seen = outcome(partial(value_and_squared_norm, method="exact", **constant), net, x)
    assert_same(seen, outcome(true_norm, net, x), rtol=1e-8, atol=1e-10)  # a bias before a batch norm has no effect


def test_the_gradient_is_that_of_the_value(case):
    net, x = case
    weight = next(net.parameters())
    direction = torch.randn_like(weight)

    def value(step):
        moved = copy.deepcopy(net)
        with torch.no_grad():
            next(moved.parameters()).add_(step * direction)
        return ct.squared_norm(moved, x, **constant).sum().item()

    (gradient,) = torch.autograd.grad(ct.squared_norm(net, x, **constant).sum(), weight)
    assert (gradient * direction).sum().item() == pytest.approx((value(1e-5) - value(-1e-5)) / 2e-5, rel=1e-5)


def test_running_statistics_move_on_once(case):
    net, x = case
    other = copy.deepcopy(net)
    other(x)
    value_and_squared_norm(net, x, method="exact", **constant)
    for (name, seen), truth in zip(net.named_buffers(), other.buffers(), strict=True):
        assert_close(seen, truth, name)


def test_the_matrix_and_its_products_are_those_by_hand(case):
    net, x = case
    code, truth = with_fixed_statistics(net, x)
    value, matrices = value_and_jacobian(net, x, **constant)
    assert_close(value, code, "code")
    assert_close(matrices, truth, "Jacobian")
    assert_close(ct.jacobian(net, x, **constant), truth, "Jacobian")
    at = linearise(net, x, **constant)
    u = torch.randn(len(x), 2, *x.shape[1:], dtype=x.dtype)
    v = torch.randn(len(x), 2, truth.shape[1], dtype=x.dtype)
    assert_close(at.push(u).flatten(2), u.flatten(2) @ truth.mT, "J u")
    assert_close(at.pull(v).flatten(2), v @ truth, "v^T J")


@pytest.mark.parametrize("method", ["probes", "forward_probes"])
def test_estimates_are_unbiased(method):
    net, x = at_scale(networks()["dense"], 0.6).train(), torch.randn(6, 5, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    truth = true_norm(net, x)[1].sum()
    draws = torch.stack(
        [ct.squared_norm(net, x, method=method, generator=generator, **constant).detach().sum() for _ in range(200)]
    )
    assert abs(draws.mean() - truth) < 4 * draws.std() / 200**0.5


def test_fixed_statistics_are_those_of_evaluation():
    net = at_scale(networks()["dense"], 0.6)
    x = torch.randn(6, 5, dtype=torch.float64)
    assert torch.equal(ct.squared_norm(net, x, **constant), ct.squared_norm(net, x))


def test_the_plan_tells_the_way():
    assert plan(networks()["dense"], torch.rand(6, 5), method="exact", **constant).path == "autograd exact rows"


def test_a_network_with_batch_norm_is_trained():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 3))
    net, x = ct.Autoencoder(encoder, nn.Linear(3, 8)), torch.randn(40, 3) @ torch.randn(3, 8)
    norms = []
    for weight in (0.001, 0.5):
        objective = ct.objectives.contractive(weight, **constant)
        settings = {"max_epochs": 12, "batch_size": 20, "learning_rate": 0.03, "progress": False, "seed": 1}
        trained = copy.deepcopy(net)
        history = ct.fit(trained, x, objective, **settings)
        norms.append(float(ct.squared_norm(trained.encoder, x).mean().detach()))
    assert "autograd" in history.penalty_path
    assert norms[1] < 0.8 * norms[0]


def test_validation_keeps_the_choice():
    assert JacobianNorm("probes", 2, **constant).exact() == JacobianNorm("exact", penalty_rows=1.0, **constant)


@pytest.mark.parametrize("rows", [1, 0.5])
def test_fewer_rows_are_refused(rows):
    with pytest.raises(InvalidValue, match=r"penalty_rows must be 1\.0 with batch_statistics 'constant', got"):
        JacobianNorm(penalty_rows=rows, **constant)
    with pytest.raises(InvalidValue, match="rows must be left out with batch_statistics 'constant', got some"):
        value_and_squared_norm(nn.Linear(5, 2), torch.rand(3, 5), rows=torch.tensor([0]), **constant)


@pytest.mark.parametrize("function", [value_and_squared_norm, value_and_jacobian, linearise, plan, JacobianNorm])
def test_another_name_is_refused(function):
    arguments = () if function is JacobianNorm else (nn.Linear(5, 2), torch.rand(3, 5))
    with pytest.raises(InvalidValue, match="batch_statistics must be one of refuse, constant, got 'fixed'"):
        function(*arguments, batch_statistics="fixed")


def test_a_batch_of_one_row_is_refused_by_torch():
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        ct.squared_norm(nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4)), torch.rand(1, 5), **constant)


def test_half_precision():
    net = at_scale(networks()["dense"], 0.6).train().to(torch.bfloat16)
    x = torch.randn(6, 5, dtype=torch.bfloat16)
    seen, truth = (
        ct.squared_norm(one, x.to(next(one.parameters()).dtype), **constant)
        for one in (net, copy.deepcopy(net).double())
    )
    torch.testing.assert_close(seen.double(), truth, rtol=0.1, atol=0.01)
    assert F.mse_loss(seen.double(), truth).isfinite()
