"""Fine-tuning against gradient descent written out by hand, and its conduct."""

import copy
import itertools

import numpy as np
import pytest
import torch
from torch import nn

import contractive as ct
from contractive.jacobian import leading
from contractive.models import Classifier, encoder, stack
from contractive.training import CheckpointError, Regularisation, TrainingDiverged, fine_tune
from problems import brute_force


def blobs(n=90, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 3
    centres = torch.tensor([[0.0, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0]])
    return centres[labels] + 0.2 * torch.randn(n, 4, generator=generator), labels


X, Y = blobs()


def network(output="softmax", seed=0):
    return Classifier(encoder(stack(4, (6,), seed=seed)), 6, 3, output=output, seed=seed)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_the_loss_is_the_likelihood_of_the_outputs(output):
    net = network(output)
    logits = torch.randn(5, 3)
    labels = Y[:5]
    if output == "softmax":
        wanted = -torch.distributions.Categorical(logits=logits).log_prob(labels)
    else:
        one_hot = nn.functional.one_hot(labels, 3).float()
        wanted = -torch.distributions.Bernoulli(logits=logits).log_prob(one_hot).sum(1)
    torch.testing.assert_close(net.loss(logits, labels), wanted)
    p = torch.softmax(logits, 1) if output == "softmax" else torch.sigmoid(logits)
    torch.testing.assert_close(net.probabilities(logits), p / p.sum(1, keepdim=True))


def test_fine_tuning_leaves_the_pretrained_encoder_alone():
    layers = stack(4, (6,))
    before = layers[0].encoder[0].weight.clone()
    fine_tune(Classifier(encoder(layers), 6, 3), X, Y, max_epochs=1)
    assert torch.equal(layers[0].encoder[0].weight, before)


@pytest.mark.parametrize("kind", ["plain", "jacobian", "tangents", "both"])
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_one_step_is_gradient_descent_by_hand(kind, output):
    net = network(output)
    tangents = torch.randn(len(X), 2, 4)
    weights = {"plain": (0, 0), "jacobian": (0.3, 0), "tangents": (0, 0.2), "both": (0.3, 0.2)}[kind]
    twin = copy.deepcopy(net)
    last = torch.sigmoid if output == "sigmoid" else lambda a: torch.softmax(a, 1)
    logits = twin(X)
    codes = brute_force(twin.encoder, X)[1]
    moved = tangents @ brute_force(lambda rows: last(twin(rows)), X)[1].mT
    losses = twin.loss(logits, Y) + weights[0] * codes.square().sum((1, 2)) + weights[1] * moved.square().sum((1, 2))
    losses.mean().backward()
    rule = Regularisation(weights[0], weights[1], tangents if weights[1] else None)
    found = fine_tune(
        net, X, Y, max_epochs=1, batch_size=len(X), learning_rate=0.5, output_rate=0.1, regularisation=rule
    )
    assert found.rows[0]["train_loss"] == pytest.approx(losses.mean().item(), rel=1e-5)
    for part, rate in ((twin.encoder, 0.5), (twin.linear, 0.1)):
        for parameter in part.parameters():
            parameter.data -= rate * parameter.grad
    for ours, wanted in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-6)


def test_one_step_with_unlabelled_rows_by_hand():
    net, beside = network("sigmoid"), torch.rand(1, 4)  # a single row: whatever is drawn
    tangents = torch.randn(len(X) + 1, 2, 4)
    twin = copy.deepcopy(net)

    def term(rows, directions):
        moved = directions @ brute_force(lambda rows: torch.sigmoid(twin(rows)), rows)[1].mT
        return 0.3 * moved.square().sum((1, 2)) + 0.2 * brute_force(twin.encoder, rows)[1].square().sum((1, 2))

    losses = twin.loss(twin(X), Y) + (term(X, tangents[:-1]) + term(beside, tangents[-1:])) / 2
    losses.mean().backward()
    rule, settings = Regularisation(0.2, 0.3, tangents), {"max_epochs": 1, "batch_size": len(X), "learning_rate": 0.5}
    found = fine_tune(net, X, Y, regularisation=rule, unlabelled=beside.double().numpy(), **settings)
    assert found.rows[0]["train_loss"] == pytest.approx(losses.mean().item(), rel=1e-5)
    for ours, start in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, start - 0.5 * start.grad, rtol=1e-4, atol=1e-6)


