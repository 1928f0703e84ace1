"""The Jacobian and its singular values against brute force, with their gradients."""

import pytest
import torch

import contractive as ct
from problems import ENCODERS, assert_close, attention, brute_force, encoder, points, stack

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


@pytest.mark.parametrize("budget", [1, 2**28], ids=["chunks", "at once"])
@pytest.mark.parametrize("name", ENCODERS)
def test_jacobian_and_its_gradient(name, budget):
    f, x = encoder(name)
    leaves = [x.requires_grad_(), *f.parameters()]
    seen, (_, truth) = ct.jacobian(f, x, memory_budget=budget), brute_force(f, x)
    assert_close(seen, truth, "jacobian")
    weights = points(*truth.shape, seed=3)
    gradients = [
        torch.autograd.grad((weights * matrix).sum() + 0 * x.sum(), leaves, materialize_grads=True)
        for matrix in (seen, truth)
    ]
    for one, other in zip(*gradients, strict=True):
        assert_close(one, other, "gradient")


@pytest.mark.parametrize("budget", [1, 2**28], ids=["chunks", "at once"])
@pytest.mark.parametrize("name", ENCODERS)
def test_singular_values(name, budget):
    f, x = encoder(name)
    truth = torch.linalg.svdvals(brute_force(f, x)[1])
    seen = ct.singular_values(f, x, memory_budget=budget)
    assert_close(seen, truth, "singular values", atol=1e-7)  # those that are zero come out as about 1e-16 or 1e-8
    assert (seen[:, :-1] >= seen[:, 1:]).all()
    assert_close(seen.square().sum(1), ct.squared_norm(f, x), "sum of squares")


@pytest.mark.parametrize("name", ["deep, narrow code", "deep, wide code", "residual"])
def test_gradient_of_the_largest_singular_value(name):
    f, x = encoder(name)
    leaves = [x.requires_grad_(), *f.parameters()]
    largest = ct.singular_values(f, x, 1)[:, 0].sum(), torch.linalg.svdvals(brute_force(f, x)[1])[:, 0].sum()
    for one, other in zip(
        *(torch.autograd.grad(value, leaves, materialize_grads=True) for value in largest), strict=True
    ):
        assert_close(one, other, "gradient", rtol=1e-8)


@pytest.mark.parametrize("k", [1, 2, 100])
def test_the_first_k_singular_values(k):
    f, x = encoder("image")
    every = ct.singular_values(f, x)
    assert every.shape == (4, 3)
    assert_close(ct.singular_values(f, x, k), every[:, :k], "first k", rtol=1e-14)


def test_a_bottleneck_inside_leaves_zero_singular_values():
    """One value for each of min(code, features), also where a narrower layer makes some of them zero."""
    torch.manual_seed(0)
    f, x = stack((5, 2, 4), torch.nn.Tanh).double(), points(3, 5)
    seen = ct.singular_values(f, x)
    assert seen.shape == (3, 4)
    assert_close(seen, torch.linalg.svdvals(brute_force(f, x)[1]), "singular values", atol=1e-12)


@pytest.mark.parametrize("name", ["deep, narrow code", "convolution", "residual", "own function"])
def test_an_empty_batch(name):
    f, x = encoder(name)
    k, d = f(x)[0].numel(), x[0].numel()
    assert ct.jacobian(f, x[:0]).shape == (0, k, d)
    assert ct.singular_values(f, x[:0]).shape == (0, min(k, d))


@pytest.mark.parametrize("name", ["deep, narrow code", "convolution", "residual"])
def test_without_gradients(name):
    f, x = encoder(name)
    with torch.no_grad():
        matrix, values = ct.jacobian(f, x.clone().requires_grad_()), ct.singular_values(f, x)
    assert not matrix.requires_grad
    assert not values.requires_grad
    assert_close(matrix, brute_force(f, x)[1].detach(), "jacobian")


def test_a_plain_function_on_sequences():
    x = points(3, 4, 2)
    assert_close(ct.jacobian(attention, x), brute_force(attention, x)[1], "jacobian")


def test_the_module_is_the_function():
    f, x = encoder("deep, narrow code")
    assert torch.equal(ct.jacobian(f, x), ct.jacobian.jacobian(f, x))
