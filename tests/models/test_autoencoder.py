import copy
import json

import numpy as np
import pytest
import torch

import contractive as ct
from contractive.jacobian import Center
from contractive.models import ACTIVATIONS, Recipe, fold_means, residual, unroll


def test_the_network_of_the_papers_is_one_call():
    autoencoder = ct.mlp(784, hidden=(256, 128), code=64)
    shapes = [tuple(p.shape) for p in autoencoder.encoder.parameters() if p.ndim == 2]
    kinds = [type(module).__name__ for module in (*autoencoder.encoder, *autoencoder.decoder)]
    assert shapes == [(256, 784), (128, 256), (64, 128)]
    assert kinds == ["Linear", "Sigmoid"] * 3 + ["Linear", "ReLU"] * 2 + ["Linear", "Sigmoid"]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_activations_are_selectable(activation):
    x = torch.rand(3, 6)
    for output in ("linear", "sigmoid"):
        for build in (ct.mlp, ct.tied):
            assert build(6, code=4, hidden=(5,), activation=activation, output=output)(x).shape == x.shape


def test_output_is_linear_where_asked_for():
    autoencoder = ct.mlp(4, code=2, output="linear")
    with torch.no_grad():
        autoencoder.decoder[0].weight.fill_(100.0)
    assert autoencoder(torch.ones(1, 4)).max() > 1


def test_tied_decoder_is_the_transposed_encoder():
    autoencoder = ct.tied(6, 4, hidden=(5,), activation="linear", output="linear")
    first, second = (m.weight for m in autoencoder.encoder if hasattr(m, "weight"))
    x = torch.rand(3, 6)
    torch.testing.assert_close(autoencoder(x), x @ first.T @ second.T @ second @ first)
    assert sum(p.numel() for p in autoencoder.parameters()) == 6 * 5 + 5 * 4 + 5 + 4 + 5 + 6


def test_tied_weights_stay_tied_in_a_copy_and_in_another_precision():
    autoencoder = copy.deepcopy(ct.tied(6, 4)).double()
    x = torch.rand(3, 6, dtype=torch.float64)
    before = autoencoder(x)
    with torch.no_grad():
        autoencoder.encoder[0].weight.zero_()
    torch.testing.assert_close(autoencoder(x), torch.full_like(x, 0.5))
    assert not torch.allclose(before, autoencoder(x))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 9, 12)])
def test_conv_gives_back_the_shape(shape):
    autoencoder = ct.conv(shape, code=7, channels=(4, 6))
    x = torch.rand(2, *shape)
    assert autoencoder.encode(x).shape == (2, 7)
    assert autoencoder(x).shape == x.shape


def test_a_residual_autoencoder_is_a_linear_map_beside_a_hidden_layer():
    net = residual(6, code=3, hidden=4, activation="tanh").double()
    x = torch.rand(5, 6, dtype=torch.float64)
    h = x
    for half, last in ((net.encoder, torch.tanh), (net.decoder, lambda a: a)):
        a = h @ half[0].weight.T + half[0].bias
        a = torch.cat([a[:, :3], a[:, 3:] * torch.sigmoid(a[:, 3:])], 1)
        h = last(a @ half[2].weight.T + half[2].bias)
    torch.testing.assert_close(net(x), h)
    assert "autograd" not in str(ct.plan(net.encoder, x))


@pytest.mark.parametrize("build", [ct.mlp, ct.tied])
def test_a_centred_encoder_is_one_with_another_bias(build):
    mean, x = torch.rand(6, dtype=torch.float64), torch.rand(5, 6, dtype=torch.float64)
    net = build(6, code=3, hidden=(4,), center=True).double()
    net.encoder[0].mean.copy_(mean)
    plain = build(6, code=3, hidden=(4,)).double()
    named = {
        name.replace("encoder.1", "encoder.0").replace("encoder.3", "encoder.2"): v
        for name, v in net.state_dict().items()
        if "mean" not in name
    }
    named["encoder.0.bias"] = named["encoder.0.bias"] - named["encoder.0.weight"] @ mean
    plain.load_state_dict(named)
    torch.testing.assert_close(net(x), plain(x))
    torch.testing.assert_close(ct.squared_norm(net.encoder, x), ct.squared_norm(plain.encoder, x))
    assert "autograd" not in str(ct.plan(net.encoder, x))


@pytest.mark.parametrize("build", [ct.mlp, ct.tied])
def test_means_of_all_layers_are_folded_into_their_biases(build):
    x = torch.rand(5, 6, dtype=torch.float64)
    lower, upper = (build(n, code=4, hidden=(5,), center=True).double() for n in (6, 4))
    net = unroll((lower, upper))
    for layer in (lower, upper):
        layer.encoder[0].mean.uniform_(generator=torch.Generator().manual_seed(0))
    plain = fold_means(net)
    torch.testing.assert_close(plain(x), net(x))
    assert [*map(type, net.encoder)].count(Center) == 2  # the given one stays
    assert Center not in map(type, plain.modules())


def test_encoders_of_the_builders_are_recognised_as_chains():
    assert "autograd" not in str(ct.plan(ct.mlp(8, code=3).encoder, torch.rand(4, 8)))
    assert "autograd" not in str(ct.plan(ct.conv((1, 8, 8), code=3).encoder, torch.rand(4, 1, 8, 8)))


@pytest.mark.parametrize(
    "autoencoder",
    [
        ct.mlp(6, code=3),
        ct.tied(6, 3, center=True),
        ct.conv((1, 6, 6), code=3),
        residual(6, code=3, hidden=5, activation="tanh"),
    ],
    ids=["mlp", "tied", "conv", "residual"],
)
def test_a_recipe_builds_the_same_architecture(autoencoder):
    again = autoencoder.recipe.build()
    again.load_state_dict(autoencoder.state_dict())
    assert str(again) == str(autoencoder)


def test_seed_fixes_the_weights():
    built = []
    for _ in range(2):
        torch.manual_seed(3)
        built.append(ct.mlp(5, code=2).encoder[0].weight)
    assert torch.equal(*built)


def test_widths_may_be_whole_numbers_of_numpy():
    five, six = np.int64(5), np.uint8(6)
    assert ct.mlp(five, code=2, hidden=[six]).recipe == ct.mlp(5, code=2, hidden=[6]).recipe
    assert json.loads(json.dumps(ct.mlp(five, code=2, hidden=[six]).recipe.arguments))["hidden"] == [6]


@pytest.mark.parametrize(
    ("build", "match"),
    [
        (lambda: ct.mlp(4, code=0), "code must be a whole number above 0, got 0"),
        (lambda: ct.mlp(4, code=2, activation="sin"), "activation must be one of sigmoid, .* got 'sin'"),
        (lambda: ct.conv((28, 28), code=2), r"shape must be \(channels, height, width\), got \(28, 28\)"),
        (lambda: ct.conv((1, 8, 8), code=2, kernel=4), "kernel must be odd, got 4. Take 5."),
        (lambda: Recipe("rnn", {}).build(), "builder must be one of mlp, tied, conv, residual, got 'rnn'"),
    ],
)
def test_misuse_is_refused(build, match):
    with pytest.raises(ValueError, match=match):
        build()
