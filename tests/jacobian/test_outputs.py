"""Encoders with several outputs or inputs: the same numbers as of the code alone."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

import contractive as ct
from contractive.core.errors import InvalidType, InvalidValue
from contractive.jacobian import Output, singular_values, value_and_norm

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
