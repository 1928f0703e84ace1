import copy
import logging
import math

import numpy as np
import pytest
import torch
from torch import nn

import contractive as ct
from contractive import objectives
from contractive.analysis import spread_rows
from contractive.core.randomness import rehearsing
from contractive.objectives import Objective, Term
from contractive.training import collapse
from contractive.training._rows import as_tensor

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")  # a few epochs seldom beat the mean


@pytest.fixture
def data():
    """Rows near a plane, in [0, 1]."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(150, 2, generator=generator) @ torch.rand(2, 8, generator=generator) / 2


def fitted(data, objective=None, seed=0, **settings):
    torch.manual_seed(0)
    autoencoder = ct.mlp(8, code=3)
    settings = {"max_epochs": 5, "batch_size": 32, "learning_rate": 0.02, "progress": False} | settings
    objective = objective or objectives.contractive(1e-3)
    return autoencoder, ct.fit(autoencoder, data, objective, seed=seed, **settings)


def test_loss_falls_and_the_history_has_every_figure(data):
    _, history = fitted(data, validation=data[:40], max_epochs=30)
    assert history["train_total"][-1] < 0.5 * history["train_total"][0]
    assert set(history.columns) == {
        *("epoch", "seconds", "learning_rate", "penalty_rows"),
        *(f"train_{name}" for name in ("total", "reconstruction", "contractive")),
        *(f"val_{name}" for name in ("total", "reconstruction", "contractive", "squared_norm")),
    }
    assert history["epoch"] == list(range(1, 31))
    assert history.penalty_path == "closed form (exact)"
    assert history.best_epoch == 30
    assert len(history.to_csv().splitlines()) == 31


def test_validation_figures_are_exact(data):
    objective = objectives.compose(objectives.contractive(0.1, method="probes"), objectives.denoising(0.3))
    autoencoder, history = fitted(data, objective, validation=data[:40])
    norm = ct.squared_norm(autoencoder.encoder, data[:40]).mean().detach()
    error = (autoencoder(data[:40]) - data[:40]).square().sum(1).mean().detach()
    assert history["val_squared_norm"][-1] == pytest.approx(float(norm), rel=1e-5)
    assert history["val_reconstruction"][-1] == pytest.approx(float(error), rel=1e-5)
    assert history["val_total"][-1] == pytest.approx(float(error + 0.1 * norm), rel=1e-5)


@pytest.mark.parametrize(
    "term",
    [
        objectives.jacobian_l1(0.01).terms[0],
        objectives.largest_singular_value(0.01).terms[0],
        Term("along", 0.01, objectives.JacobianNorm(directions=torch.eye(8)[:2])),
        Term("elsewhere", 0.01, objectives.JacobianNorm(), at=objectives.Gaussian(0.5)),
        Term("none", 0.0, objectives.JacobianNorm(norm="entries")),
    ],
    ids=lambda term: term.name,
)
def test_the_squared_norm_is_that_whatever_is_penalised(data, term):
    autoencoder, history = fitted(data, Objective(terms=(term,)), validation=data[:40])
    norm = ct.squared_norm(autoencoder.encoder, data[:40]).mean().detach()
    assert history["val_squared_norm"][-1] == pytest.approx(float(norm), rel=1e-5)
    assert bool(history.penalty_path) == (term.name == "elsewhere")


def test_one_plain_step_equals_the_step_by_hand(data):
    torch.manual_seed(0)
    by_hand = ct.mlp(8, code=3)
    optimizer = torch.optim.SGD(by_hand.parameters(), 0.1)
    values = objectives.contractive(0.1)(by_hand, data)
    values.total.backward()
    optimizer.step()
    autoencoder, _ = fitted(
        data,
        objectives.contractive(0.1),
        max_epochs=1,
        batch_size=len(data),
        optimizer=lambda parameters: torch.optim.SGD(parameters, 0.1),
    )
    for a, b in zip(autoencoder.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    "objective",
    [
        objectives.contractive(0.01, method="probes"),
        objectives.denoising(0.2),
        objectives.higher_order(0.01),
        objectives.reconstruction_contractive(0.01),
    ],
    ids=lambda objective: objective.name,
)
def test_same_seed_same_weights_bit_for_bit(data, objective):
    first, second, other = (fitted(data, objective, seed=seed)[0] for seed in (4, 4, 5))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.encoder[0].weight, other.encoder[0].weight)


def test_global_randomness_is_left_alone(data):
    torch.manual_seed(1)
    expected = torch.rand(1)
    autoencoder = ct.mlp(8, code=3)
    torch.manual_seed(1)
    ct.fit(autoencoder, data, objectives.denoising(0.1), max_epochs=1, progress=False)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("rows", [1, 5, 33], ids=["one row", "fewer rows than a batch", "a last batch of one row"])
def test_small_data_train_normally(data, rows):
    _, history = fitted(data[:rows], validation=data[:40])
    assert all(math.isfinite(value) for value in history["train_total"])


def test_numpy_arrays_in_double_precision_are_accepted(data):
    autoencoder, _ = fitted(data.double().numpy())
    assert next(autoencoder.parameters()).dtype is torch.float32


@pytest.mark.parametrize(
    "other",
    [lambda array: array[::-1].copy()[::-1], lambda array: array.astype(">f4"), np.asfortranarray],
    ids=["negative strides", "another byte order", "columns first"],
)
def test_arrays_in_any_layout_are_accepted(data, other):
    x, weights = data.numpy(), np.linspace(0.5, 1.5, len(data), dtype=np.float32)
    plain, _ = fitted(data, validation=data, sample_weight=weights)
    again, _ = fitted(other(x), validation=other(x), sample_weight=other(weights))
    assert torch.equal(plain.encode(data), again.encode(data))


def test_only_arrays_that_torch_refuses_are_copied(data):
    row = data.numpy()[:1][::-1]  # one row counts as contiguous in either direction
    assert torch.equal(as_tensor(row), data[:1])
    assert np.shares_memory(as_tensor(data.numpy()).numpy(), data.numpy())


def test_counts_of_numpy_are_those_of_python(data):
    counts = {"max_epochs": 2, "batch_size": 16, "norm_rows": 8, "patience": 3, "devices": 1}
    plain, _ = fitted(data, validation=data, **counts)
    again, history = fitted(data, validation=data, **{name: np.int64(count) for name, count in counts.items()})
    assert len(history) == 2
    assert torch.equal(plain.encode(data), again.encode(data))


def test_images_train_a_convolutional_autoencoder():
    x = torch.rand(20, 1, 8, 8)
    autoencoder = ct.conv((1, 8, 8), code=4, channels=(3,))
    history = ct.fit(autoencoder, x, objectives.contractive(1e-4), max_epochs=3, validation=x, progress=False)
    assert "code probes" in history.penalty_path


def test_early_stopping_restores_the_best_weights(data):
    autoencoder, history = fitted(
        data, validation=data[:40], max_epochs=200, patience=3, learning_rate=0.3, schedule=None
    )
    totals = history["val_total"]
    assert history.stopped_early
    assert len(history) < 200
    assert history.best_epoch == 1 + totals.index(min(totals))
    error = float((autoencoder(data[:40]) - data[:40]).square().sum(1).mean().detach())
    assert history["val_reconstruction"][history.best_epoch - 1] == pytest.approx(error, rel=1e-5)


def test_schedules_lower_the_rate(data):
    _, cosine = fitted(data, schedule="cosine", max_epochs=4)
    assert cosine["learning_rate"] == pytest.approx([0.02 * (1 + math.cos(math.pi * i / 4)) / 2 for i in range(4)])
    _, exponential = fitted(data, schedule="exponential", max_epochs=4)
    assert exponential["learning_rate"] == pytest.approx([0.02 * 0.01 ** (i / 4) for i in range(4)])


def test_gradient_clipping_bounds_the_step(data):
    plain = copy.deepcopy(fitted(data, max_epochs=1)[0])
    torch.manual_seed(0)
    start = ct.mlp(8, code=3)
    autoencoder, _ = fitted(
        data, gradient_clip=1e-3, max_epochs=1, batch_size=150, optimizer=lambda p: torch.optim.SGD(p, 1.0)
    )
    with torch.no_grad():
        moved = torch.cat(
            [(a - b).flatten() for a, b in zip(autoencoder.parameters(), start.parameters(), strict=True)]
        )
    assert float(moved.norm()) == pytest.approx(1e-3, rel=1e-3)
    assert not torch.equal(plain.encoder[0].weight, autoencoder.encoder[0].weight)


def test_the_bar_shows_the_figures(data, capsys):
    fitted(data, validation=data[:40], progress=True)
    shown = capsys.readouterr().err
    assert "contractive" in shown
    assert "val_squared_norm" in shown


def test_denormals_are_flushed_and_said(data, caplog):
    with caplog.at_level(logging.INFO, "contractive.training"):
        fitted(data, max_epochs=1)
    assert "denormal" in caplog.text
    assert float(torch.tensor(1e-40) * 0.5) > 0  # and not afterwards


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        (
            {"learning_rate": 1e30},
            r"loss must stay finite, got .* step .* The largest weight had grown .* Lower the learning rate",
        ),
        (
            {"objective": Objective(terms=(Term("odd", 1.0, lambda f, x: (f(x), x.sum(1) / 0)),))},
            r"got inf from odd at epoch 1, step 1\. The term itself overflowed",
        ),
    ],
    ids=["weights", "term"],
)
def test_divergence_names_the_place_and_the_term(data, settings, match):
    with pytest.raises(ct.TrainingDiverged, match=match):
        fitted(data, **{"optimizer": None} | settings)


PLAIN = objectives.contractive(0.0)


def test_an_error_above_that_of_a_guess_is_no_result(data):
    with pytest.raises(ct.TrainingDiverged, match=r"that of a guess, .*, got .*grown to 1e\+06: the steps"):
        ct.fit(ct.mlp(8, code=3), data, PLAIN, max_epochs=1, batch_size=len(data), learning_rate=1e6, progress=False)


def test_small_numbers_that_were_hardly_trained_are_no_divergence(data):
    with pytest.warns(ct.CollapseWarning, match="no better than that of the data's mean"):
        ct.fit(ct.mlp(8, code=3), data / 1e6, PLAIN, max_epochs=1, progress=False)


def test_collapse_is_said_in_plain_words(data):
    with pytest.warns(ct.CollapseWarning, match="Collapsed: .* Use a smaller weight"):
        history = ct.fit(ct.tied(8, 3), data, objectives.contractive(1e4), max_epochs=60, progress=False)
    assert any("no better than that of the data's mean" in text for text in history.warnings)


def test_a_code_without_variance_is_collapse(data):
    autoencoder = ct.mlp(8, code=3)
    with torch.no_grad():
        autoencoder.encoder[0].weight.zero_()
    assert any("the code does not vary" in text for text in collapse(autoencoder, data))


def test_a_good_model_has_not_collapsed(data):
    _, history = fitted(data, max_epochs=60)
    assert history.warnings == ()


def test_batch_norm_is_refused_in_training_mode(data):
    encoder = nn.Sequential(nn.Linear(8, 3), nn.BatchNorm1d(3), nn.Sigmoid())
    autoencoder = ct.Autoencoder(encoder, nn.Linear(3, 8))
    with pytest.raises(ValueError, match=r"BatchNorm that uses the statistics of the batch .*\.eval\(\)"):
        ct.fit(autoencoder, data, objectives.contractive(0.1), progress=False)


@pytest.mark.parametrize(
    ("last", "weight", "path"),
    [
        (nn.Dropout(0.5), 0.1, "autograd code probes (unbiased estimate)"),
        (nn.Dropout(0.5).eval(), 0.1, "closed form (exact)"),
        (nn.BatchNorm1d(3), 0.0, ""),
    ],
    ids=["dropout", "frozen dropout", "weight 0"],
)
def test_the_path_told_is_that_of_training(data, last, weight, path):
    encoder = nn.Sequential(nn.Linear(8, 3), nn.Sigmoid(), last)
    autoencoder = ct.Autoencoder(encoder, nn.Linear(3, 8))
    objective = objectives.contractive(weight, penalty_rows=1.0)
    history = ct.fit(autoencoder, data, objective, max_epochs=1, progress=False)
    assert history.penalty_path == path


class Counting(nn.Module):
    """Counts its calls in a buffer that it replaces."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls = self.calls + 1
        return x


