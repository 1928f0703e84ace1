"""The choices of a network."""

import typing

import pytest
import torch

from contractive.core.errors import InvalidType, InvalidValue
from contractive.models import ACTIVATIONS, BUILDERS, Activation, Model, NetworkSettings


def test_the_types_name_what_there_is():
    assert {*typing.get_args(Model), "residual"} == set(BUILDERS)  # that one begins as principal components
    assert set(typing.get_args(Activation)) == set(ACTIVATIONS)


@pytest.mark.parametrize(
    ("model", "features", "hidden", "code"),
    [
        ("mlp", 784, (256, 128), 64),
        ("mlp", 255, (128, 64), 32),
        ("mlp", 63, (128, 64), 31),
        ("mlp", 64, (128, 64), 32),
        ("mlp", 3, (128, 64), 2),
        ("tied", 784, (), 64),
        ("conv", 784, (16, 32), 64),
        ("residual", 9, (64,), 4),
        ("residual", 784, (64,), 64),
    ],
)
def test_defaults_depend_on_the_data(model, features, hidden, code):
    settings = NetworkSettings(model).completed(features=features, unit_range=True, image_shape=(1, 28, 28))
    assert (settings.hidden, settings.code, settings.output) == (hidden, code, "sigmoid")
    assert (settings.activation, settings.decoder_activation) == ("sigmoid", "relu")
    assert settings.center == (model in ("mlp", "tied"))
    signed = NetworkSettings().completed(features=features, unit_range=False)
    assert (signed.output, signed.center) == ("linear", False)


def test_what_is_given_stays():
    given = NetworkSettings("mlp", (5,), 3, "tanh", "softplus", "elu", center=False)
    assert given.completed(features=784, unit_range=True) == given


@pytest.mark.parametrize("model", typing.get_args(Model))
def test_networks_are_built(model):
    settings = NetworkSettings(model).completed(features=64, unit_range=True, image_shape=(1, 8, 8))
    autoencoder = settings.build(64, (1, 8, 8))
    assert autoencoder(torch.rand(2, 64)).shape == (2, 64)
    assert autoencoder.encode(torch.rand(2, 64)).shape == (2, 32)


@pytest.mark.parametrize("model", ["mlp", "tied"])
def test_an_encoder_may_be_centred(model):
    build = NetworkSettings(model, hidden=(5,), code=2, center=True).completed(features=6, unit_range=True).build
    autoencoder, x = build(6), torch.rand(2, 6)
    autoencoder.encoder[0].mean.copy_(x[0])
    torch.testing.assert_close(autoencoder.encode(x[:1]), autoencoder.encoder[1:](torch.zeros(1, 6)))


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        ({"model": "rnn"}, InvalidValue, "model must be one of mlp, tied, conv, residual, got 'rnn'"),
        ({"code": 0}, InvalidValue, "code must be at least 1, got 0"),
        ({"code": 2.5}, InvalidType, "code must be a whole number, got 2.5"),
        ({"code": True}, InvalidType, "code must be a whole number, got True"),
        ({"hidden": (3, 0)}, InvalidValue, "hidden must be at least 1, got 0"),
        ({"hidden": 3}, InvalidType, "hidden must be whole numbers, got 3"),
        ({"activation": 3}, InvalidType, "activation must be a text, got 3"),
        ({"output": "step"}, InvalidValue, "output must be one of sigmoid, .*, got 'step'"),
        ({"center": 1}, InvalidType, "center must be True or False, got 1"),
        ({"center": True, "model": "conv"}, InvalidValue, "center must be left out for the model conv, got True. Or"),
        ({"center": True, "model": "residual"}, InvalidValue, "center must be left out for the model residual"),
    ],
)
def test_wrong_settings_are_refused(wrong, error, match):
    with pytest.raises(error, match=match):
        NetworkSettings(**wrong)


def test_images_and_completion_are_asked_for():
    with pytest.raises(InvalidValue, match="model must be mlp or tied for data that are not images, got conv"):
        NetworkSettings("conv").completed(features=4, unit_range=True)
    with pytest.raises(InvalidValue, match=r"hidden must be one width for the residual model, got \(5, 4\)"):
        NetworkSettings("residual", (5, 4)).completed(features=4, unit_range=True)
    with pytest.raises(InvalidValue, match=r"hidden must be one width for the residual model, got \(\)"):
        NetworkSettings("residual", ()).completed(features=4, unit_range=True)
    with pytest.raises(InvalidValue, match=r"must be completed before .* Call completed\(\) first"):
        NetworkSettings().build(4)
