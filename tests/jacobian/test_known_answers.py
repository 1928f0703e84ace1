"""Norms that can be written down by hand, and how the norm must change with the encoder."""

import functools
import math

import pytest
import torch
from torch import nn

import contractive as ct
from problems import ENCODERS, assert_close, at_scale, encoder, points

exact = functools.partial(ct.value_and_squared_norm, method="exact")


def layer(weight, bias, *after: nn.Module) -> nn.Sequential:
    weight, bias = torch.as_tensor(weight, dtype=torch.float64), torch.as_tensor(bias, dtype=torch.float64)
    linear = nn.Linear(weight.shape[1], weight.shape[0]).double()
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)
    return nn.Sequential(linear, *after)


WEIGHT = [[1.0, 2.0], [-3.0, 0.5], [0.0, 4.0]]
SQUARES = [5.0, 9.25, 16.0]
LN2 = math.log(2)
# activation: (slope at 0, slope at ln 2)
SLOPES = {
    nn.Identity: (1.0, 1.0),
    nn.Sigmoid: (1 / 4, 2 / 9),
    nn.Tanh: (1.0, 16 / 25),
    nn.Softplus: (1 / 2, 2 / 3),
    nn.ELU: (1.0, 1.0),
    nn.SiLU: (1 / 2, 2 / 3 + LN2 * 2 / 9),
    nn.GELU: (
        1 / 2,
        0.5 + 0.5 * math.erf(LN2 / math.sqrt(2)) + LN2 * math.exp(-(LN2**2) / 2) / math.sqrt(2 * math.pi),
    ),
}


@pytest.mark.parametrize("activation", SLOPES, ids=lambda a: a.__name__)
def test_one_layer(activation):
    """sum_j act'(a_j)^2 ||W_j||^2 with all a_j = 0 and all a_j = ln 2."""
    for bias, slope in zip((0.0, LN2), SLOPES[activation], strict=True):
        f = layer(WEIGHT, [bias] * 3, activation())
        _, norm = exact(f, torch.zeros(4, 2, dtype=torch.float64))
        assert norm.tolist() == pytest.approx([slope**2 * sum(SQUARES)] * 4, rel=1e-12)


def test_relu_counts_the_active_units():
    f = layer(WEIGHT, [1.0, -1.0, 1.0], nn.ReLU())
    _, norm = exact(f, torch.zeros(1, 2, dtype=torch.float64))
    assert norm.item() == SQUARES[0] + SQUARES[2]


def test_the_slope_of_leaky_relu_has_full_precision():
    f = layer([[1.0]], [0.0], nn.LeakyReLU(0.01))
    _, norm = exact(f, -torch.ones(1, 1, dtype=torch.float64))
    assert norm.item() == pytest.approx(1e-4, rel=1e-14, abs=0)


@pytest.mark.parametrize(
    ("activation", "a", "slope"),
    [
        (nn.ELU(), -20.0, math.exp(-20)),
        (nn.Sigmoid(), -20.0, math.exp(-20) / (1 + math.exp(-20)) ** 2),
        (nn.Sigmoid(), 15.0, math.exp(-15) / (1 + math.exp(-15)) ** 2),
        (nn.Tanh(), 8.0, 1 / math.cosh(8) ** 2),
        (nn.Softplus(), -15.0, 1 / (1 + math.exp(15))),
        (nn.SiLU(), -15.0, (1 - 15 / (1 + math.exp(-15))) / (1 + math.exp(15))),
    ],
    ids=str,
)
def test_saturated_units(activation, a, slope):
    """Contracted encoders live there."""
    _, norm = exact(layer([[1.0]], [0.0], activation), torch.tensor([[a]], dtype=torch.float64))
    assert norm.item() == pytest.approx(slope**2, rel=1e-6, abs=0)


def test_gradient_of_one_sigmoid_unit():
    """n = s^2 w^2, s = h (1 - h): dn/dw = 2 s^2 w + 2 s s (1 - 2h) x w^2, dn/db = 2 s s (1 - 2h) w^2."""
    f = layer([[3.0]], [LN2 - 3.0], nn.Sigmoid())  # a = ln 2 at x = 1, h = 2/3, s = 2/9
    exact(f, torch.ones(1, 1, dtype=torch.float64))[1].sum().backward()
    s, curve = 2 / 9, (2 / 9) * (1 - 4 / 3)
    assert f[0].weight.grad.item() == pytest.approx(2 * s**2 * 3 + 2 * s * curve * 9, rel=1e-12)
    assert f[0].bias.grad.item() == pytest.approx(2 * s * curve * 9, rel=1e-12)


