"""Randomly drawn convolutional chains against brute force."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

import contractive as ct
from problems import assert_close, assert_same, at_scale, by_jacrev, outcome, points, true_norm_by_jacrev

# torch says so of an even kernel; the answer is the same
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")

CONVOLUTIONS = {1: (nn.Conv1d, nn.BatchNorm1d), 2: (nn.Conv2d, nn.BatchNorm2d)}
ACTIVATIONS = (nn.Sigmoid, nn.Tanh, nn.LeakyReLU, nn.Softplus, nn.Identity)


@st.composite
def convolutions(draw, dims: int, channels: int, groups: int):
    """One convolution, perhaps a batch norm, an activation; the channels that come out."""
    convolution, batch_norm = CONVOLUTIONS[dims]
    same = draw(st.booleans())
    after = groups * draw(st.integers(1, 2))
    layer = convolution(
        channels,
        after,
        kernel_size=draw(st.integers(1, 3)),
        stride=1 if same else draw(st.integers(1, 2)),
        padding="same" if same else draw(st.integers(0, 2)),
        dilation=draw(st.integers(1, 2)),
        groups=groups,
        bias=draw(st.booleans()),
    )
    norms = [batch_norm(after)] if draw(st.booleans()) else []
    return [layer, *norms, draw(st.sampled_from(ACTIVATIONS))()], after


@st.composite
def encoders(draw):
    """(encoder, points): one or two convolutions, perhaps a dense head."""
    dims, channels, groups = draw(st.sampled_from([1, 2])), 2, draw(st.sampled_from([1, 2]))
    modules, after = draw(convolutions(dims, channels, groups))
    if draw(st.booleans()):
        more, after = draw(convolutions(dims, after, 1))
        modules += more
    size = draw(st.integers(3, 5))
    seed = draw(st.integers(0, 10_000))
    x = points(draw(st.integers(1, 3)), channels, *(size,) * dims, seed=seed)
    body = at_scale(nn.Sequential(*modules), 1.0)
    try:
        code = body(x)
    except RuntimeError:  # the kernel is larger than what is left of the image
        assume(False)
    if draw(st.booleans()):
        modules += [nn.Flatten(), nn.Linear(code[0].numel(), draw(st.integers(1, 3)))]
        modules += [nn.Tanh()] if draw(st.booleans()) else []
    return at_scale(nn.Sequential(*modules), draw(st.sampled_from([0.1, 0.5, 2.0])), seed), x


@settings(deadline=None, max_examples=40, derandomize=True)
@given(encoders(), st.sampled_from([1, 20_000, 2**28]), st.booleans())
def test_value_and_joint_gradient(case, budget, common):
    def norm(f, x):
        return ct.value_and_squared_norm(f, x, method="exact", memory_budget=budget)

    seen, truth = (outcome(way, *case, common=common) for way in (norm, true_norm_by_jacrev))
    assert_same(seen, truth)


@settings(deadline=None, max_examples=20, derandomize=True)
@given(encoders(), st.sampled_from([1, 2**28]))
def test_the_matrix(case, budget):
    f, x = case
    assert_close(ct.jacobian(f, x, memory_budget=budget), by_jacrev(f, x)[1], "jacobian")
