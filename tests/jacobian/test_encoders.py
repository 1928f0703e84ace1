"""Encoders of every kind: value and joint gradient of the exact norm against brute force, one example at a time."""

import functools

import pytest
import torch
from torch import nn

import contractive as ct
from contractive.jacobian import PartlyLinear
from problems import (
    ENCODERS,
    assert_close,
    assert_same,
    at_scale,
    attention,
    brute_force,
    encoder,
    jacobian_of_one_pass,
    outcome,
    points,
    squared_norms,
    stack,
    true_norm,
)

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")  # torch says so of an even kernel
exact = functools.partial(ct.value_and_squared_norm, method="exact")
METHODS = ("exact", "probes", "forward_probes")


@pytest.mark.parametrize("std", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("name", ENCODERS)
def test_value_and_joint_gradient(name, std):
    f, x = encoder(name, std)
    assert_same(outcome(exact, f, x), outcome(true_norm, f, x))


@pytest.mark.parametrize("name", ENCODERS)
def test_in_chunks(name):
    f, x = encoder(name)
    chunked = functools.partial(exact, memory_budget=1)
    assert_same(outcome(chunked, f, x), outcome(exact, f, x), rtol=1e-12)


@pytest.mark.parametrize("name", ENCODERS)
def test_a_batch_of_one(name):
    f, x = encoder(name)
    assert_same(outcome(exact, f, x[:1]), outcome(true_norm, f, x[:1]))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ENCODERS)
def test_an_empty_batch(name, method):
    f, x = encoder(name)
    code, norm = ct.value_and_squared_norm(f, x[:0], method=method)
    assert code.shape == f(x[:0]).shape
    assert norm.shape == (0,)


@pytest.mark.parametrize("name", ENCODERS)
def test_float32(name):
    f, x = encoder(name)
    truth = outcome(true_norm, f, x)
    seen = outcome(exact, f.float(), x.float())
    assert seen.norm.dtype == seen.code.dtype == torch.float32
    for one, other in zip([seen.norm, *seen.gradients], [truth.norm, *truth.gradients], strict=True):
        assert_close(one.double(), other, "float32", rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("name", ENCODERS)
def test_without_gradients(name):
    f, x = encoder(name)
    with torch.no_grad():
        code, norm = exact(f, x.clone().requires_grad_())
    assert not code.requires_grad
    assert not norm.requires_grad
    assert_close(norm, true_norm(f, x)[1].detach(), "norm")


@pytest.mark.parametrize("part", [0, 1], ids=["code", "norm"])
@pytest.mark.parametrize("name", ENCODERS)
def test_gradients_of_code_or_norm_alone(name, part):
    f, x = encoder(name)
    leaves = [x.requires_grad_(), *f.parameters()]

    def gradients(norm):
        loss = norm(f, x)[part].square().sum() + 0 * x.sum()
        return torch.autograd.grad(loss, leaves, materialize_grads=True)

    for one, other in zip(gradients(exact), gradients(true_norm), strict=True):
        assert_close(one, other, "gradient")


FREE = {
    "x alone": lambda x, p: [x],
    "parameters alone": lambda x, p: p,
    "last layer": lambda x, p: p[-2:],
    "first layer": lambda x, p: p[:2],
    "x and last layer": lambda x, p: [x, *p[-2:]],
    "weights": lambda x, p: p[::2],
    "biases but the last": lambda x, p: p[1:-1:2],
}


@pytest.mark.parametrize("free", FREE)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["deep, narrow code", "deep, wide code", "convolution", "residual"])
def test_frozen_parameters(name, method, free):
    """What takes no gradient gets none, and the rest what it gets otherwise."""
    f, x = encoder(name)
    parameters = list(f.parameters())
    leaves = FREE[free](x, parameters)

    def gradients(frozen):
        for leaf in [x, *parameters]:
            leaf.requires_grad_(not frozen or any(leaf is one for one in leaves))
        code, norm = ct.value_and_squared_norm(f, x, method=method, generator=torch.Generator().manual_seed(3))
        return torch.autograd.grad((code.square().flatten(1).sum(1) * norm).sum(), leaves)

    for one, other in zip(gradients(True), gradients(False), strict=True):
        assert_close(one, other, "gradient", rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["deep, narrow code", "deep, wide code", "convolution", "sigmoid layer"])
