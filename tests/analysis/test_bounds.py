"""Bounds on the stretch of a network are never below it, and exact where nothing is lost."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

import contractive as ct
from contractive import analysis
from measured import gaussian, layer
from problems import by_jacrev

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "softplus": nn.Softplus, "none": nn.Identity}


def network(activation, widths=(5, 7, 6, 3)):
    torch.manual_seed(0)
    layers = [[nn.Linear(a, b), ACTIVATIONS[activation]()] for a, b in pairwise(widths)]
    return nn.Sequential(*(module for pair in layers for module in pair)).double()


def norms(encoder, x):
    return torch.linalg.matrix_norm(by_jacrev(encoder, x)[1].detach(), 2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("radius", [0.0, 0.3, 2.0])
def test_no_point_of_the_ball_stretches_more(activation, radius):
    encoder, x = network(activation), gaussian(6, 5)
    found = analysis.certified_norms(encoder, x, radius=radius)
    torch.testing.assert_close(found.exact, norms(encoder, x))
    steps = gaussian(300, 6, 5, seed=3)
    lengths = radius * torch.linspace(0, 1, 300).double().view(-1, 1, 1)
    points = x + lengths * steps / steps.norm(dim=2, keepdim=True)
    assert (norms(encoder, points.flatten(0, 1)).view(300, 6) <= found.operator * (1 + 1e-12)).all()
    # the same along the way up the norm
    climbed = x.clone().requires_grad_()
    for _ in range(20):
        height = torch.linalg.matrix_norm(by_jacrev(encoder, climbed)[1], 2)
        (gradient,) = torch.autograd.grad(height.sum() + 0 * climbed.sum(), climbed)
        moved = climbed.detach() + 0.2 * gradient / gradient.norm(dim=1, keepdim=True).clamp_min(1e-12) - x
        moved = moved * (radius / moved.norm(dim=1, keepdim=True).clamp_min(1e-12)).clamp_max(1)
        climbed = (x + moved).requires_grad_()
    assert (norms(encoder, climbed.detach()) <= found.operator * (1 + 1e-12)).all()
    changes = (encoder(points) - encoder(x)).norm(dim=2) / (points - x).norm(dim=2).clamp_min(1e-12)
    assert (changes <= found.operator * (1 + 1e-9)).all()


@pytest.mark.parametrize("beta", [0.05, 0.7, 5.0, 40.0, -3.0])
@pytest.mark.parametrize("threshold", [20, 35.0])
@pytest.mark.parametrize("widths", [(4, 5), (5, 7, 6, 3)])
def test_a_softplus_has_its_own_parameters(beta, threshold, widths):
    torch.manual_seed(0)
    layers = [[nn.Linear(a, b), nn.Softplus(beta, threshold)] for a, b in pairwise(widths)]
    encoder = nn.Sequential(*(module for pair in layers for module in pair)).double()
    x = gaussian(6, widths[0])
    for radius in (0.0, 0.1, 1.0):
        found = analysis.certified_norms(encoder, x, radius=radius)
        torch.testing.assert_close(found.exact, norms(encoder, x))
        steps = gaussian(500, 6, widths[0], seed=3)
        lengths = radius * torch.linspace(0, 1, 500).double().view(-1, 1, 1)
        points = x + lengths * steps / steps.norm(dim=2, keepdim=True)
        assert (norms(encoder, points.flatten(0, 1)).view(500, 6) <= found.operator * (1 + 1e-12)).all()


def test_a_softplus_beyond_its_threshold_has_slope_one():
    encoder = nn.Sequential(layer([[2.0]], [0.0])[0], nn.Softplus(beta=50.0))
    found = analysis.certified_norms(encoder, torch.tensor([[0.5], [-0.1]], dtype=torch.float64), radius=0.2)
    assert found.operator.tolist() == pytest.approx([2, 2 / (1 + math.exp(-10))], rel=1e-14)


def test_one_layer_is_exact_at_a_point_and_by_hand_in_a_ball():
    encoder, x = layer([[1.0, 0.0], [0.0, 2.0]], [0.5, -3.0]), torch.zeros(1, 2).double()
    found = analysis.certified_norms(encoder, x)
    torch.testing.assert_close(found.operator, found.exact)
    ball = analysis.certified_norms(encoder, x, radius=0.5)
    slope = torch.sigmoid(torch.tensor(2.0).double())  # -3 + 2 * 0.5 is as near to 0 as the second unit comes
    by_hand = max(0.25, float(2 * slope * (1 - slope)))  # the first reaches 0.5 - 0.5 = 0
    assert float(ball.operator) == pytest.approx(by_hand)
    assert ball.contractive_share == 1
    assert ball.to_pandas().shape == (1, 2)


def test_the_bound_grows_with_the_radius_and_beats_the_product_of_norms():
    encoder, x = network("tanh"), 10 * gaussian(5, 5)
    bounds = [analysis.certified_norms(encoder, x, radius=radius).operator for radius in (0.0, 0.1, 0.5, 100.0)]
    for one, other in pairwise(bounds):
        assert (one <= other).all()
    weights = [module.weight for module in encoder if isinstance(module, nn.Linear)]
    product = torch.stack([torch.linalg.matrix_norm(weight, 2) for weight in weights]).prod()
    torch.testing.assert_close(bounds[-1], product.detach().expand(5))
    assert (bounds[1] < 0.5 * product).all()


def test_encoders_of_the_library_and_float32():
    model = ct.mlp(8, hidden=(6,), code=4).eval()
    found = analysis.certified_norms(model.encoder, torch.rand(3, 8), radius=0.1)
    assert found.operator.dtype == torch.float32
    assert (found.operator >= found.exact).all()


def test_an_activation_used_twice_counts_twice():
    tanh, x = nn.Tanh(), gaussian(4, 5)
    one, two, three = (module for module in network("tanh") if isinstance(module, nn.Linear))
    shared = nn.Sequential(one, tanh, nn.Sequential(two, tanh), three, tanh)
    found, wanted = (analysis.certified_norms(net, x, radius=0.2) for net in (shared, network("tanh")))
    torch.testing.assert_close(found.operator, wanted.operator)
    torch.testing.assert_close(found.exact, norms(shared, x))


def test_what_has_no_bound_is_refused():
    x = torch.rand(2, 4)
    for encoder, name in (
        (nn.Sequential(nn.Linear(4, 3), nn.GELU()), "GELU"),
        (nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), "Flatten"),
        (nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Tanh()), "Tanh"),
        (ct.mlp(4, code=2), "Autoencoder"),
    ):
        with pytest.raises(TypeError, match=f"encoder must be an nn.Sequential of nn.Linear, .*, got {name}"):
            analysis.certified_norms(encoder, x)
    for activation in (nn.ELU(2.0), nn.LeakyReLU(-3.0), nn.CELU(0.1), nn.Hardtanh(-3, 3), nn.GELU("tanh"), nn.SiLU()):
        with pytest.raises(TypeError, match=f"got {type(activation).__name__}"):
            analysis.certified_norms(nn.Sequential(nn.Linear(4, 3), activation), x)
    with pytest.raises(ValueError, match=r"encoder must have a softplus with a threshold of at least 20, .* got 0\.5"):
        analysis.certified_norms(nn.Sequential(nn.Linear(4, 3), nn.Softplus(threshold=0.5)), x)
    hooked = nn.Sequential(nn.Linear(4, 3))
    hooked[0].register_forward_hook(lambda module, given, value: 2 * value)
    with pytest.raises(TypeError, match="got Linear"):
        analysis.certified_norms(hooked, x)
    with pytest.raises(ValueError, match="radius must be at least 0 and finite, got -1"):
        analysis.certified_norms(nn.Sequential(nn.Linear(4, 3)), x, radius=-1)
