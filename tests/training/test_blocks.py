"""Blocks of steps, which Lightning takes for one batch each: who may count in them, and that nothing else changes."""

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

import contractive as ct
from contractive import objectives
from contractive.training._module import Step
from interrupted import Stop, StopAfterTwo

pytestmark = pytest.mark.filterwarnings(
    "ignore::contractive.CollapseWarning", "ignore::contractive.training.SearchWarning"
)
SETTINGS = {"max_epochs": 4, "batch_size": 8, "learning_rate": 0.01, "progress": False}
STEPS, BLOCKS = 50, 4  # per epoch: 400 rows; a block has 16 steps


def rows(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.rand(4, 12, generator=torch.Generator().manual_seed(7))
    return torch.rand(count, 4, generator=generator) @ mixing / 4


def trained(**options):
    torch.manual_seed(0)
    net = ct.mlp(12, hidden=(16,), code=8)
    return net, ct.fit(net, rows(400), objectives.contractive(0.01), **SETTINGS | options)


def searched(**options):
    torch.manual_seed(0)
    net = ct.mlp(12, hidden=(16,), code=8)
    options = SETTINGS | {"validation": rows(50, 1)} | options
    return net, ct.fit_with_max_error_increase(net, rows(400), objectives.contractive(), **options)


def contracted(**options):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(12, 8), nn.Tanh(), nn.Linear(8, 3))
    return net, ct.contract(net, rows(400), **SETTINGS | options)


@pytest.fixture
def calls(monkeypatch):
    """Steps per block at each call of the training step."""
    seen, step = [], Step.training_step

    def counted(self, block, index):
        seen.append(self.steps_per_block)
        return step(self, block, index)

    monkeypatch.setattr(Step, "training_step", counted)
    return seen


def same(one, other):
    (net, history), (again, repeated) = one, other
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    for name in set(history.columns) - {"seconds"}:
        torch.testing.assert_close(history[name], repeated[name], rtol=0, atol=0, equal_nan=True)


class Watch(Callback):
    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        pass


# epochs of a search: all of the reference, then the second half again
@pytest.mark.parametrize(("train", "epochs"), [(searched, 4 + 2), (contracted, 4)])
def test_a_search_takes_blocks_and_finds_the_bits_of_single_steps(train, epochs, calls, monkeypatch):
    in_blocks = train()
    assert calls == [16] * (BLOCKS * epochs)
    calls.clear()
    monkeypatch.setattr("contractive.training._fit.LibraryCallback", ())
    same(in_blocks, train())
    assert calls == [1] * (STEPS * epochs)


def test_a_search_of_blocks_goes_on_in_the_single_steps_that_a_callback_watches(calls):
    in_blocks = searched()
    calls.clear()
    same(in_blocks, searched(callbacks=[Watch()]))
    assert calls == [16] * (BLOCKS * 4) + [1] * (STEPS * 2)


def test_a_run_of_blocks_is_resumed_in_single_steps(tmp_path, calls):
    options = {"checkpoint": tmp_path / "last.ckpt", "checkpoint_seconds": 0, "schedule": "constant"}
    with pytest.raises(Stop):
        trained(callbacks=[StopAfterTwo()], **options)
    resumed = trained(callbacks=[Watch()], resume=True, **options)
    assert calls == [16] * (BLOCKS * 2) + [1] * (STEPS * 2)
    same(trained(), resumed)
