"""Layers are trained one after another, each on the codes of the one below."""

import math

import pytest
import torch
from torch import nn

import contractive as ct
from contractive import objectives
from contractive.training import stacked

# two epochs teach little
pytestmark = pytest.mark.filterwarnings("ignore::contractive.training.CollapseWarning")
X = torch.rand(60, 6, generator=torch.Generator().manual_seed(0))
QUICK = {"max_epochs": 2, "batch_size": 20, "device": "cpu", "progress": False}


def test_a_stack_is_tied_layers_that_fit():
    layers = stacked.stack(6, (5, 4), seed=1)
    assert [layer.encoder[0].weight.shape for layer in layers] == [(5, 6), (4, 5)]
    assert torch.equal(layers[1].encoder[0].weight, stacked.stack(6, (5, 4), seed=1)[1].encoder[0].weight)
    assert not torch.equal(layers[0].encoder[0].weight, stacked.stack(6, (5, 4), seed=2)[0].encoder[0].weight)


@pytest.mark.parametrize(
    ("activation", "upper"), [("sigmoid", nn.Sigmoid), ("tanh", nn.Tanh), ("softplus", nn.Identity)]
)
def test_decoders_cover_the_codes_below(activation, upper):
    layers = stacked.stack(6, (5, 4), activation=activation, output="linear")
    assert isinstance(layers[0].decoder[-1], nn.Identity)
    assert isinstance(layers[1].decoder[-1], upper)


def test_building_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    stacked.stack(6, (5,))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("output", ["sigmoid", "linear", "tanh"])
def test_a_decoder_that_starts_at_the_mean_gives_it_without_weights(output):
    layer = ct.tied(6, 5, output=output)
    stacked.start_at_mean(layer, X)
    with torch.no_grad():
        layer.encoder[0].weight.zero_()
        torch.testing.assert_close(layer(X[:3]), X.mean(0).expand(3, -1))


def test_a_linear_layer_at_the_end_is_a_linear_output():
    decoder = nn.Sequential(nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 6))
    stacked.start_at_mean(ct.Autoencoder(ct.mlp(6, code=5).encoder, decoder), 3 * X - 1)
    torch.testing.assert_close(decoder[2].bias.detach(), (3 * X - 1).mean(0))


def test_pixels_may_be_whole_numbers():
    layer = ct.tied(6, 5)
    stacked.start_at_mean(layer, torch.tensor([[0, 1] * 3, [1, 1] * 3]))
    torch.testing.assert_close(layer.decoder[0].bias[0], torch.tensor(0.0))


def test_pixels_that_are_never_on_start_at_a_finite_bias():
    layer = ct.tied(6, 5)
    stacked.start_at_mean(layer, torch.zeros(4, 6).numpy())
    torch.testing.assert_close(layer.decoder[0].bias, torch.full((6,), math.log(0.001 / 0.999)))


def test_a_decoder_without_a_bias_at_its_end_is_refused():
    with pytest.raises(ValueError, match=r"decoder must end with a biased layer .* got TiedLinear, Softplus"):
        stacked.start_at_mean(ct.tied(6, 5, output="softplus"), X)
    with pytest.raises(ValueError, match=r"x must have rows of \(6,\) numbers, got \(5,\)"):
        stacked.start_at_mean(ct.tied(6, 5), X[:, :5])
    for rows in (X[:0], X * math.nan):
        with pytest.raises(ValueError, match=f"x must be finite rows, got {len(rows)} of which the mean is not"):
            stacked.start_at_mean(ct.tied(6, 5), rows)


def test_pretraining_is_fit_on_the_codes_below():
    goals = [objectives.contractive(0.1), objectives.denoising(0.2)]
    layers = stacked.stack(6, (5, 4))
    histories = stacked.pretrain(layers, X, goals, validation=X[:20], seed=3, **QUICK)
    by_hand = stacked.stack(6, (5, 4))
    first = ct.fit(by_hand[0], X, goals[0], validation=X[:20], seed=3, **QUICK)
    codes = by_hand[0].encode(X).detach()
    second = ct.fit(by_hand[1], codes, goals[1], validation=codes[:20], seed=4, **QUICK)
    assert histories[0]["val_total"] == first["val_total"]
    assert histories[1]["val_total"] == pytest.approx(second["val_total"], rel=1e-6)
    torch.testing.assert_close(layers[1].encoder[0].weight, by_hand[1].encoder[0].weight)


def test_stopped_pretraining_ends_at_the_same_weights(tmp_path):
    goal, settings = objectives.contractive(0.1), QUICK | {"checkpoint_seconds": 0}
    whole = stacked.stack(6, (5, 4))
    wanted = stacked.pretrain(whole, X, goal, **settings)
    told = []

    def stop(layer, history):
        told.append((layer, len(history)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stacked.pretrain(stacked.stack(6, (5, 4)), X, goal, checkpoints=tmp_path, on_layer=stop, **settings)
    assert told == [(0, 2)]
    again = stacked.stack(6, (5, 4))
    keep = lambda layer, history: told.append((layer, len(history)))  # noqa: E731
    found = stacked.pretrain(again, X, goal, checkpoints=tmp_path, on_layer=keep, **settings)
    assert told == [(0, 2), (0, 2), (1, 2)]
    assert [history["train_total"] for history in found] == [history["train_total"] for history in wanted]
    for mine, its in zip(again, whole, strict=True):
        assert torch.equal(mine.encoder[0].weight, its.encoder[0].weight)


@pytest.mark.parametrize("part", ["rows", "validation"])
def test_rows_may_be_doubles(part):
    rows, held_out = (X.double() if part == name else X for name in ("rows", "validation"))
    ours, wanted = stacked.stack(6, (5, 4)), stacked.stack(6, (5, 4))
    stacked.pretrain(ours, rows, objectives.contractive(0.1), validation=held_out, **QUICK)
    stacked.pretrain(wanted, X, objectives.contractive(0.1), validation=X, **QUICK)
    assert torch.equal(ours[1].encoder[0].weight, wanted[1].encoder[0].weight)


def test_one_objective_serves_all_layers():
    histories = stacked.pretrain(stacked.stack(6, (5, 4)), X.numpy(), objectives.contractive(0.1), **QUICK)
    assert ["train_contractive" in history.columns for history in histories] == [True, True]


def test_the_encoder_is_the_composition_and_shares_parameters():
    layers = stacked.stack(6, (5, 4))
    whole = stacked.encoder(layers)
    torch.testing.assert_close(whole(X), layers[1].encode(layers[0].encode(X)))
    assert whole[0] is layers[0].encoder[0]
    odd = ct.Autoencoder(nn.Linear(6, 2), nn.Linear(2, 6))
    assert isinstance(stacked.encoder([odd])[0], nn.Linear)


def test_unrolling_goes_up_and_down_again():
    layers = stacked.stack(6, (5, 4))
    whole = stacked.unroll(layers)
    torch.testing.assert_close(whole(X), layers[0].decode(layers[1](layers[0].encode(X))))
    odd = ct.Autoencoder(nn.Linear(6, 2), nn.Linear(2, 6))
    torch.testing.assert_close(stacked.unroll([odd])(X), odd(X))


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
    torch.testing.assert_close(stacked.encoder([odd])(X), odd.encode(X))
    torch.testing.assert_close(stacked.unroll([odd])(X), odd(X))


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="widths must name at least one layer"):
        stacked.stack(6, ())
    with pytest.raises(ValueError, match="objective must be one, or one for each of the 2 layers, got 1"):
        stacked.pretrain(stacked.stack(6, (5, 4)), X, [objectives.standard()])
