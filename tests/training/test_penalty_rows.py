"""The choice of rows and method for the Jacobian penalty: variances against brute force, and what training does."""

import math

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

import contractive as ct
from contractive.training import _penalty_rows
from contractive.training._penalty_rows import Choice, PenaltyRows

pytestmark = pytest.mark.filterwarnings("ignore::contractive.training.CollapseWarning")
WEIGHT = 0.3
X = (torch.rand(64, 3, generator=torch.Generator().manual_seed(0)) @ torch.ones(3, 8) / 3) * torch.linspace(0.3, 1, 8)


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Choose as for networks so large that measuring and calls cost nothing beside them."""
    monkeypatch.setattr(_penalty_rows, "_FREE", 0.0)
    monkeypatch.setattr(_penalty_rows, "_CALLS", 0)
    monkeypatch.setattr(PenaltyRows, "_pays", lambda *_: True)


def net():
    torch.manual_seed(1)
    return ct.mlp(8, hidden=(7,), code=5)


def per_row(model, method):
    """Gradients of reconstruction and weighted penalty of every row, (rows, parameters)."""
    sides = []
    for row in X.split(1):
        objective = ct.objectives.contractive(WEIGHT, method=method, penalty_rows=1.0)
        values = objective(model, row, generator=torch.Generator().manual_seed(0))
        for part in (values.reconstruction, WEIGHT * values.penalties["contractive"]):
            found = torch.autograd.grad(
                part.sum(), list(model.parameters()), retain_graph=True, allow_unused=True, materialize_grads=True
            )
            sides.append(torch.cat([each.flatten() for each in found]))
    return torch.stack(sides[::2]), torch.stack(sides[1::2])


def spread(gradients):
    return float((gradients - gradients.mean(0)).square().sum() / (len(gradients) - 1))


def test_variances_are_those_of_the_gradients_of_single_rows():
    model, objective = net(), ct.objectives.contractive(WEIGHT)
    reconstruction, penalty = per_row(model, "exact")
    found = []
    for seed in range(25):
        rows = PenaltyRows(X, None, 32, seed)
        rows.renew(model, objective)
        rest, both, shared, noise = rows.variances["contractive"]
        found.append((rest + WEIGHT * both + WEIGHT**2 * shared, WEIGHT**2 * shared, WEIGHT**2 * noise))
    whole, shared, noise = (torch.tensor(each) for each in zip(*found, strict=True))
    for seen, expected in ((whole, spread(reconstruction + penalty)), (shared, spread(penalty))):
        assert abs(seen.mean() - expected) < 4 * seen.std() / math.sqrt(len(seen))
    estimates = torch.stack(
        [
            torch.cat([part.flatten() for part in torch.autograd.grad(value.mean(), list(model.encoder.parameters()))])
            for seed in range(80)
            for value in [
                WEIGHT
                * ct.value_and_squared_norm(
                    model.encoder, X[:8], method="probes", generator=torch.Generator().manual_seed(seed)
                )[1]
            ]
        ]
    )
    # of one group; the others are much like it
    assert 0.4 < float(noise.mean()) / (8 * spread(estimates)) < 2.5


def test_no_trace_is_left():
    model = ct.Autoencoder(
        nn.Sequential(nn.Linear(8, 4), nn.Dropout(0.2), nn.Tanh()), nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8))
    )
    before, state = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    PenaltyRows(X, None, 32, 0).renew(model, ct.objectives.contractive(WEIGHT))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize(
    ("weight", "batch", "rows"), [(1e-5, 64, 8), (1e-5, 8, None), (1e-5, 4, None), (1e4, 64, 64)], ids=str
)
def test_as_few_rows_as_the_variance_allows_but_never_fewer_than_eight(weight, batch, rows):
    chosen = PenaltyRows(X, None, batch, 0)
    chosen.renew(net(), ct.objectives.contractive(weight))
    assert chosen.used(ct.objectives.contractive(weight)) == (rows or batch)
    assert (rows is None) == (chosen.choices == {})


def test_the_cheapest_allowed_pair_is_taken():
    chosen = PenaltyRows(X, None, 64, 0)
    objective, model = ct.objectives.contractive(WEIGHT), net()
    (term,) = objective.terms
    without_noise = chosen._chosen(model, term, 100.0, 0.0, 0.0)
    assert without_noise == Choice("probes", 8)
    # exact values on few rows, where probes are too noisy on any number of them
    noisy = chosen._chosen(model, term, 100.0, 0.0, 1e6)
    assert noisy.method == "exact"
    assert noisy.rows == 8
    # S^2 (1/m - 1/64) <= 0.1 * 100 / 64, and T = 0: m >= 1 / (0.1 + 1/64 * ...)
    some = chosen._chosen(model, term, 100.0, 20.0, 0.0)
    assert 20 * (1 / some.rows - 1 / 64) <= 0.1 * 100 / 64
    assert some.rows < 64


@pytest.mark.parametrize("rows", [0.25, 5, "auto"])
@pytest.mark.parametrize("kind", ["contractive", "higher_order", "reconstruction_contractive"])
def test_history_reports_the_rows(kind, rows):
    objective = getattr(ct.objectives, kind)(1e-5, penalty_rows=rows)
    history = ct.fit(net(), X, objective, max_epochs=2, batch_size=32, progress=False)
    assert history["penalty_rows"] == [5.0 if rows == 5 else 8.0] * 2
    if kind == "contractive":
        assert history.penalty_path.endswith(f"on {5 if rows == 5 else 8} of 32 rows")


def test_other_objectives_have_no_such_column():
    history = ct.fit(net(), X, ct.objectives.sparse(0.1), max_epochs=1, progress=False)
    assert "penalty_rows" not in history.columns


@pytest.mark.parametrize("rows", ["auto", 0.25])
def test_a_resumed_run_goes_on_bit_for_bit(tmp_path, rows):
    def train(epochs, **options):
        model, objective = net(), ct.objectives.contractive(WEIGHT, penalty_rows=rows)
        options = {"max_epochs": 4, "batch_size": 32, "progress": False, "checkpoint_seconds": 0, **options}
        stop = [Stop(epochs)] if epochs < 4 else []
        history = ct.fit(model, X, objective, callbacks=stop, **options)
        return model, history

    whole, history = train(4)
    train(2, checkpoint=tmp_path / "run.ckpt")
    resumed, again = train(4, checkpoint=tmp_path / "run.ckpt", resume=True)
    for expected, seen in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(expected, seen)
    assert history["penalty_rows"] == again["penalty_rows"]


class Stop(Callback):
    """Ends training after some epochs, as a break would."""

    def __init__(self, epochs):
        self.epochs = epochs

    def on_train_epoch_end(self, trainer, pl_module):
        trainer.should_stop = trainer.current_epoch + 1 >= self.epochs


def test_variances_are_measured_again_after_many_steps_and_follow_the_weight_at_once():
    model, rows = net(), PenaltyRows(X, None, 64, 0)
    rows.renew(model, ct.objectives.contractive(1e-5))
    first = rows.variances["contractive"]
    assert rows.choices["contractive"].rows == 8
    rows.steps += 399
    rows.renew(model, ct.objectives.contractive(1e4))
    assert rows.variances["contractive"] == first
    assert rows.choices["contractive"].rows == 64
    rows.steps += 1
    rows.renew(model, ct.objectives.contractive(1e-5))
    assert rows.variances["contractive"] != first


def test_the_choice_is_in_the_checkpoint(tmp_path):
    objective = ct.objectives.contractive(1e-5)
    ct.fit(net(), X, objective, max_epochs=1, batch_size=32, progress=False, checkpoint=tmp_path / "a.ckpt")
    stored = torch.load(tmp_path / "a.ckpt", weights_only=True)["contractive"]["penalty_rows"]
    assert stored["choices"] == {"contractive": ("probes", 8)}
    assert set(stored["variances"]) == {"contractive"}


def test_rows_with_weights_count_by_them():
    heavy, light = torch.full((64,), 1.0), torch.zeros(64)
    light[:2] = 32.0
    found = {}
    for name, weights in (("even", heavy), ("uneven", light)):
        rows = PenaltyRows(X, weights, 32, 0)
        rows.renew(net(), ct.objectives.contractive(WEIGHT))
        found[name] = rows.variances["contractive"][0]
    assert found["uneven"] > found["even"]