def test_rehearsing_leaves_no_trace(data):
    module = nn.Sequential(nn.BatchNorm1d(8), nn.Dropout(0.5), Counting())
    before, state = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    with rehearsing(module):
        module(data)
        assert not torch.equal(module[0].running_mean, before["0.running_mean"])
        assert module[2].calls == 1
    assert all(torch.equal(module.state_dict()[name], value) for name, value in before.items())
    assert torch.equal(torch.get_rng_state(), state)


def test_unknown_column_lists_the_columns(data):
    _, history = fitted(data, max_epochs=1)
    with pytest.raises(KeyError, match=r"column must be one of epoch, .* got 'loss'"):
        history["loss"]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"max_epochs": 0}, "max_epochs must be at least 1, got 0"),
        ({"max_epochs": 2.5}, r"max_epochs must be a whole number, got 2\.5\. Leave it out"),
        ({"patience": np.float64(2)}, "patience must be a whole number, got .*2.0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"norm_rows": 0}, "norm_rows must be at least 1, got 0"),
        ({"learning_rate": -1}, "learning_rate must be above 0 and finite, got -1"),
        ({"gradient_clip": 0}, "gradient_clip must be above 0 and finite, got 0"),
        ({"patience": 3}, "patience must come with validation data"),
        ({"patience": 0, "validation": np.zeros((3, 8))}, "patience must be at least 1, got 0"),
        ({"schedule": "linear"}, "schedule must be one of constant, cosine, exponential, got 'linear'"),
        ({"validation": np.full((3, 8), np.nan)}, "validation must be finite, got 24 NaN or infinite entries"),
    ],
)
def test_misuse_is_refused(data, settings, match):
    with pytest.raises(ValueError, match=match):
        fitted(data, **settings)