def test_backward_twice(name, method):
    f, x = encoder(name)
    code, norm = ct.value_and_squared_norm(f, x, method=method)
    loss = norm.sum() + code.square().sum()
    first = torch.autograd.grad(loss, list(f.parameters()), retain_graph=True)
    second = torch.autograd.grad(loss, list(f.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("shape", [(3, 4), (3, 2, 4), (2, 2, 3, 4)], ids=str)
def test_plain_functions_of_any_shape(shape):
    x = points(*shape)
    for f in (lambda x: torch.tanh(x) * x.flatten(1).sum(1).reshape(-1, *(1,) * (x.ndim - 1)), attention):
        if f is not attention or len(shape) > 2:
            assert_same(outcome(exact, f, x), outcome(true_norm, f, x))


def test_closures_bound_methods_and_partials():
    weight = points(3, 4, seed=5).requires_grad_()

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3).double()

        def encode(self, x, scale=2.0):
            return torch.tanh(scale * self.layer(x))

    model, x = Encoder(), points(5, 4)
    for f in (model.encode, functools.partial(model.encode, scale=3.0), lambda x: torch.sigmoid(x @ weight.T)):
        assert_same(outcome(exact, f, x), outcome(true_norm, f, x))
    f = lambda x: torch.sigmoid(x @ weight.T)  # noqa: E731
    assert_same(outcome(exact, f, x, weight), outcome(true_norm, f, x, weight))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "f", [attention, nn.Linear(4, 3).double(), nn.Identity()], ids=["function", "layer", "identity"]
)
def test_the_encoder_runs_once(f, method):
    calls = []

    def counted(x):
        calls.append(len(x))
        return f(x)

    ct.value_and_squared_norm(counted, points(6, 5, 4) if f is attention else points(6, 4), method=method)
    assert calls == [6]


@pytest.mark.parametrize("features", [6, 3], ids=["rows", "columns"])
def test_active_dropout_is_that_of_the_same_pass(features):
    f = at_scale(nn.Sequential(*stack((features, 8), nn.Tanh), nn.Dropout(0.5), *stack((8, 5), nn.Sigmoid)), 1.0)
    f.train()
    x = points(7, features)

    def seeded(norm):
        def run(f, x):
            torch.manual_seed(11)
            return norm(f, x)

        return run

    truth = outcome(seeded(functools.partial(squared_norms, jacobian_of_one_pass)), f, x)
    assert_same(outcome(seeded(exact), f, x), truth)
    torch.manual_seed(11)
    assert_close(ct.jacobian(f, x).square().sum((1, 2)).detach(), truth.norm, "jacobian")


def test_a_gradient_reaches_what_comes_before_x():
    f, x = encoder("deep, narrow code")
    before = points(9, 9, seed=8).requires_grad_()
    (seen,) = torch.autograd.grad(exact(f, x @ before)[1].sum(), before)
    (truth,) = torch.autograd.grad(true_norm(f, x @ before)[1].sum(), before)
    assert_close(seen, truth, "gradient")


def test_spectral_norm_in_training_moves_on_once_per_call():
    """The code is that of a plain call from the same state: one step of the power iteration, not more."""
    torch.manual_seed(0)
    layers = [nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(5, 4).double())) for _ in range(2)]
    start = layers[0].state_dict()
    start["0.parametrizations.weight.0._u"] = torch.eye(4, dtype=torch.float64)[0]
    start["0.parametrizations.weight.0._v"] = torch.eye(5, dtype=torch.float64)[0]
    for layer in layers:
        layer.load_state_dict(start)
    x = points(6, 5)
    assert_close(exact(layers[0], x)[0].detach(), layers[1](x).detach(), "code", rtol=1e-14)


