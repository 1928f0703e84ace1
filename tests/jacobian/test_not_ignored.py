"""Whatever changes what an encoder computes changes its norm: nothing is read past."""

import functools

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules import module as global_hooks
from torch.overrides import TorchFunctionMode

import contractive as ct
from problems import assert_same, at_scale, outcome, points, stack, true_norm

exact = functools.partial(ct.value_and_squared_norm, method="exact")


def plain() -> nn.Sequential:
    f = at_scale(stack((4, 5, 3), nn.Sigmoid), 0.8)
    assert isinstance(f, nn.Sequential)
    return f


class Scaled(nn.Sequential):
    def forward(self, input):
        return 3 * super().forward(input)


class ScaledLinear(nn.Linear):
    def forward(self, input):
        return 3 * super().forward(input)


class ScaledSigmoid(nn.Sigmoid):
    def forward(self, input):
        return 3 * super().forward(input)


def with_forward_hook(f):
    f.register_forward_hook(lambda module, args, output: 3 * output)
    return f


def with_inner_hook(f):
    f[0].register_forward_hook(lambda module, args, output: 3 * output)
    return f


def with_activation_hook(f):
    f[1].register_forward_hook(lambda module, args, output: 3 * output)
    return f


def with_pre_hook(f):
    f[2].register_forward_pre_hook(lambda module, args: (3 * args[0],))
    return f


def with_own_forward(f):
    f.forward = lambda x: 3 * nn.Sequential.forward(f, x)
    return f


def with_own_inner_forward(f):
    f[2].forward = lambda x: 3 * nn.Linear.forward(f[2], x)
    return f


def with_hook_in_nested(f):
    f.append(nn.Sequential(nn.Identity()))
    f[-1].register_forward_hook(lambda module, args, output: 3 * output)
    return f


CHANGES = {
    "forward hook": with_forward_hook,
    "forward hook on a layer": with_inner_hook,
    "forward hook on an activation": with_activation_hook,
    "forward pre-hook": with_pre_hook,
    "forward of the instance": with_own_forward,
    "forward of a layer": with_own_inner_forward,
    "hook on a nested container": with_hook_in_nested,
    "subclass of Sequential": lambda f: Scaled(*f),
    "subclass of Linear": lambda f: at_scale(nn.Sequential(ScaledLinear(4, 3), nn.Sigmoid()), 0.8),
    "subclass of Sigmoid": lambda f: nn.Sequential(f[0], ScaledSigmoid()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_the_forward_pass_count(change):
    f, x = CHANGES[change](plain()), points(6, 4)
    assert_same(outcome(exact, f, x), outcome(true_norm, f, x))


@pytest.mark.parametrize("change", CHANGES)
def test_they_count_in_the_estimate(change):
    """The same probes on a plain function that calls the encoder: the same estimate."""
    f, x = CHANGES[change](plain()), points(6, 4)

    def estimate(f, x):
        return ct.value_and_squared_norm(f, x, method="probes", generator=torch.Generator().manual_seed(0))

    torch.testing.assert_close(estimate(f, x), estimate(lambda x: f(x), x), rtol=1e-12, atol=0)


@pytest.mark.parametrize("change", CHANGES)
def test_they_count_in_the_matrix(change):
    f, x = CHANGES[change](plain()), points(6, 4)
    norm = true_norm(f, x)[1]
    torch.testing.assert_close(ct.jacobian(f, x).square().sum((1, 2)), norm, rtol=1e-12, atol=0)
    torch.testing.assert_close(ct.singular_values(f, x).square().sum(1), norm, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("register", "hook"),
    [
        (global_hooks.register_module_forward_hook, lambda module, args, output: 1.5 * output),
        (global_hooks.register_module_forward_pre_hook, lambda module, args: (1.5 * args[0],)),
    ],
    ids=["forward", "forward pre"],
)
def test_global_hooks_count(register, hook):
    f, x = plain(), points(6, 4)
    without = exact(f, x)[1]
    handle = register(hook)
    try:
        seen, truth = outcome(exact, f, x), outcome(true_norm, f, x)
    finally:
        handle.remove()
    assert_same(seen, truth)
    assert not torch.allclose(seen.norm, without)


@pytest.mark.parametrize("kind", [nn.Linear, nn.Sigmoid, nn.Sequential])
def test_a_class_whose_forward_was_replaced_counts(kind, monkeypatch):
    f, x = plain(), points(6, 4)
    without = exact(f, x)[1]

    @functools.wraps(kind.forward)  # it has the names of the former
    def doubled(self, x, forward=kind.forward):
        return 2 * forward(self, x)

    monkeypatch.setattr(kind, "forward", doubled)
    seen = outcome(exact, f, x)
    assert_same(seen, outcome(true_norm, f, x))
    assert not torch.allclose(seen.norm, without)


def test_replaced_operations_count():
    class Doubled(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            return 2 * result if func is F.linear else result

    f, x = plain(), points(6, 4)
    without = exact(f, x)[1].detach()
    with Doubled():
        code, norm = exact(f, x)
        torch.testing.assert_close(code, f(x))
        with torch.device("cpu"):
            torch.testing.assert_close(norm, true_norm(f, x)[1])
    assert not torch.allclose(norm, without)
    with torch.device("cpu"):  # a mode of torch's own, which changes no number
        assert "autograd" not in str(ct.plan(f, x))


def test_backward_hooks_run():
    f, x = plain(), points(6, 4)
    seen = []
    f[0].register_full_backward_hook(lambda module, inward, outward: seen.append("layer"))
    exact(f, x.requires_grad_())[1].sum().backward()
    assert seen


def test_global_backward_hooks_run():
    f, x = plain(), points(6, 4)
    seen = []
    handle = global_hooks.register_module_full_backward_hook(lambda module, inward, outward: seen.append("layer"))
    try:
        exact(f, x.requires_grad_())[1].sum().backward()
    finally:
        handle.remove()
    assert seen


def test_hooks_on_parameters_run():
    f, x = plain(), points(6, 4)
    f[0].weight.register_hook(lambda gradient: 2 * gradient)
    once = torch.autograd.grad(true_norm(plain(), x)[1].sum(), f[0].weight, allow_unused=True)
    assert once == (None,)
    exact(f, x)[1].sum().backward()
    twin = plain()
    true_norm(twin, x)[1].sum().backward()
    torch.testing.assert_close(f[0].weight.grad, 2 * twin[0].weight.grad, rtol=1e-10, atol=0)


def test_a_parametrization_is_seen_through():
    class Doubled(nn.Module):
        def forward(self, weight):
            return 2 * weight

    f, x = plain(), points(6, 4)
    nn.utils.parametrize.register_parametrization(f[0], "weight", Doubled())
    nn.utils.parametrize.register_parametrization(f[2], "bias", Doubled())
    assert_same(outcome(exact, f, x), outcome(true_norm, f, x))