@pytest.mark.parametrize(
    ("rows", "error", "match"),
    [
        (torch.zeros(0, 8), ValueError, r"data must have the shape \(examples, \*features\), got \(0, 8\)"),
        (torch.zeros(8), ValueError, r"data must have the shape \(examples, \*features\), got \(8,\)"),
        (torch.ones(4, 8, dtype=torch.int64), TypeError, "data must be floating-point numbers, got torch.int64"),
        (torch.full((4, 8), math.inf), ValueError, "data must be finite, got 32"),
    ],
)
def test_bad_data_are_refused(rows, error, match):
    with pytest.raises(error, match=match):
        fitted(rows)


def test_a_wrong_width_is_refused(data):
    with pytest.raises(ValueError, match=r"data must fit the autoencoder, got rows of shape \(5,\)"):
        fitted(data[:, :5])


def test_a_decoder_of_another_size_is_refused(data):
    autoencoder = ct.Autoencoder(nn.Linear(8, 3), nn.Linear(3, 1))
    with pytest.raises(ValueError, match=r"reconstructions must have the shape of the data \(8,\), got \(1,\)"):
        ct.fit(autoencoder, data, objectives.standard(), progress=False)


@pytest.mark.parametrize("name", ["forward", "encode", "decode"])
def test_methods_of_ones_own_that_are_not_trained_are_refused(data, name):
    own = type("Own", (ct.Autoencoder,), {name: lambda self, x: getattr(ct.Autoencoder, name)(self, x) + 0.1})
    autoencoder = own(nn.Linear(8, 3), nn.Linear(3, 8))
    with pytest.raises(ValueError, match=r"autoencoder must compute decoder\(encoder\(x\)\), which is what is trained"):
        ct.fit(autoencoder, data, objectives.standard(), progress=False)


