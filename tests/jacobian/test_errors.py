"""Every refusal, with its remedy."""

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad
from torch.nn import functional as F

import contractive as ct
from contractive.jacobian import (
    leading,
    linearise,
    operator_norm,
    value_and_gain_weighted_norm,
    value_and_jacobian,
    value_and_norm,
    value_norm_and_difference,
)

f = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
x = torch.linspace(-1, 1, 12).reshape(4, 3)
ALL = [ct.value_and_squared_norm, ct.squared_norm, ct.jacobian, ct.singular_values, ct.plan]
ALL += [linearise, operator_norm, value_and_jacobian, value_and_norm]


def first_leading(f, x):
    return leading(f, x, 1)


def gain_weighted(f, x):
    return value_and_gain_weighted_norm(f, nn.Linear(2, 3), x)


ALL += [first_leading, gain_weighted]
NORMS = [ct.value_and_squared_norm, ct.squared_norm, ct.plan]
METHODS = ["exact", "probes", "forward_probes"]


def name(value):
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize("function", ALL, ids=name)
@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ([[1.0]], r"x must be a floating-point tensor, got list\. Convert it with \.float\(\) or torch\.as_tensor\."),
        (x.long(), r"x must be a floating-point tensor, got torch\.int64"),
        (x.to(torch.complex64), r"x must be a floating-point tensor, got torch\.complex64"),
    ],
    ids=["list", "integers", "complex"],
)
def test_x_that_is_no_floating_point_tensor(function, bad, match):
    with pytest.raises(TypeError, match=match):
        function(f, bad)


@pytest.mark.parametrize("function", ALL, ids=name)
def test_nested_tensors(function):
    with pytest.raises(TypeError, match=r"x must be a tensor with rows of one size, got a nested tensor\. Pad it\."):
        function(f, torch.nested.nested_tensor([x, x[:2]], layout=torch.jagged))


@pytest.mark.parametrize("function", [ct.value_and_squared_norm, value_and_norm], ids=name)
@pytest.mark.parametrize("of", [f, lambda rows: f(rows)], ids=["chain", "autograd"])
@pytest.mark.parametrize("rows", [[0, 1], x, torch.tensor([4]), torch.tensor([-1]), torch.tensor([1, 1])])
def test_rows_that_are_not_numbers_of_different_examples(function, of, rows):
    with pytest.raises(ValueError, match="rows must be different whole numbers from 0 to 3 in one tensor"):
        function(of, x, rows=rows)


@pytest.mark.parametrize("function", ALL, ids=name)
def test_x_without_a_batch(function):
    for one in (torch.tensor(1.0), torch.rand(4)):
        with pytest.raises(ValueError, match=r"x must have the shape \(batch, .*Use x\.unsqueeze\(0\)"):
            function(f, one)


@pytest.mark.parametrize("function", ALL, ids=name)
def test_inference_mode(function):
    match = r"x must be a normal tensor outside torch\.inference_mode\(\), got inference mode.*Use torch\.no_grad\(\)"
    with torch.inference_mode(), pytest.raises(RuntimeError, match=match):
        function(f, x)
    with torch.inference_mode():
        made_inside = x.clone()
    with pytest.raises(RuntimeError, match=match):
        function(f, made_inside)


@pytest.mark.parametrize("function", ALL, ids=name)
@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # which torch itself calls there
def test_tangents_of_forward_mode(function):
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, x)
        with pytest.raises(RuntimeError, match=r"forward_ad do not pass .* use func.jvp"):
            function(f, dual)


@pytest.mark.parametrize("function", NORMS, ids=name)
def test_an_unknown_method(function):
    with pytest.raises(
        ValueError, match=r"method must be one of auto, exact, probes, forward_probes, got 'jacobian'\. C"
    ):
        function(f, x, method="jacobian")


@pytest.mark.parametrize("function", NORMS, ids=name)
def test_too_few_probes(function):
    with pytest.raises(ValueError, match=r"num_probes must be at least 1, got 0\. Leave it out for one probe"):
        function(f, x, method="probes", num_probes=0)


@pytest.mark.parametrize("function", NORMS, ids=name)
def test_probes_for_an_exact_norm(function):
    with pytest.raises(
        ValueError, match=r"num_probes must be left out with method 'exact', got 2\. Use method 'probes'"
    ):
        function(f, x, method="exact", num_probes=2)


@pytest.mark.parametrize("function", [ct.value_and_squared_norm, ct.squared_norm], ids=name)
def test_no_memory(function):
    with pytest.raises(ValueError, match=r"memory_budget must be a positive number of bytes, got 0\. Leave it out\."):
        function(f, x, memory_budget=0)


@pytest.mark.parametrize("k", [0, -1])
def test_no_singular_values(k):
    with pytest.raises(ValueError, match=rf"k must be at least 1, got {k}\. Leave it out for all singular values\."):
        ct.singular_values(f, x, k)


