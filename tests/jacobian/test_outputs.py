"""Encoders with several outputs or inputs: the same numbers as of the code alone."""

from dataclasses import dataclass
from functools import partial

import pytest
import torch
from torch import nn

import contractive as ct
from contractive.core.errors import InvalidType, InvalidValue
from contractive.jacobian import (
    Output,
    leading,
    linearise,
    operator_norm,
    singular_values,
    value_and_jacobian,
    value_and_norm,
    value_norm_and_difference,
)

X = torch.rand(5, 6)


@dataclass
class Outputs:
    """As those of Hugging Face."""

    last_hidden_state: torch.Tensor
    scale: torch.Tensor


class Several(nn.Module):
    """A code and something else, in some container."""

    def __init__(self, pack):
        super().__init__()
        self.code, self.scale, self.pack = nn.Linear(6, 3), nn.Linear(6, 2), pack

    def forward(self, x):
        return self.pack(torch.tanh(self.code(x)), self.scale(x))


KINDS = {
    "tuple": (lambda code, scale: (code, scale), 0, lambda outputs: outputs[1]),
    "list, from the end": (lambda code, scale: [scale, code], 1, lambda outputs: outputs[0]),
    "dictionary": (lambda code, scale: {"mean": code, "scale": scale}, "mean", lambda outputs: outputs["scale"]),
    "object": (Outputs, "last_hidden_state", lambda outputs: outputs.scale),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_output_is_the_code(kind):
    pack, name, scale = KINDS[kind]
    f = Several(pack)
    encoder = Output(f, name, keep=True)
    alone = nn.Sequential(f.code, nn.Tanh())
    code, norm = ct.value_and_squared_norm(encoder, X, method="exact")
    torch.testing.assert_close((code, norm), ct.value_and_squared_norm(alone, X, method="exact"))
    torch.testing.assert_close(scale(encoder.last), f.scale(X))
    torch.testing.assert_close(value_and_norm(encoder, X, "largest")[1], singular_values(alone, X, 1)[:, 0] ** 2)
    gradients = [torch.autograd.grad(one.sum(), f.code.weight)[0] for one in (norm, ct.squared_norm(alone, X))]
    torch.testing.assert_close(*gradients)


def test_nothing_is_kept_unasked():
    encoder = Output(Several(lambda *both: both), 0)
    encoder(X)
    assert encoder.last is None


def test_an_autoencoder_takes_it():
    torch.manual_seed(0)
    net = ct.Autoencoder(Output(Several(lambda *both: both), 0), nn.Linear(3, 6))
    settings = {"max_epochs": 2, "batch_size": 4, "progress": False}
    with pytest.warns(ct.CollapseWarning):
        history = ct.fit(net, torch.rand(8, 6), ct.objectives.contractive(0.01), **settings)
    assert history.penalty_path.startswith("autograd")


def test_other_inputs_are_fixed_by_a_function():
    layer, condition = nn.Linear(6, 3), torch.rand(5, 3)
    encoder = Output(lambda x: (layer(x) * condition, condition), 0)
    truth = (layer.weight * condition[:, :, None]).square().sum((1, 2))
    torch.testing.assert_close(ct.squared_norm(encoder, X), truth)


@pytest.mark.parametrize(
    ("pack", "name", "match"),
    [
        (lambda *both: both, 2, "name must be one of 0, 1, got 2 of a tuple"),
        (lambda *both: both, "mean", "name must be a place, a key or a field of the outputs, got 'mean' of a tuple"),
        (lambda a, b: {"a": a, "b": b}, "c", "name must be one of 'a', 'b', got 'c' of a dict"),
        (Outputs, "pooled", "name must be a place, a key or a field of the outputs, got 'pooled' of a Outputs"),
    ],
)
def test_a_wrong_name_is_refused(pack, name, match):
    with pytest.raises(InvalidValue, match=match):
        ct.squared_norm(Output(Several(pack), name), X)


@pytest.mark.parametrize("pack", [lambda *both: both, lambda a, b: {"a": a}, Outputs], ids=["tuple", "dict", "object"])
def test_several_outputs_are_refused_with_the_remedy(pack):
    match = r"f must return one tensor, got (tuple|dict|Outputs)\. Choose the code: jacobian\.Output\(f, 0\) of a tuple"
    with pytest.raises(InvalidType, match=match):
        ct.squared_norm(Several(pack), X)


class Conditioned(nn.Module):
    """An encoder with a condition for each row."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 4).double(), nn.Linear(3, 4).double()

    def forward(self, x, condition):
        return torch.tanh(self.first(x) * self.second(condition))


WAYS = {
    "squared norm": lambda f, x, **args: ct.value_and_squared_norm(f, x, method="exact", **args),
    "some rows": lambda f, x, **args: ct.value_and_squared_norm(
        f, x, method="exact", rows=torch.tensor([3, 1]), **args
    ),
    "norm": lambda f, x, **args: ct.squared_norm(f, x, **args),
    "entries": lambda f, x, **args: value_and_norm(f, x, "entries", method="exact", rows=torch.tensor([4]), **args),
    "matrix": lambda f, x, **args: ct.jacobian(f, x, **args),
    "value and matrix": lambda f, x, **args: value_and_jacobian(f, x, **args),
    "singular values": lambda f, x, **args: ct.singular_values(f, x, memory_budget=600, **args),
    "leading": lambda f, x, **args: leading(f, x, 2, memory_budget=600, **args).values,
    "iterated": lambda f, x, **args: leading(f, x, 2, method="iterate", memory_budget=600, **args).values,
    "operator norm": lambda f, x, **args: operator_norm(f, x, **args).norm,
    "products": lambda f, x, **args: linearise(f, x, **args).pull(torch.ones(5, 1, 4).double()),
    "difference": lambda f, x, **args: value_norm_and_difference(
        f, x, sigma=0.1, method="exact", generator=seeded(), **args
    ),
    "difference of rows": lambda f, x, **args: value_norm_and_difference(
        f, x, sigma=0.1, method="exact", generator=seeded(), rows=torch.tensor([2, 0]), **args
    ),
}


def seeded():
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("way", WAYS)
def test_a_condition_for_each_row_is_split_with_the_rows(way):
    torch.manual_seed(0)
    f, x, condition = Conditioned(), X.double(), torch.rand(5, 3, dtype=torch.float64)
    found = WAYS[way](f, x, args=(condition,))
    # the same map of x and condition as one input, of which the Jacobian by the condition is left out
    scale = f.second(condition).detach()

    def of(row):
        return lambda x: torch.tanh(f.first(x) * scale[row])

    truth = ct.jacobian(of(slice(None)), x)
    code = of(slice(None))(x)
    norms, values = truth.square().sum((1, 2)), torch.linalg.svdvals(truth)
    expected = {
        "squared norm": (code, norms),
        "some rows": (code, norms[[3, 1]]),
        "norm": norms,
        "entries": (code, truth.abs().sum((1, 2))[[4]]),
        "matrix": truth,
        "value and matrix": (code, truth),
        "singular values": values,
        "leading": values[:, :2],
        "iterated": values[:, :2],
        "operator norm": values[:, 0],
        "products": truth.sum(1, keepdim=True),
    }.get(way)
    if expected is None:
        rows = torch.tensor([2, 0]) if "rows" in way else slice(None)
        noise = torch.randn(4, len(x[rows]), 6, dtype=torch.float64, generator=seeded()) * 0.1
        moved = torch.stack([ct.jacobian(of(rows), x[rows] + e) for e in noise])
        expected = (code, norms[rows], (moved - truth[rows]).square().sum((2, 3)).mean(0))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-9)


def test_the_gradient_in_a_condition():
    torch.manual_seed(0)
    f, x = Conditioned(), X.double()
    condition = torch.rand(5, 3, dtype=torch.float64, requires_grad=True)
    gradients = []
    for norm in (
        ct.value_and_squared_norm(f, x, method="exact", args=(condition,))[1],
        ct.jacobian(lambda x: f(x, condition), x).square().sum((1, 2)),
    ):
        gradients.append(torch.autograd.grad(norm.sum(), [condition, *f.parameters()]))
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(("bad", "got"), [(torch.rand(4, 3), r"shape \(4, 3\)"), (0.5, "float")])
def test_args_without_a_row_for_each_row_are_refused(bad, got):
    with pytest.raises(InvalidValue, match=rf"args must be tensors of 5 rows, as x, got {got}\. What is the same for"):
        ct.squared_norm(Conditioned(), X, args=(bad,))


def test_args_that_are_no_tuple_are_refused():
    with pytest.raises(InvalidType, match=r"args must be a tuple, got Tensor\. Write args=\(condition,\)\."):
        ct.squared_norm(Conditioned(), X, args=torch.rand(5, 3))


@pytest.mark.parametrize("kind", ["chain", "no chain"])
@pytest.mark.parametrize("way", ["norm", "entries", "along", "difference"])
def test_all_rows_in_another_order_have_their_norms_in_that_order(way, kind):
    torch.manual_seed(0)
    chain, x = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 3)).double(), X.double()
    f = chain if kind == "chain" else lambda z: chain(z)
    along = torch.rand(5, 2, 6, dtype=torch.float64, generator=seeded())
    of = {
        "norm": partial(ct.value_and_squared_norm, method="exact"),
        "entries": partial(value_and_norm, norm="entries", method="exact"),
        "along": partial(value_and_norm, directions=along, method="exact"),
        "difference": lambda f, x, **k: value_norm_and_difference(f, x, sigma=0.1, method="exact", **k)[:2],
    }[way]
    order = torch.tensor([3, 0, 4, 1, 2])
    code, norm = of(f, x)
    found = of(f, x, rows=order)
    torch.testing.assert_close(found, (code, norm[order]))
