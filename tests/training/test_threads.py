"""How many processor threads training takes: a fixed rule by the size of a step, or what was asked for."""

import logging

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

import contractive as ct
from contractive.training._contexts import using_threads
from contractive.training._fine_tuning import fine_tune

CALLER = 2
pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


@pytest.fixture(autouse=True)
def caller():
    before = torch.get_num_threads()
    torch.set_num_threads(CALLER)
    yield
    torch.set_num_threads(before)


class Seen(Callback):
    def on_train_start(self, trainer, pl_module):
        self.threads = torch.get_num_threads()


def fitted(**options):
    seen = Seen()
    x = torch.rand(16, 4, generator=torch.Generator().manual_seed(0))
    settings = {"max_epochs": 1, "batch_size": 8, "progress": False, "callbacks": [seen]}
    ct.fit(ct.mlp(4, code=2), x, ct.objectives.contractive(0.1), **settings | options)
    return seen.threads


def test_fit_on_a_small_network_takes_one_thread_says_so_and_puts_the_number_back(caplog):
    with caplog.at_level(logging.INFO, "contractive"):
        assert fitted() == 1
    assert "training with 1 thread(s), by the size of network and batch" in caplog.text
    assert torch.get_num_threads() == CALLER


def test_a_number_of_threads_can_be_asked_for(caplog):
    with caplog.at_level(logging.INFO, "contractive"):
        assert fitted(threads=3) == 3
    assert "training with 3 thread(s), as asked" in caplog.text
    assert torch.get_num_threads() == CALLER


def test_the_number_is_put_back_after_an_error():
    def broken(optimizer, epochs):
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fitted(schedule=broken)
    assert torch.get_num_threads() == CALLER


def test_a_number_below_one_is_refused():
    with pytest.raises(ValueError, match="threads must be at least 1, got 0"):
        fitted(threads=0)


# multiplications of a forward pass per row: 2 x 64 x 32, and 9 x 2 x 16 x 16 for the kernels at every position
@pytest.mark.parametrize(
    ("network", "shape", "per_row"),
    [
        (nn.Sequential(nn.Linear(64, 32, bias=False), nn.Linear(32, 64, bias=False)), (64,), 2 * 64 * 32),
        (nn.Conv2d(1, 2, 3, padding=1), (1, 16, 16), 9 * 2 * 16 * 16),
    ],
    ids=["dense", "convolution"],
)
def test_the_rule_counts_multiplications_of_the_batch(network, shape, per_row):
    rows = -(-(2**26) // per_row)
    for batch, wanted in ((rows - 1, 1), (rows, CALLER)):
        with using_threads(None, network, torch.zeros(1, *shape).expand(batch, *shape)):
            assert torch.get_num_threads() == wanted


def test_counting_leaves_no_trace():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())
    before, state = {name: value.clone() for name, value in network.state_dict().items()}, torch.get_rng_state()
    with using_threads(None, network, torch.rand(8, 4, generator=torch.Generator().manual_seed(0))):
        pass
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in network.modules())


def test_fine_tuning_follows_the_same_rule():
    autoencoder, seen = ct.mlp(4, code=2), []
    classifier = ct.models.Classifier(autoencoder.encoder, 2, 2)
    x = torch.rand(8, 4, generator=torch.Generator().manual_seed(0))
    settings = {"max_epochs": 1, "on_epoch": lambda row: seen.append(torch.get_num_threads())}
    fine_tune(classifier, x, torch.arange(8) % 2, **settings)
    assert (seen, torch.get_num_threads()) == ([1], CALLER)
