"""Randomly drawn chains of Linear layers: value and joint gradient of the exact norm against brute force."""

from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import contractive as ct
from problems import assert_close, assert_same, at_scale, by_jacrev, outcome, points, true_norm_by_jacrev

ACTIVATIONS = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky relu": lambda: nn.LeakyReLU(0.1),
    "elu": lambda: nn.ELU(1.3),
    "softplus": lambda: nn.Softplus(beta=2.0, threshold=3.0),
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "gelu tanh": lambda: nn.GELU("tanh"),
    "identity": nn.Identity,
}
STDS = (0.1, 0.5, 1.0, 3.0)


@st.composite
def chains(draw):
    """(encoder, points): depth 1 to 4, widths 1 to 9."""
    widths = draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    modules = [nn.Flatten()] if draw(st.booleans()) else []
    for before, after in pairwise(widths):
        modules.append(nn.Linear(before, after, bias=draw(st.booleans())))
        if draw(st.booleans()):
            modules.append(nn.BatchNorm1d(after, affine=draw(st.booleans())))
        modules += [ACTIVATIONS[draw(st.sampled_from(list(ACTIVATIONS)))]()]
        modules += [nn.Dropout(0.5)] if draw(st.booleans()) else []
    seed = draw(st.integers(0, 10_000))
    encoder = at_scale(nn.Sequential(*modules), draw(st.sampled_from(STDS)), seed)
    return encoder, points(draw(st.integers(1, 6)), widths[0], seed=seed)


budgets = st.sampled_from([1, 2000, 2**28])


@settings(deadline=None, max_examples=60, derandomize=True)
@given(chains(), budgets, st.booleans())
def test_value_and_joint_gradient(chain, budget, common):
    def norm(f, x):
        return ct.value_and_squared_norm(f, x, method="exact", memory_budget=budget)

    seen, truth = (outcome(way, *chain, common=common) for way in (norm, true_norm_by_jacrev))
    assert_same(seen, truth)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(chains(), budgets)
def test_the_matrix_and_its_singular_values(chain, budget):
    f, x = chain
    _, truth = by_jacrev(f, x)
    assert_close(ct.jacobian(f, x, memory_budget=budget), truth, "jacobian")
    spectrum = torch.linalg.svdvals(truth)
    assert_close(ct.singular_values(f, x, memory_budget=budget), spectrum, "singular values", atol=1e-12)


@settings(deadline=None, max_examples=40, derandomize=True)
@given(chains())
def test_with_a_code_of_one_unit_probes_are_exact(chain):
    """v is +1 or -1 and ||v J||^2 = ||J||^2, whatever is drawn."""
    f, x = chain
    f = nn.Sequential(f, at_scale(nn.Linear(f(x).shape[1], 1), 1.0))

    def norm(f, x):
        return ct.value_and_squared_norm(f, x, method="probes", num_probes=2)

    assert_same(outcome(norm, f, x), outcome(true_norm_by_jacrev, f, x))


@settings(deadline=None, max_examples=40, derandomize=True)
@given(chains())
def test_with_one_feature_forward_probes_are_exact(chain):
    f, x = chain
    f = nn.Sequential(at_scale(nn.Linear(1, x.shape[1]), 1.0), *f)

    def norm(f, x):
        return ct.value_and_squared_norm(f, x, method="forward_probes", num_probes=2)

    assert_same(outcome(norm, f, x[:, :1]), outcome(true_norm_by_jacrev, f, x[:, :1]))