def test_tangents_drawn_anew_have_the_right_expectation():
    net = network()
    tangents = torch.randn(len(X), 5, 4)
    rows = torch.arange(20)
    whole = Regularisation(0, 1.0, tangents)(net, X[rows], rows, torch.Generator())[1].detach()
    some = Regularisation(0, 1.0, tangents.numpy(), tangents_per_step=2)
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([some(net, X[rows], rows, generator)[1].detach().mean() for _ in range(400)])
    assert abs(float((draws.mean() - whole.mean()) / (draws.std() / 400**0.5))) < 4
    assert float(draws.std()) > 0


def test_the_penalty_of_the_logits_has_the_right_expectation():
    net, rows = network(), torch.arange(20)
    whole = 0.5 * float(brute_force(net, X[rows])[1].detach().square().sum((1, 2)).mean())
    rule, generator = Regularisation(0.5, jacobian_of="logits"), torch.Generator().manual_seed(0)
    found = [rule(net, X[rows], rows, generator) for _ in range(100)]
    torch.testing.assert_close(found[0][0], net(X[rows]))
    draws = torch.stack([extra.detach().mean() for _, extra in found])
    assert abs(float(draws.mean()) - whole) < 4 * float(draws.std()) / 10 + 1e-6 * whole
    (gradient,) = torch.autograd.grad(found[0][1].sum(), net.linear.weight)
    assert float(gradient.abs().max()) > 0  # the penalty of the code has none there


def test_it_learns_and_keeps_the_best_epoch():
    net = network()
    validation = blobs(60, seed=1)
    seen = []
    found = fine_tune(
        net, X, Y, validation=validation, max_epochs=60, learning_rate=1.0, patience=15, on_epoch=seen.append
    )
    errors = [(row["val_error"], row["val_loss"]) for row in found.rows]
    assert found.best_epoch == 1 + errors.index(min(errors))
    assert list(found.rows) == seen
    with torch.no_grad():
        error = float((net(validation[0]).argmax(1) != validation[1]).double().mean())
    assert error == pytest.approx(found.best["val_error"])
    assert error < 0.1
    assert not net.training


def test_patience_ends_the_run():
    found = fine_tune(network(), X, Y, validation=(X, Y), max_epochs=50, learning_rate=1e-12, patience=3)
    assert found.stopped_early
    assert len(found.rows) == found.best_epoch + 3


def test_numbers_of_numpy_are_numbers(tmp_path):
    def run(whole, real, **settings):
        rule = Regularisation(real(0.25), real(0.25), torch.ones(len(X), 2, 4), whole(1))
        rates = {"learning_rate": real(0.5), "output_rate": real(0.25), "decay": real(0.5)}
        net = network()
        fine_tune(net, X, Y, max_epochs=whole(2), batch_size=whole(20), regularisation=rule, **rates, **settings)
        return net.linear.weight

    assert torch.equal(run(np.int64, np.float32, checkpoint=tmp_path / "state.ckpt"), run(int, float))


def test_an_encoder_may_have_no_weights_or_lie_elsewhere():
    net = Classifier(nn.Identity(), 4, 3)
    losses = [row["train_loss"] for row in fine_tune(net, X, Y, max_epochs=3).rows]
    assert losses[-1] < losses[0]
    assert Classifier(nn.Linear(4, 6, device="meta"), 6, 3).linear.weight.device.type == "meta"


def test_labels_may_be_unsigned():
    rows = [fine_tune(network(), X, y, max_epochs=1).rows[0]["train_loss"] for y in (Y, Y.numpy().astype(np.uint16))]
    assert rows[0] == rows[1]


