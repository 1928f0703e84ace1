"""Optimisers, schedules, accumulation and batch norm in `fit`, against the same by hand."""

import pytest
import torch
from torch import nn

import contractive as ct
from interrupted import Stop, StopAfterTwo

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
X = torch.rand(64, 8, generator=torch.Generator().manual_seed(0))
OBJECTIVE = ct.objectives.contractive(0.01)
SETTINGS = {"max_epochs": 3, "batch_size": 16, "progress": False}


def net():
    torch.manual_seed(0)
    return ct.mlp(8, code=3)


def flat(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def test_lbfgs_is_lbfgs_by_hand():
    def make(parameters):
        return torch.optim.LBFGS(parameters, lr=0.5, max_iter=5)

    ours, theirs = net(), net().train()
    history = ct.fit(ours, X, OBJECTIVE, optimizer=make, **SETTINGS | {"batch_size": 64})
    optimizer, losses = make(theirs.parameters()), []
    for _ in range(3):

        def closure():
            optimizer.zero_grad()
            total = OBJECTIVE(theirs, X).total
            total.backward()
            return total

        losses.append(float(optimizer.step(closure).detach()))
    torch.testing.assert_close(flat(ours), flat(theirs), rtol=1e-3, atol=1e-4)
    assert history["train_total"] == pytest.approx(losses, rel=1e-4)


def test_lbfgs_meets_the_same_noise_at_each_evaluation():
    seen = []

    def noisy(x, generator=None):
        seen.append(torch.randn(x.shape, generator=generator))
        return x + seen[-1]

    objective = ct.Objective("noisy", corruption=noisy)
    settings = SETTINGS | {"max_epochs": 1, "batch_size": 64}
    ct.fit(net(), X, objective, optimizer=lambda p: torch.optim.LBFGS(p, max_iter=4), **settings)
    assert len(seen) > 2
    assert all(torch.equal(noise, seen[0]) for noise in seen)


@pytest.mark.parametrize("validation", [None, X[:20]], ids=["train", "validation"])
def test_a_plateau_lowers_the_rate_by_the_total(validation):
    def schedule(optimizer, epochs):
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1, threshold=0.03)

    settings = SETTINGS | {"max_epochs": 12, "learning_rate": 0.01}
    history = ct.fit(net(), X, OBJECTIVE, validation=validation, schedule=schedule, **settings)
    optimizer, rates = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.01), []
    plateau = schedule(optimizer, 12)
    for total in history["train_total" if validation is None else "val_total"]:
        rates.append(optimizer.param_groups[0]["lr"])
        plateau.step(total)
    assert history["learning_rate"] == rates
    assert rates[-1] < rates[0]


def test_a_plateau_goes_on_where_it_was(tmp_path):
    def schedule(optimizer, epochs):
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0, threshold=10.0)

    def run(**settings):
        autoencoder = net()
        return ct.fit(autoencoder, X, OBJECTIVE, schedule=schedule, **SETTINGS | settings)

    whole = run()
    path = tmp_path / "last.ckpt"

    with pytest.raises(Stop):
        run(checkpoint=path, checkpoint_seconds=0, callbacks=[StopAfterTwo()])
    assert run(checkpoint=path, resume=True)["learning_rate"] == whole["learning_rate"]


def test_a_function_of_three_arguments_makes_a_schedule_by_steps():
    told = []

    def schedule(optimizer, epochs, steps):
        told.append((epochs, steps))
        return torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)

    history = ct.fit(net(), X[:60], OBJECTIVE, schedule=schedule, learning_rate=0.12, **SETTINGS)
    assert told == [(3, 12)]
    assert history["learning_rate"] == pytest.approx([0.12 * (1 - 4 * epoch / 12) for epoch in (1, 2, 3)], abs=1e-9)


@pytest.mark.parametrize("weights", [None, torch.rand(64) + 0.5], ids=["plain", "weighted"])
def test_accumulated_batches_are_one_large_batch(weights):
    runs = []
    for batch_size, accumulate in ((8, 2), (16, 1)):
        autoencoder = net()
        settings = SETTINGS | {"batch_size": batch_size, "accumulate": accumulate, "sample_weight": weights}
        history = ct.fit(autoencoder, X[:60] if weights is None else X, OBJECTIVE, **settings)
        runs.append((flat(autoencoder), history["train_total"]))
    torch.testing.assert_close(runs[0][0], runs[1][0])
    assert runs[0][1] == pytest.approx(runs[1][1], rel=1e-5)


