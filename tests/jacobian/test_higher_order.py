"""E ||J(x) - J(x + e)||^2 where it is known in closed form, and its gradient by finite differences."""

import pytest
import torch
from torch import nn

from contractive.jacobian import value_norm_and_difference
from problems import assert_close, at_scale, encoder, points, stack, true_norm


class Square(nn.Module):
    """x -> (W x)^2, with J(x) - J(x + e) = -2 diag(W e) W."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4, bias=False)

    def forward(self, x):
        return self.layer(x).square()


@pytest.mark.parametrize("method", ["exact", "probes"])
def test_a_quadratic_encoder(method):
    """E ||J(x) - J(x + e)||^2 = 4 sigma^2 sum_j ||W_j||^4 everywhere."""
    f, x, sigma = at_scale(Square(), 0.7), points(20, 3), 0.3
    generator = torch.Generator().manual_seed(0)
    code, norm, difference = value_norm_and_difference(
        f, x, sigma=sigma, copies=300, method=method, generator=generator
    )
    assert isinstance(f, Square)
    expected = 4 * sigma**2 * f.layer.weight.square().sum(1).square().sum()
    assert code.shape == (20, 4)
    assert difference.shape == norm.shape == (20,)
    assert difference.mean().item() == pytest.approx(expected.item(), rel=0.05 if method == "exact" else 0.2)


def test_one_layer_with_little_noise():
    """sigma^2 sum_j act''(a_j)^2 ||W_j||^4 to first order."""
    f, x, sigma = at_scale(stack((5, 4), nn.Sigmoid), 0.8), points(6, 5), 1e-3
    generator = torch.Generator().manual_seed(0)
    _, _, difference = value_norm_and_difference(f, x, sigma=sigma, copies=4000, generator=generator)
    h = f(x)
    curvature = h * (1 - h) * (1 - 2 * h)
    expected = sigma**2 * curvature.square() @ f[0].weight.square().sum(1).square()
    torch.testing.assert_close(difference, expected, rtol=0.1, atol=0)


AFFINE = {
    "layer": (lambda: nn.Linear(12, 3), (4, 12)),
    "two layers": (lambda: nn.Sequential(nn.Linear(12, 3), nn.Linear(3, 3)), (4, 12)),
    "image": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(12, 3)), (4, 3, 2, 2)),
    "convolution": (lambda: nn.Sequential(nn.Conv1d(2, 3, 2), nn.Flatten()), (4, 2, 4)),
}


@pytest.mark.parametrize("kind", AFFINE)
def test_an_affine_encoder_has_no_difference(kind):
    build, shape = AFFINE[kind]
    f, x = at_scale(build(), 0.8), points(*shape)
    code, norm, difference = value_norm_and_difference(f, x, sigma=0.5, copies=2, method="exact")
    assert_close(code, f(x), "code")
    assert_close(norm.detach(), true_norm(f, x)[1].detach(), "norm")
    assert difference.abs().max() < 1e-25


@pytest.mark.parametrize("name", ["sigmoid layer", "deep, narrow code", "convolution", "image", "residual"])
def test_the_norm_beside_it(name):
    f, x = encoder(name)
    code, norm, _ = value_norm_and_difference(f, x, sigma=0.4, copies=2, method="exact")
    truth = true_norm(f, x)
    assert_close(code, truth[0], "code")
    assert_close(norm, truth[1], "norm")


def test_images_through_one_curved_layer():
    """As through the same layer on flat points with the same noise."""
    layer = at_scale(stack((12, 3), nn.Tanh), 0.8)
    x = points(10, 12)
    flat, image = (
        value_norm_and_difference(
            f, shaped, sigma=0.4, copies=2, method="exact", generator=torch.Generator().manual_seed(0)
        )
        for f, shaped in ((layer, x), (nn.Sequential(nn.Flatten(), *layer), x.reshape(10, 3, 2, 2)))
    )
    for one, other in zip(flat, image, strict=True):
        assert one.shape == other.shape
    assert_close(image[1], flat[1], "norm")


@pytest.mark.parametrize("method", ["exact", "probes"])
@pytest.mark.parametrize("name", ["sigmoid layer", "deep, narrow code", "convolution", "residual"])
def test_the_gradient_is_that_of_the_same_noise(name, method):
    f, x = encoder(name, 0.5)
    x = x[:2].requires_grad_()

    def fixed(x, *_):
        generator = torch.Generator().manual_seed(1)
        return value_norm_and_difference(f, x, sigma=0.4, copies=2, method=method, generator=generator)

    assert torch.autograd.gradcheck(fixed, (x, *f.parameters()), atol=1e-7, rtol=1e-6)