def test_rates_decay():
    found = fine_tune(network(), X, Y, max_epochs=3, learning_rate=0.2, decay=0.5)
    assert [row["learning_rate"] for row in found.rows] == pytest.approx([0.2, 0.1, 0.05])


def test_the_same_seed_gives_the_same_weights():
    def weights(seed):
        net = network()
        fine_tune(net, X, Y, max_epochs=2, seed=seed)
        return net.linear.weight

    assert torch.equal(weights(0), weights(0))
    assert not torch.equal(weights(0), weights(1))


def test_dropout_is_of_the_seed_and_goes_on_where_it_was(tmp_path):
    states = itertools.count()

    def weights(epochs=3, seed=0, **settings):
        torch.manual_seed(0)
        net = Classifier(nn.Sequential(nn.Linear(4, 6), nn.Sigmoid(), nn.Dropout(0.5)), 6, 3)
        torch.manual_seed(next(states))
        before = torch.get_rng_state()
        fine_tune(net, X, Y, max_epochs=epochs, seed=seed, device="cpu", **settings)
        assert torch.equal(before, torch.get_rng_state())
        return net.linear.weight

    whole = weights()
    assert torch.equal(whole, weights())
    assert not torch.equal(whole, weights(seed=1))
    weights(epochs=1, checkpoint=tmp_path / "state.ckpt")
    assert torch.equal(whole, weights(checkpoint=tmp_path / "state.ckpt"))


def test_dropout_differs_from_epoch_to_epoch():
    masks = []
    net = Classifier(nn.Sequential(nn.Linear(4, 60), nn.Dropout(0.5)), 60, 3)
    net.encoder[1].register_forward_hook(lambda drop, _, found: masks.append(found == 0) if drop.training else None)
    fine_tune(net, X, Y, max_epochs=2, batch_size=len(X), device="cpu")
    assert not torch.equal(*masks)


def test_a_stopped_run_ends_at_the_same_weights(tmp_path):
    tangents = leading(network().encoder, X, 2).vectors
    settings = {"validation": blobs(30, 1), "seed": 5, "regularisation": Regularisation(0.1, 0.1, tangents, 1)}
    whole, stopped = network(), network()
    a = fine_tune(whole, X, Y, max_epochs=5, **settings)

    def stop(row):
        if row["epoch"] == 2:
            raise KeyboardInterrupt

    path = tmp_path / "run" / "state.ckpt"
    with pytest.raises(KeyboardInterrupt):
        fine_tune(stopped, X, Y, max_epochs=5, checkpoint=path, on_epoch=stop, **settings)
    stopped = network()
    b = fine_tune(stopped, X, Y, max_epochs=5, checkpoint=path, **settings)
    assert torch.equal(whole.linear.weight, stopped.linear.weight)
    assert [row["val_loss"] for row in a.rows] == [row["val_loss"] for row in b.rows]
    assert a.best_epoch == b.best_epoch
    again = fine_tune(network(), X, Y, max_epochs=5, checkpoint=path, **settings)
    assert again.rows == b.rows
    with pytest.raises(CheckpointError, match="A run must be resumed with the settings of its checkpoint, got rates"):
        fine_tune(network(), X, Y, learning_rate=0.3, checkpoint=path, **settings)
    with pytest.raises(CheckpointError, match="settings of its checkpoint, got data"):
        fine_tune(network(), X + 1, Y, checkpoint=path, **settings)
    with pytest.raises(CheckpointError, match="settings of its checkpoint, got start"):
        fine_tune(network(seed=1), X, Y, checkpoint=path, **settings)


