"""What `plan` says, and that it is what happens."""

import copy
import dataclasses
import pickle

import pytest
import torch
from torch import nn

import contractive as ct
from problems import assert_close, assert_same, at_scale, encoder, outcome, points, stack, true_norm

EXACT = {
    # name: (encoder, points, plan)
    "one layer": (lambda: stack((5, 4), nn.Sigmoid), (6, 5), "closed form (exact)"),
    "bare layer": (lambda: nn.Linear(5, 4), (6, 5), "closed form (exact)"),
    "one convolution": (lambda: nn.Sequential(nn.Conv2d(2, 3, 2), nn.ELU()), (3, 2, 4, 4), "closed form (exact)"),
    "wide input": (lambda: stack((40, 6, 4, 2), nn.Sigmoid), (6, 40), "exact rows (exact, Gram form)"),
    "narrow input, large code": (lambda: stack((2, 5, 7, 9), nn.Tanh), (6, 2), "exact columns (exact)"),
    "wide layer": (lambda: stack((6, 20, 5), nn.Tanh), (4, 6), "exact rows (exact)"),
    "convolutions": (
        lambda: nn.Sequential(nn.Conv1d(2, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(6, 3)),
        (3, 2, 4),
        "exact rows (exact)",
    ),
    "not a chain": (lambda: nn.Sequential(nn.Tanh(), nn.Linear(4, 3)), (5, 4), "autograd exact rows (exact)"),
    "not a chain, wide": (lambda: nn.Sequential(nn.Tanh(), nn.Linear(2, 3)), (5, 2), "autograd exact columns (exact)"),
}


@pytest.mark.parametrize("common", [False, True], ids=["weighted", "mean"])
@pytest.mark.parametrize("budget", [1, 3000, 2**28])
@pytest.mark.parametrize("name", EXACT)
def test_every_exact_path(name, budget, common):
    build, shape, expected = EXACT[name]
    f, x = at_scale(build(), 0.8), points(*shape)
    assert str(ct.plan(f, x, method="exact")) == expected

    def norm(f, x):
        return ct.value_and_squared_norm(f, x, method="exact", memory_budget=budget)

    seen, truth = (outcome(way, f, x, common=common) for way in (norm, true_norm))
    assert_same(seen, truth)


@pytest.mark.parametrize(
    ("widths", "batch", "method", "expected"),
    [
        ((9, 6, 2), 1, "probes", "code probes (unbiased estimate)"),
        ((60, 3, 2), 64, "probes", "code probes (unbiased estimate, Gram form)"),
        ((9, 6, 2), 6, "forward_probes", "forward probes (unbiased estimate)"),
    ],
    ids=str,
)
def test_estimates(widths, batch, method, expected):
    f, x = at_scale(stack(widths, nn.Tanh), 0.5), points(batch, widths[0])
    plan = ct.plan(f, x, method=method, num_probes=2)
    assert str(plan) == expected
    assert not plan.exact
    assert str(ct.plan(lambda x: f(x), x, method=method)) == f"autograd {expected.replace(', Gram form', '')}"


def test_auto_is_exact_where_that_costs_about_as_much():
    one = stack((784, 1000), nn.Sigmoid)
    deep = stack((784, 256, 128, 64), nn.Sigmoid)
    x = torch.rand(128, 784)
    assert str(ct.plan(one, x)) == "closed form (exact)"
    assert str(ct.plan(deep, x)).startswith("code probes")
    assert ct.plan(lambda x: x[:, :1].sin(), x).path == "autograd exact rows"
    assert ct.plan(lambda x: x.sin(), x).path == "autograd code probes"


def test_auto_does_what_it_says():
    for name in ("sigmoid layer", "learned slope", "deep, narrow code"):
        f, x = encoder(name)
        plan = ct.plan(f, x)
        method = "exact" if plan.exact else "probes"
        generators = [torch.Generator().manual_seed(2) for _ in range(2)]
        auto, named = (
            ct.value_and_squared_norm(f, x, method=one, generator=generator)[1]
            for one, generator in zip(("auto", method), generators, strict=True)
        )
        assert_close(auto, named, name, rtol=1e-14)


def test_costs_are_counted_for_every_way():
    plan = ct.plan(stack((20, 10, 5), nn.Tanh), torch.rand(8, 20), method="exact")
    assert set(plan.multiplications) == {"exact rows", "exact columns", "code probes", "forward probes"}
    assert min(plan.multiplications.values()) > 0
    assert plan.multiplications["code probes"] < plan.multiplications["exact rows"]


def test_a_plan_cannot_be_changed():
    plan = ct.plan(stack((3, 2), nn.Tanh), torch.rand(2, 3))
    with pytest.raises(dataclasses.FrozenInstanceError):
        plan.path = "other"


def test_planning_moves_no_statistics_and_draws_no_numbers():
    f = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.LayerNorm(5), nn.Dropout(0.5)).train()
    before, state = copy.deepcopy(f.state_dict()), torch.get_rng_state()
    assert ct.jacobian.plan(f, torch.ones(6, 4), batch_statistics="constant").path.startswith("autograd")
    assert all(torch.equal(f.state_dict()[name], value) for name, value in before.items())
    assert torch.equal(torch.get_rng_state(), state)


def test_planning_leaves_no_graph_and_no_gradients():
    f, x = encoder("deep, narrow code")
    ct.plan(f, x.requires_grad_())
    assert x.grad is None
    assert all(p.grad is None for p in f.parameters())


@pytest.mark.parametrize("method", ["auto", "exact"])
def test_planning_refuses_what_the_norm_refuses(method):
    """And leaves the running statistics as they are."""
    f = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    x = torch.randn(4, 3)
    before = f[1].running_mean.clone()
    with pytest.raises(ValueError, match="f must treat every example on its own"):
        ct.plan(f, x, method=method)
    assert torch.equal(f[1].running_mean, before)
    with pytest.raises(TypeError, match="f must return one tensor, got tuple"):
        ct.plan(lambda x: (x, x), x)


def test_a_plan_is_pickled_and_copied():
    made = ct.jacobian.plan(nn.Linear(3, 2), torch.rand(4, 3))
    for other in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert other == made
        assert str(other) == str(made)