def step_of(objective, batch_size, accumulate):
    """The weights after one step of plain gradient descent on 16 rows."""
    torch.manual_seed(0)
    autoencoder = ct.mlp(8, hidden=(6,), code=3)
    settings = SETTINGS | {"max_epochs": 1, "batch_size": batch_size, "accumulate": accumulate}
    ct.fit(autoencoder, X[:16], objective, optimizer=lambda p: torch.optim.SGD(p, 0.1), **settings)
    return flat(autoencoder)


# without noise and probe vectors: where what a row adds depends on that row alone, as `FitOptions` says
@pytest.mark.parametrize(
    ("name", "is_exact"),
    [
        *((name, True) for name in ("standard", "weight_decay", "l1", "contractive", "reconstruction_contractive")),
        *((name, True) for name in ("largest_singular_value", "jacobian_l1", "nuclear")),
        *((name, False) for name in ("sparse", "gain_weighted", "isometric")),
    ],
)
def test_accumulated_batches_are_one_large_batch_where_rows_are_independent(name, is_exact):
    objective = ct.objectives.OBJECTIVES[name].make(0.1, loss=ct.objectives.squared_error).exact()
    parts, whole = step_of(objective, 8, 2), step_of(objective, 16, 1)
    assert torch.allclose(parts, whole, rtol=1e-5, atol=1e-6) is is_exact


def test_accumulation_is_at_least_one_batch():
    with pytest.raises(ValueError, match="accumulate must be at least 1, got 0"):
        ct.fit(net(), X, OBJECTIVE, accumulate=0, **SETTINGS)


def with_batch_norm():
    torch.manual_seed(0)
    decoder = nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 8))
    return ct.Autoencoder(nn.Sequential(nn.Linear(8, 3), nn.Sigmoid()), decoder)


def test_batch_norm_leaves_out_a_last_batch_of_one_row():
    autoencoder = with_batch_norm()
    ct.fit(autoencoder, X[:33], OBJECTIVE, **SETTINGS)
    assert int(autoencoder.decoder[1].num_batches_tracked) == 3 * 2
    frozen = with_batch_norm()
    frozen.decoder[1].eval()
    ct.fit(frozen, X[:33], OBJECTIVE, **SETTINGS)
    assert int(frozen.decoder[1].num_batches_tracked) == 0


@pytest.mark.parametrize("settings", [{"batch_size": 1}, {"data": X[:1]}], ids=["batches of one", "one row"])
def test_batch_norm_needs_two_rows(settings):
    data = settings.pop("data", X)
    with pytest.raises(ValueError, match=r"batch_size must leave 2 rows to a batch for batch norm, got \d+ rows"):
        ct.fit(with_batch_norm(), data, OBJECTIVE, **SETTINGS | settings)


def test_a_finished_run_goes_on_for_more_epochs(tmp_path):
    whole, grown = net(), net()
    path = tmp_path / "last.ckpt"
    ct.fit(whole, X, OBJECTIVE, **SETTINGS | {"max_epochs": 5})
    ct.fit(grown, X, OBJECTIVE, checkpoint=path, **SETTINGS | {"max_epochs": 2})
    history = ct.fit(grown, X, OBJECTIVE, checkpoint=path, resume=True, **SETTINGS | {"max_epochs": 5})
    assert torch.equal(flat(whole), flat(grown))
    assert history["epoch"] == [1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match=r"max_epochs must be at least 5, got 3\. The checkpoint holds so many"):
        ct.fit(net(), X, OBJECTIVE, checkpoint=path, resume=True, **SETTINGS | {"max_epochs": 3})


def test_a_schedule_that_depends_on_the_epochs_is_not_lengthened(tmp_path):
    path = tmp_path / "last.ckpt"
    ct.fit(net(), X, OBJECTIVE, checkpoint=path, schedule="cosine", **SETTINGS | {"max_epochs": 2})
    with pytest.raises(ValueError, match="settings of its checkpoint, got max_epochs 5 instead of 2"):
        ct.fit(net(), X, OBJECTIVE, checkpoint=path, resume=True, schedule="cosine", **SETTINGS | {"max_epochs": 5})