def test_two_linear_layers_multiply():
    f = nn.Sequential(*layer(WEIGHT, [0.0] * 3), *layer([[1.0, 0.0, 2.0]], [5.0]))
    _, norm = exact(f, points(3, 2))
    assert norm.tolist() == pytest.approx([1.0**2 + 10.0**2] * 3)  # (1, 2) + 2 * (0, 4)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 2 * 5.0),  # two positions, each sees both weights
        ({"padding": 1}, 4.0 + 5.0 + 5.0 + 1.0),  # at the ends one weight lies in the padding
        ({"padding": 1, "stride": 2}, 4.0 + 5.0),
        ({"dilation": 2}, 5.0),
    ],
    ids=["plain", "padding", "stride", "dilation"],
)
def test_a_convolution_counts_its_positions(settings, expected):
    f = nn.Sequential(nn.Conv1d(1, 1, 2, **settings)).double()
    with torch.no_grad():
        f[0].weight.copy_(torch.tensor([[[1.0, 2.0]]]))
    _, norm = exact(f, points(2, 1, 3))
    assert norm.tolist() == pytest.approx([expected] * 2)


@pytest.mark.parametrize("name", ["sigmoid layer", "deep, narrow code", "deep, wide code", "convolution", "residual"])
def test_rotating_the_code_changes_nothing(name):
    f, x = encoder(name)
    size = f(x[:1]).numel()
    rotation = at_scale(nn.Linear(size, size, bias=False), 1.0)
    with torch.no_grad():
        rotation.weight.copy_(torch.linalg.qr(rotation.weight).Q)
    truth = exact(f, x)[1]
    for rotated in (nn.Sequential(f, rotation), lambda x: rotation(f(x))):
        assert_close(exact(rotated, x)[1], truth, "norm", rtol=1e-12)


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_scaling_the_code_scales_the_norm_by_the_square(name):
    f, x = encoder(name)
    assert_close(exact(lambda x: -3 * f(x), x)[1], 9 * exact(f, x)[1], "norm", rtol=1e-12)


@pytest.mark.parametrize("name", ["sigmoid layer", "deep, narrow code", "convolution", "residual"])
def test_examples_do_not_see_each_other(name):
    f, x = encoder(name)
    _, norm = exact(f, x)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    assert_close(exact(f, x[order])[1], norm[order], "permuted", rtol=1e-12)
    assert_close(torch.cat([exact(f, row)[1] for row in x.split(1)]), norm, "one by one", rtol=1e-12)


def test_the_parts_of_a_code_add_up():
    f, x = encoder("deep, narrow code")
    parts = [exact(lambda x, i=i: f(x)[:, i : i + 1], x)[1] for i in range(f(x).shape[1])]
    assert_close(torch.stack(parts).sum(0), exact(f, x)[1], "sum", rtol=1e-12)


def test_squared_norm_is_exact_unless_told_otherwise():
    f, x = encoder("deep, narrow code")
    assert_close(ct.squared_norm(f, x), exact(f, x)[1], "norm", rtol=1e-14)
    generator = torch.Generator().manual_seed(0)
    estimate = ct.squared_norm(f, x, method="probes", num_probes=1, generator=generator)
    generator.manual_seed(0)
    _, same = ct.value_and_squared_norm(f, x, method="probes", num_probes=1, generator=generator)
    assert torch.equal(estimate, same)
    assert not torch.allclose(estimate, exact(f, x)[1], atol=0)


def test_saturated_elu_keeps_its_digits_in_single_precision():
    encoder = nn.Sequential(nn.Linear(1, 1), nn.ELU())
    with torch.no_grad():
        encoder[0].weight.fill_(1.0)
        encoder[0].bias.zero_()
    x = torch.tensor([[-15.0], [-30.0], [200.0]], requires_grad=True)
    norm = ct.squared_norm(encoder, x)
    torch.testing.assert_close(norm, torch.tensor([math.exp(-30), math.exp(-60), 1.0]), rtol=1e-5, atol=0)
    assert torch.isfinite(torch.autograd.grad(ct.jacobian(encoder, x).sum(), x)[0]).all()