@pytest.mark.parametrize("change", ["output", "validation", "no validation", "tangents", "tangents in a file"])
def test_a_checkpoint_of_another_task_is_refused(change, tmp_path):
    tangents = torch.randn(90, 2, 4, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "state.ckpt"

    def run(**changed):
        given = {"output": "softmax", "validation": blobs(30, 1), "tangents": tangents} | changed
        rule = Regularisation(0.0, 0.1, given["tangents"])
        net, held_out = network(given["output"]), given["validation"]
        return fine_tune(net, X, Y, validation=held_out, regularisation=rule, max_epochs=2, checkpoint=path)

    assert run().rows == run().rows
    assert run(tangents=tangents.numpy()).rows == run().rows
    changes = {
        "output": {"output": "sigmoid"},
        "validation": {"validation": blobs(30, 2)},
        "no validation": {"validation": None},
        "tangents": {"tangents": 2 * tangents},
        "tangents in a file": {"tangents": 2 * tangents.numpy()},
    }
    with pytest.raises(
        CheckpointError, match=f"settings of its checkpoint, got {change.split()[-1 if 'no' in change else 0]}"
    ):
        run(**changes[change])


def test_a_checkpoint_of_another_activation_is_refused(tmp_path):
    def run(activation):
        torch.manual_seed(0)
        net = Classifier(nn.Sequential(nn.Linear(4, 6), activation), 6, 3)
        return fine_tune(net, X, Y, max_epochs=1, checkpoint=tmp_path / "state.ckpt").rows

    assert run(nn.Sigmoid()) == run(nn.Sigmoid())
    with pytest.raises(CheckpointError, match="settings of its checkpoint, got encoder"):
        run(nn.ReLU())


def test_a_checkpoint_with_fewer_settings_is_of_another_version(tmp_path):
    path = tmp_path / "state.ckpt"
    fine_tune(network(), X, Y, max_epochs=2, checkpoint=path)
    checkpoint = torch.load(path, weights_only=True)
    for name in ("encoder", "output", "validation", "tangents"):
        del checkpoint["contractive"]["settings"][name]
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match=r"settings of its checkpoint, got encoder .* instead of None"):
        fine_tune(network(), X, Y, max_epochs=2, checkpoint=path)


def test_checkpoints_are_written_when_it_is_time_and_at_the_end(tmp_path):
    path = tmp_path / "state.ckpt"
    there = []
    found = fine_tune(
        network(), X, Y, max_epochs=3, checkpoint=path, checkpoint_seconds=1e6,
        on_epoch=lambda row: there.append(path.exists()),
    )  # fmt: skip
    assert there == [False, False, True]
    assert fine_tune(network(), X, Y, max_epochs=3, checkpoint=path).rows == found.rows
    path.unlink()
    stale = {"validation": (X, Y), "learning_rate": 1e-12, "patience": 2, "checkpoint": path, "checkpoint_seconds": 1e6}
    assert fine_tune(network(), X, Y, **stale).stopped_early
    assert path.exists()


def test_a_broken_checkpoint_is_refused(tmp_path):
    path = tmp_path / "state.ckpt"
    path.write_bytes(b"no such file")
    with pytest.raises(CheckpointError, match="checkpoint must be one that training wrote, got a broken"):
        fine_tune(network(), X, Y, checkpoint=path)
    for state in ([], {}, {"settings": 3}, "nothing"):
        torch.save({"contractive": state, "now": {"linear.bias": torch.zeros(3)}}, path)
        with pytest.raises(CheckpointError, match="checkpoint must be one that training wrote"):
            fine_tune(network(), X, Y, checkpoint=path)
    path.unlink()
    fine_tune(network(), X, Y, max_epochs=1, checkpoint=path)
    whole = torch.load(path, weights_only=True)
    for damage in ({"now": {"linear.bias": torch.zeros(3)}}, {"best": None}, {"now": None}):
        torch.save({name: part for name, part in (whole | damage).items() if part is not None}, path)
        with pytest.raises(CheckpointError, match="checkpoint must be of this run, got one of another"):
            fine_tune(network(), X, Y, checkpoint=path)


def test_divergence_is_said():
    class Explodes(Classifier):
        def loss(self, logits, labels):
            return super().loss(logits, labels) * float("nan")

    net = Explodes(nn.Sequential(nn.Linear(4, 6)), 6, 3)
    with pytest.raises(TrainingDiverged, match="got nan in epoch 1 of fine-tuning"):
        fine_tune(net, X, Y)


