"""Layers one on the other as one network."""

import pytest
import torch
from torch import nn

import contractive as ct
from contractive.models import encoder, stack, unroll

X = torch.rand(60, 6, generator=torch.Generator().manual_seed(0))


def test_a_stack_is_tied_layers_that_fit():
    layers = stack(6, (5, 4), seed=1)
    assert [layer.encoder[0].weight.shape for layer in layers] == [(5, 6), (4, 5)]
    assert torch.equal(layers[1].encoder[0].weight, stack(6, (5, 4), seed=1)[1].encoder[0].weight)
    assert not torch.equal(layers[0].encoder[0].weight, stack(6, (5, 4), seed=2)[0].encoder[0].weight)


@pytest.mark.parametrize(
    ("activation", "upper"), [("sigmoid", nn.Sigmoid), ("tanh", nn.Tanh), ("softplus", nn.Identity)]
)
def test_decoders_cover_the_codes_below(activation, upper):
    layers = stack(6, (5, 4), activation=activation, output="linear")
    assert isinstance(layers[0].decoder[-1], nn.Identity)
    assert isinstance(layers[1].decoder[-1], upper)


def test_building_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    stack(6, (5,))
    assert torch.equal(before, torch.get_rng_state())


def test_the_encoder_is_the_composition_and_shares_parameters():
    layers = stack(6, (5, 4))
    whole = encoder(layers)
    torch.testing.assert_close(whole(X), layers[1].encode(layers[0].encode(X)))
    assert whole[0] is layers[0].encoder[0]
    odd = ct.Autoencoder(nn.Linear(6, 2), nn.Linear(2, 6))
    assert isinstance(encoder([odd])[0], nn.Linear)


def test_unrolling_goes_up_and_down_again():
    layers = stack(6, (5, 4))
    whole = unroll(layers)
    torch.testing.assert_close(whole(X), layers[0].decode(layers[1](layers[0].encode(X))))
    odd = ct.Autoencoder(nn.Linear(6, 2), nn.Linear(2, 6))
    torch.testing.assert_close(unroll([odd])(X), odd(X))


class Double(nn.Sequential):
    def forward(self, x):
        return 2 * super().forward(x)


@pytest.mark.parametrize("kind", ["subclass", "hook", "pre-hook", "own forward"])
def test_a_layer_that_is_more_than_its_modules_stays_whole(kind):
    up, down = (Double if kind == "subclass" else nn.Sequential)(nn.Linear(6, 2)), nn.Sequential(nn.Linear(2, 6))
    odd = ct.Autoencoder(up, down)
    for part in (up, down):
        if kind == "hook":
            part.register_forward_hook(lambda module, args, found: 3 * found)
        elif kind == "pre-hook":
            part.register_forward_pre_hook(lambda module, args: (3 * args[0],))
        elif kind == "own forward":
            part.forward = lambda x, whole=part.forward: 3 * whole(x)
    torch.testing.assert_close(encoder([odd])(X), odd.encode(X))
    torch.testing.assert_close(unroll([odd])(X), odd(X))


def test_a_stack_has_layers():
    with pytest.raises(ValueError, match="widths must name at least one layer"):
        stack(6, ())