def test_a_random_network_is_what_it_is(data):
    class Random(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    autoencoder = ct.Autoencoder(nn.Sequential(nn.Linear(8, 3), Random()), nn.Linear(3, 8))
    assert len(ct.fit(autoencoder, data, objectives.contractive(0.1), max_epochs=1, progress=False)) == 1


def test_freed_memory_is_kept_where_the_allocator_allows_it(monkeypatch):
    from contractive.training import _contexts

    assert _contexts.keep_freed_memory() in (True, False)
    monkeypatch.setattr(_contexts.sys, "platform", "darwin")
    assert _contexts.keep_freed_memory() is False


def test_a_frozen_batch_norm_trains_and_stays_frozen(data):
    encoder = nn.Sequential(nn.Linear(8, 3), nn.BatchNorm1d(3), nn.Sigmoid())
    autoencoder = ct.Autoencoder(encoder, nn.Linear(3, 8))
    encoder[1].eval()
    ct.fit(autoencoder, data, objectives.contractive(0.01), validation=data, max_epochs=2, progress=False)
    assert torch.equal(encoder[1].running_mean, torch.zeros(3))


def test_a_loaded_model_trains_in_training_mode_and_ends_in_evaluation_mode(data):
    modes = []

    class Watched(nn.Linear):
        def forward(self, x):
            modes.append(self.training)
            return super().forward(x)

    autoencoder = ct.Autoencoder(Watched(8, 3), nn.Linear(3, 8)).eval()
    ct.fit(autoencoder, data, objectives.standard(), max_epochs=1, batch_size=150, progress=False)
    assert modes[0] is False  # the check of the width
    assert True in modes
    assert not autoencoder.training


def test_figures_of_a_few_rows_are_not_those_of_the_first_class():
    x = torch.cat([torch.zeros(500, 8), torch.ones(500, 8)])
    assert spread_rows(x, 10).mean() == 0.5


def test_divergence_under_cross_entropy_is_divergence(data):
    with pytest.raises(ct.TrainingDiverged, match="loss must stay finite"):
        fitted(data, objectives.contractive(0.1, loss=objectives.cross_entropy), learning_rate=1e30)


@pytest.mark.parametrize(
    ("autoencoder", "objective", "rows", "match"),
    [
        (nn.Linear(8, 8), objectives.standard(), "x", r"autoencoder must be an Autoencoder, got Linear\. Wrap it"),
        (ct.mlp(8, code=3), objectives.contractive, "x", "objective must be an Objective, got contractive"),
        (ct.mlp(8, code=3), "contractive", "x", "objective must be an Objective, got 'contractive'"),
        (ct.mlp(8, code=3), objectives.standard(), [[1.0] * 8], "data must be a tensor or an array, got list"),
    ],
)
def test_wrong_kinds_are_refused(data, autoencoder, objective, rows, match):
    with pytest.raises(TypeError, match=match):
        ct.fit(autoencoder, data if rows == "x" else rows, objective, progress=False)


def test_wrong_devices_and_frozen_models_are_refused(data):
    with pytest.raises(ValueError, match="device must be one of auto, cpu, cuda, mps, got 'cuda:0'"):
        fitted(data, device="cuda:0")
    with pytest.raises(ValueError, match="autoencoder must have parameters to train"):
        ct.fit(ct.mlp(8, code=3).requires_grad_(False), data, objectives.standard(), progress=False)


def test_bf16_follows_full_precision(data):
    validation = data[:40]
    _, full = fitted(data, objectives.contractive(0.01, method="probes"), validation=validation, device="cpu")
    settings = {"validation": validation, "device": "cpu", "precision": "bf16"}
    _, half = fitted(data, objectives.contractive(0.01, method="probes"), **settings)
    assert half["val_total"] == pytest.approx(full["val_total"], rel=0.02)
    assert half["val_total"] != full["val_total"]


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"precision": "16"}, r"precision must be one of 32, bf16, got '16'"),
        ({"devices": 0}, r"devices must be at least 1, got 0"),
        ({"num_nodes": 0}, r"num_nodes must be at least 1, got 0"),
    ],
)
def test_machines_that_do_not_exist_are_refused(data, settings, match):
    with pytest.raises(ValueError, match=match):
        fitted(data, **settings)