def test_autocast_keeps_the_range_of_the_norm():
    f = at_scale(stack((4, 6, 3), nn.Sigmoid), 0.8).float()
    x = points(5, 4).float()
    with torch.autocast("cpu", torch.bfloat16):
        _, norm = exact(f, x)
    assert_close(norm.detach(), exact(f, x)[1].detach(), "norm", rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_attention_of_torch_can_be_trained_through(method):
    """Its fast kernels have no second derivative."""
    project = nn.Linear(4, 12).double()

    def projected(x):
        return project(x).chunk(3, -1)

    def of_torch(x):
        return nn.functional.scaled_dot_product_attention(*(part.unsqueeze(1) for part in projected(x))).squeeze(1)

    def by_hand(x):
        query, key, value = projected(x)
        return nn.functional.softmax(query @ key.mT / 2, -1) @ value

    seen, truth = (
        ct.squared_norm(f, points(3, 5, 4), method=method, generator=torch.Generator().manual_seed(0))
        for f in (of_torch, by_hand)
    )
    assert_close(seen.detach(), truth.detach(), "norm")
    gradients = (torch.autograd.grad(norm.sum(), project.weight)[0] for norm in (seen, truth))
    assert_close(*gradients, "gradient")


def test_layer_norm_of_any_shape_is_that_of_torch():
    torch.manual_seed(0)
    for shape, normalized in (((6, 4), (4,)), ((6, 3, 4), (3, 4)), ((6, 3, 4), (4,)), ((1, 1), (1,))):
        for affine in (False, True):
            norm = nn.LayerNorm(normalized, elementwise_affine=affine).double()
            for parameter in norm.parameters():
                nn.init.normal_(parameter)
            x = points(*shape)
            assert_close(exact(norm, x)[0].detach(), norm(x).detach(), f"{shape}")
    with pytest.raises(RuntimeError, match=r"normalized_shape=\[5\]"):
        ct.squared_norm(nn.LayerNorm(5).double(), points(3, 4))


def test_instance_norm():
    f = nn.Sequential(nn.ConstantPad1d(1, 0.3), nn.InstanceNorm1d(2, affine=True), nn.Tanh())  # a code wider than x
    f = at_scale(f, 1.0)
    assert_same(outcome(exact, f, points(4, 2, 3)), outcome(true_norm, f, points(4, 2, 3)))


def test_instance_norm_moves_its_running_statistics_as_a_plain_call_does():
    one, other = (nn.InstanceNorm1d(2, track_running_stats=True).double() for _ in range(2))
    x = points(3, 2, 5)
    assert_close(exact(one, x)[0].detach(), other(x), "code")
    assert_close(one.running_var, other.running_var, "running variance")
    assert_close(exact(one.eval(), x)[0].detach(), other.eval()(x), "code in evaluation mode")


def test_a_traced_encoder_goes_through_autograd():
    encoder = stack((4, 3), nn.Tanh).double()
    x = points(5, 4)
    with pytest.warns(DeprecationWarning, match="jit"):
        traced = torch.jit.trace(encoder, x)
    assert_close(ct.squared_norm(traced, x).detach(), ct.squared_norm(encoder, x).detach(), "norm")


def test_brute_force_agrees_with_itself():
    """The oracle's two ways, so that an error in one of them shows."""
    for name in ("residual", "convolution", "layer used twice"):
        f, x = encoder(name)
        assert_close(jacobian_of_one_pass(f, x)[1], brute_force(f, x)[1], name, rtol=1e-13)


def test_half_precision_input_under_autocast_is_done_in_the_precision_of_the_weights():
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(6, 4), nn.Sigmoid(), nn.Linear(4, 3), nn.Tanh())
    x = torch.rand(5, 6).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        _, norm = ct.value_and_squared_norm(encoder, x, method="exact")
    torch.testing.assert_close(norm, ct.squared_norm(encoder, x.float()))


def patched_convolution():
    """Tiles without a border, as is often patched into finished networks."""
    net = nn.Sequential(nn.Unflatten(1, (1, 3, 4)), nn.Conv2d(1, 2, 3, padding=1), nn.Tanh(), nn.Flatten())
    kernel = net[1]

    def forward(x, weight, bias):
        return nn.functional.conv2d(nn.functional.pad(x, (1, 1, 1, 1), mode="circular"), weight, bias)

    kernel._conv_forward = forward
    return net.double()


def compiled_with_a_hook():
    compiled = torch.compile(nn.Sequential(nn.Linear(12, 3), nn.Tanh()).double(), backend="eager")
    compiled.register_forward_hook(lambda module, inputs, code: 2 * code)
    return compiled


def partly_linear_after_a_reshape():
    layers = [nn.Linear(12, 6), nn.Unflatten(1, (2, 3)), PartlyLinear(2), nn.Flatten(), nn.Linear(6, 2)]
    return nn.Sequential(*layers).double()


def partly_linear_after_a_convolution():
    layers = [nn.Unflatten(1, (2, 6)), nn.Conv1d(2, 3, 3), PartlyLinear(2), nn.Flatten(), nn.Linear(12, 2)]
    return nn.Sequential(*layers).double()


@pytest.mark.parametrize(
    "build",
    [patched_convolution, compiled_with_a_hook, partly_linear_after_a_reshape, partly_linear_after_a_convolution],
)
def test_what_is_more_than_its_type_says_goes_through_autograd(build):
    torch.manual_seed(0)
    f, x = build(), torch.randn(4, 12, dtype=torch.float64)
    code, norm = ct.value_and_squared_norm(f, x, method="exact")
    wanted = f(x)
    torch.testing.assert_close(code, wanted)
    step = 1e-6 * torch.eye(12, dtype=torch.float64)
    columns = torch.stack([(f(x + each) - f(x - each)).flatten(1) / 2e-6 for each in step], 2)
    torch.testing.assert_close(norm, columns.square().sum((1, 2)), rtol=1e-6, atol=0)