def test_a_loss_above_that_of_a_guess_is_no_result():
    net = Classifier(nn.Sequential(nn.Linear(4, 6), nn.Sigmoid()), 6, 3)
    with pytest.raises(TrainingDiverged, match=r"that of a guess, 1\.1, got .*grown to .*: the steps were too large"):
        fine_tune(net, X, Y, max_epochs=2, learning_rate=1e8)


def test_weights_that_the_last_step_made_infinite_are_no_result():
    net = Classifier(nn.Sequential(nn.Linear(4, 6), nn.ReLU()), 6, 3)
    with pytest.raises(TrainingDiverged, match="and infinite weights in epoch 1 of fine-tuning"):
        fine_tune(net, 1000 * X, Y, max_epochs=1, batch_size=len(X), learning_rate=3e38)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: fine_tune(network(), X, Y, max_epochs=0), "max_epochs must be at least 1, got 0"),
        (lambda: fine_tune(network(), X, Y, batch_size=0), "batch_size must be at least 1, got 0"),
        (lambda: fine_tune(network(), X, Y, patience=0, validation=(X, Y)), "patience must be at least 1, got 0"),
        (lambda: fine_tune(network(), X, Y, patience=2), "patience must come with validation data"),
        (lambda: fine_tune(network(), X, Y, learning_rate=0), "learning_rate must be above 0 and finite, got 0"),
        (lambda: fine_tune(network(), X, Y, output_rate=-1), "output_rate must be above 0 and finite, got -1"),
        (lambda: fine_tune(network(), X, Y, checkpoint_seconds=-1), "checkpoint_seconds must be at least 0, got -1"),
        (lambda: fine_tune(network(), X, Y, seed=2**44), "seed must be a whole number from 0 to"),
        (lambda: fine_tune(network(), X, Y, decay=1.1), "decay must lie above 0 and be at most 1, got 1.1"),
        (lambda: fine_tune(network(), X, Y[:3]), r"training labels must be one per row, got \(3,\) for 90 rows"),
        (lambda: fine_tune(network(), X, Y + 1), "training labels must be class numbers from 0 to 2"),
        (lambda: fine_tune(network(), X, Y * 1.0), "training labels must be class numbers from 0 to 2"),
        (lambda: fine_tune(network(), X * np.nan, Y), "training rows must be finite"),
        (lambda: fine_tune(network(), X, Y, validation=(X, Y - 1)), "validation labels must be class numbers"),
        (
            lambda: fine_tune(network(), X, Y, regularisation=Regularisation(0, 1, torch.rand(5, 1, 4))),
            "tangents must be those of all 90 rows, got 5",
        ),
        (
            lambda: fine_tune(network(), X, Y, unlabelled=X, regularisation=Regularisation(0, 1, torch.rand(90, 1, 4))),
            "tangents must be those of all 180 rows, got 90",
        ),
        (
            lambda: fine_tune(network(), X, Y, unlabelled=X[:, :3]),
            r"unlabelled must have rows of shape \(4,\) like x, got \(3,\)",
        ),
        (lambda: fine_tune(network(), X, Y, unlabelled=X[:0]), "unlabelled must have at least one row, got none"),
        (lambda: Regularisation(-1), "jacobian_weight must be at least 0, got -1"),
        (lambda: Regularisation(jacobian_of="outputs"), "jacobian_of must be one of code, logits, got 'outputs'"),
        (lambda: Regularisation(0, np.inf), "tangent_weight must be a finite number, got inf"),
        (lambda: Regularisation(0, 1), "tangents must come with a `tangent_weight`"),
        (lambda: Regularisation(tangents_per_step=0), "tangents_per_step must be at least 1, got 0"),
        (lambda: Classifier(ct.mlp(4, code=2).encoder, 2, 1), "num_classes must be at least 2, got 1"),
        (lambda: Classifier(ct.mlp(4, code=2).encoder, 2, 3, output="tanh"), "output must be one of softmax, sigmoid"),
    ],
)
def test_misuse_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