class FunctionalNorm(nn.Module):
    def __init__(self, call):
        super().__init__()
        self.call, self.layer = call, nn.Linear(3, 2)

    def forward(self, x):
        return self.call(self.layer(x))


BATCH_NORMS = {
    "in a chain": lambda: nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Tanh()),
    "first": lambda: nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 2)),
    "deep inside": lambda: nn.Sequential(nn.Sequential(nn.Linear(3, 2), nn.Sequential(nn.BatchNorm1d(2)))),
    "without running statistics": lambda: nn.Sequential(
        nn.Linear(3, 2), nn.BatchNorm1d(2, track_running_stats=False)
    ).eval(),
    "functional": lambda: FunctionalNorm(lambda h: F.batch_norm(h, None, None, training=True)),
    "functional, positional": lambda: FunctionalNorm(lambda h: F.batch_norm(h, None, None, None, None, True)),
    "torch.batch_norm": lambda: FunctionalNorm(
        lambda h: torch.batch_norm(h, None, None, None, None, True, 0.1, 1e-5, False)
    ),
}


@pytest.mark.parametrize("function", [ct.value_and_squared_norm, ct.jacobian, ct.singular_values], ids=name)
@pytest.mark.parametrize("kind", BATCH_NORMS)
def test_batch_norm_in_training(kind, function):
    match = r"f must treat every example on its own, got a BatchNorm that uses the statistics.*Call \.eval\(\) on it"
    with pytest.raises(ValueError, match=match):
        function(BATCH_NORMS[kind](), x)


def test_batch_norm_with_fixed_statistics_is_welcome():
    norm = nn.BatchNorm1d(2).eval()
    for g in (FunctionalNorm(norm), FunctionalNorm(lambda h: F.batch_norm(h, norm.running_mean, norm.running_var))):
        assert ct.squared_norm(g, x).shape == (4,)


@pytest.mark.parametrize("function", [ct.value_and_squared_norm, ct.jacobian, ct.singular_values], ids=name)
@pytest.mark.parametrize(
    ("bad", "error", "match"),
    [
        (lambda x: (x, x), TypeError, r"f must return one tensor, got tuple\. Choose the code: jacobian\.Output"),
        (lambda x: x.sum(), ValueError, r"f must return one row per example, got shape \(\) for \d examples\. Keep"),
        (lambda x: x.T, ValueError, r"f must return one row per example, got shape \(3, \d\) for \d examples\. Keep"),
        (lambda x: (x > 0).long(), TypeError, r"f must return floating-point numbers, got torch\.int64\. It has no"),
        (
            lambda x: x.detach() ** 2,
            ValueError,
            r"f must be differentiable in x, .*Remove \.detach\(\), torch\.no_grad",
        ),
    ],
    ids=["tuple", "number", "transposed", "integers", "detached"],
)
def test_what_f_must_return(bad, error, match, function):
    with pytest.raises(error, match=match):
        function(bad, x)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("units", [2, 5], ids=["rows", "columns"])
def test_a_code_that_depends_on_parameters_alone(method, units):
    weight = torch.ones(units, requires_grad=True)
    for constant in (lambda x: weight.expand(4, units) * 1.0, lambda x: x.detach()[:, :1] * weight):
        with pytest.raises(ValueError, match=r"f must be differentiable in x, got a code that does not depend on x"):
            ct.value_and_squared_norm(constant, x, method=method)


@pytest.mark.parametrize("method", METHODS)
def test_a_second_derivative_of_a_chain_is_refused(method):
    norm = ct.squared_norm(f, x, method=method).sum()
    with pytest.raises(RuntimeError, match=r"must be differentiated once, got create_graph=True\. Pass `lambda x"):
        torch.autograd.grad(norm, f[0].weight, create_graph=True)


def test_the_way_round_has_a_second_derivative():
    through_autograd = ct.squared_norm(lambda rows: f(rows), x).sum()
    (first,) = torch.autograd.grad(through_autograd, [f[0].weight], create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), [f[0].weight])
    assert second.abs().sum() > 0


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"sigma": 0.0}, r"sigma must be above 0 and finite, got 0\.0\. It is the standard deviation of the noise\."),
        ({"sigma": float("nan")}, r"sigma must be above 0 and finite, got nan"),
        ({"sigma": float("inf")}, r"sigma must be above 0 and finite, got inf"),
        ({"copies": 0}, r"copies must be at least 1, got 0\."),
        ({"method": "forward_probes"}, r"method must be auto, exact or probes here, got 'forward_probes'\. Choose"),
        ({"method": "all"}, r"method must be one of auto, exact, probes, forward_probes, got 'all'"),
    ],
    ids=str,
)
def test_the_difference(settings, match):
    with pytest.raises(ValueError, match=match):
        value_norm_and_difference(f, x, **{"sigma": 0.1, "copies": 1, **settings})
