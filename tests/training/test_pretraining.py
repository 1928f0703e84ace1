"""Layers are trained one after another, each on the codes of the one below."""

import math

import pytest
import torch
from torch import nn

import contractive as ct
from contractive import objectives
from contractive.models import stack
from contractive.training import pretrain, start_at_mean

# two epochs teach little
pytestmark = pytest.mark.filterwarnings("ignore::contractive.training.CollapseWarning")
X = torch.rand(60, 6, generator=torch.Generator().manual_seed(0))
QUICK = {"max_epochs": 2, "batch_size": 20, "device": "cpu", "progress": False}


@pytest.mark.parametrize("output", ["sigmoid", "linear", "tanh"])
def test_a_decoder_that_starts_at_the_mean_gives_it_without_weights(output):
    layer = ct.tied(6, 5, output=output)
    start_at_mean(layer, X)
    with torch.no_grad():
        layer.encoder[0].weight.zero_()
        torch.testing.assert_close(layer(X[:3]), X.mean(0).expand(3, -1))


def test_a_centred_encoder_takes_the_mean_and_gives_the_activation_of_its_bias_there():
    layer, upper = layers = stack(6, (5, 4), center=True)
    pretrain(layers, X, ct.objectives.standard(), learning_rate=1e-12, **QUICK)
    with torch.no_grad():
        torch.testing.assert_close(layer.encode(X.mean(0, keepdim=True)), torch.full((1, 5), 0.5))
        torch.testing.assert_close(upper.encode(layer.encode(X).mean(0, keepdim=True)), torch.full((1, 4), 0.5))


def test_a_linear_layer_at_the_end_is_a_linear_output():
    decoder = nn.Sequential(nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 6))
    start_at_mean(ct.Autoencoder(ct.mlp(6, code=5).encoder, decoder), 3 * X - 1)
    torch.testing.assert_close(decoder[2].bias.detach(), (3 * X - 1).mean(0))


def test_pixels_may_be_whole_numbers():
    layer = ct.tied(6, 5)
    start_at_mean(layer, torch.tensor([[0, 1] * 3, [1, 1] * 3]))
    torch.testing.assert_close(layer.decoder[0].bias[0], torch.tensor(0.0))


def test_pixels_that_are_never_on_start_at_a_finite_bias():
    layer = ct.tied(6, 5)
    start_at_mean(layer, torch.zeros(4, 6).numpy())
    torch.testing.assert_close(layer.decoder[0].bias, torch.full((6,), math.log(0.001 / 0.999)))


def test_a_decoder_without_a_bias_at_its_end_is_refused():
    with pytest.raises(ValueError, match=r"decoder must end with a biased layer .* got TiedLinear, Softplus"):
        start_at_mean(ct.tied(6, 5, output="softplus"), X)
    with pytest.raises(ValueError, match=r"x must have rows of \(6,\) numbers, got \(5,\)"):
        start_at_mean(ct.tied(6, 5), X[:, :5])
    for rows in (X[:0], X * math.nan):
        with pytest.raises(ValueError, match=f"x must be finite rows, got {len(rows)} of which the mean is not"):
            start_at_mean(ct.tied(6, 5), rows)


def test_pretraining_is_fit_on_the_codes_below():
    goals = [objectives.contractive(0.1), objectives.denoising(0.2)]
    layers = stack(6, (5, 4))
    histories = pretrain(layers, X, goals, validation=X[:20], seed=3, **QUICK)
    by_hand = stack(6, (5, 4))
    first = ct.fit(by_hand[0], X, goals[0], validation=X[:20], seed=3, **QUICK)
    codes = by_hand[0].encode(X).detach()
    second = ct.fit(by_hand[1], codes, goals[1], validation=codes[:20], seed=4, **QUICK)
    assert histories[0]["val_total"] == first["val_total"]
    assert histories[1]["val_total"] == pytest.approx(second["val_total"], rel=1e-6)
    torch.testing.assert_close(layers[1].encoder[0].weight, by_hand[1].encoder[0].weight)


def test_centred_layers_subtract_the_mean_of_their_inputs():
    layers = stack(6, (5, 4), center=True)
    pretrain(layers, X, objectives.contractive(0.1), **QUICK)
    torch.testing.assert_close(layers[0].encoder[0].mean, X.mean(0))
    torch.testing.assert_close(layers[1].encoder[0].mean, layers[0].encode(X).mean(0).detach())


def test_stopped_pretraining_ends_at_the_same_weights(tmp_path):
    goal, settings = objectives.contractive(0.1), QUICK | {"checkpoint_seconds": 0}
    whole = stack(6, (5, 4))
    wanted = pretrain(whole, X, goal, **settings)
    told = []

    def stop(layer, history):
        told.append((layer, len(history)))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pretrain(stack(6, (5, 4)), X, goal, checkpoints=tmp_path, on_layer=stop, **settings)
    assert told == [(0, 2)]
    again = stack(6, (5, 4))
    keep = lambda layer, history: told.append((layer, len(history)))  # noqa: E731
    found = pretrain(again, X, goal, checkpoints=tmp_path, on_layer=keep, **settings)
    assert told == [(0, 2), (0, 2), (1, 2)]
    assert [history["train_total"] for history in found] == [history["train_total"] for history in wanted]
    for mine, its in zip(again, whole, strict=True):
        assert torch.equal(mine.encoder[0].weight, its.encoder[0].weight)


@pytest.mark.parametrize("part", ["rows", "validation"])
def test_rows_may_be_doubles(part):
    rows, held_out = (X.double() if part == name else X for name in ("rows", "validation"))
    ours, wanted = stack(6, (5, 4)), stack(6, (5, 4))
    pretrain(ours, rows, objectives.contractive(0.1), validation=held_out, **QUICK)
    pretrain(wanted, X, objectives.contractive(0.1), validation=X, **QUICK)
    assert torch.equal(ours[1].encoder[0].weight, wanted[1].encoder[0].weight)


def test_one_objective_serves_all_layers():
    histories = pretrain(stack(6, (5, 4)), X.numpy(), objectives.contractive(0.1), **QUICK)
    assert ["train_contractive" in history.columns for history in histories] == [True, True]


def test_misuse_is_refused():
    with pytest.raises(ValueError, match="objective must be one, or one for each of the 2 layers, got 1"):
        pretrain(stack(6, (5, 4)), X, [objectives.standard()])