def test_weights_count_rows_as_often_as_they_say(data):
    """In one step on the whole data, a row of weight 2 is a row given twice, one of weight 0 is absent."""
    settings = {"max_epochs": 1, "batch_size": 1000, "optimizer": lambda parameters: torch.optim.SGD(parameters, 0.1)}
    counts = torch.arange(len(data)) % 3
    weighted, _ = fitted(data, sample_weight=counts.float().numpy(), **settings)
    repeated, _ = fitted(data.repeat_interleave(counts, 0), **settings)
    for a, b in zip(weighted.parameters(), repeated.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_the_mean_of_a_centred_encoder_is_weighted(data):
    counts = torch.arange(len(data)) % 3
    autoencoder = ct.mlp(8, code=3, center=True)
    objective = objectives.contractive(1e-3)
    ct.fit(autoencoder, data, objective, sample_weight=counts.numpy() / 7, max_epochs=1, progress=False)
    torch.testing.assert_close(autoencoder.encoder[0].mean, data.repeat_interleave(counts, 0).mean(0))


@pytest.mark.parametrize(
    ("weights", "error", "match"),
    [
        (torch.ones(3), ValueError, r"sample_weight must have one number per row, shape \(150,\), got \(3,\)"),
        (
            -torch.ones(150),
            ValueError,
            r"sample_weight must be .* not all 0, got a least one of -1",
        ),
        (torch.zeros(150), ValueError, r"sample_weight must be finite, at least 0 and not all 0"),
        (torch.full((150,), torch.nan), ValueError, r"sample_weight must be finite"),
    ],
    ids=["short", "negative", "zero", "nan"],
)
def test_wrong_weights_are_refused(data, weights, error, match):
    with pytest.raises(error, match=match):
        fitted(data, sample_weight=weights)
