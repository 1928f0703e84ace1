"""A run that was interrupted and resumed ends with the weights of one that was not, bit for bit."""

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

import contractive as ct
from contractive import objectives
from contractive.core.errors import InvalidType
from contractive.training import CheckpointError

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


class Broken(Exception):
    """The power cut."""


class BreakOff(Callback):
    """Breaks the run off in the middle of an epoch (from 0)."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.current_epoch == self.epoch and batch_idx == 1:
            raise Broken


class Slices:
    """Rows as they are read from a file."""

    def __init__(self, x, block):
        self.x, self.block, self.shape = x.numpy(), block, tuple(x.shape)

    def __len__(self):
        return len(self.x)

    def __getitem__(self, rows):
        return self.x[rows]


def rows(count=160):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, generator=generator) @ torch.rand(3, 8, generator=generator) / 3


def with_dropout():
    torch.manual_seed(1)
    encoder = nn.Sequential(nn.Linear(8, 6), nn.Sigmoid(), nn.Linear(6, 3), nn.Sigmoid())
    decoder = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Dropout(0.2), nn.Linear(6, 8), nn.Sigmoid())
    return ct.Autoencoder(encoder, decoder)


OBJECTIVE = objectives.compose(objectives.contractive(0.01, method="probes"), objectives.denoising(0.1))


def train(data, path=None, objective=OBJECTIVE, **settings):
    settings = {"max_epochs": 6, "batch_size": 16, "learning_rate": 0.02, "schedule": "cosine"} | settings
    autoencoder = with_dropout()
    x = data if not isinstance(data, tuple) else Slices(*data)
    history = ct.fit(
        autoencoder,
        x,
        objective,
        validation=rows(50),
        checkpoint=path,
        checkpoint_seconds=0,
        progress=False,
        **settings,
    )
    return autoencoder, history


@pytest.mark.parametrize("data", [rows(), (rows(), 70)], ids=["in memory", "streamed"])
@pytest.mark.parametrize("patience", [None, 2], ids=["no patience", "patience"])
@pytest.mark.parametrize("at", [1, 4])
def test_resumed_equals_unbroken(tmp_path, data, patience, at):
    whole, history = train(data, patience=patience)
    path = tmp_path / "last.ckpt"
    with pytest.raises(Broken):
        train(data, path, patience=patience, callbacks=[BreakOff(at)])
    resumed, again = train(data, path, patience=patience, resume=True)
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    clock = {"seconds"}
    assert [{k: v for k, v in row.items() if k not in clock} for row in history.rows] == [
        {k: v for k, v in row.items() if k not in clock} for row in again.rows
    ]
    assert (history.best_epoch, history.stopped_early) == (again.best_epoch, again.stopped_early)


def test_early_stopping_counts_on_after_a_break(tmp_path):
    settings = {"patience": 2, "max_epochs": 60, "learning_rate": 0.3, "schedule": None}
    _, history = train(rows(), **settings)
    assert history.stopped_early
    path = tmp_path / "last.ckpt"
    with pytest.raises(Broken):
        train(rows(), path, callbacks=[BreakOff(len(history) - 1)], **settings)
    _, again = train(rows(), path, resume=True, **settings)
    assert len(again) == len(history)


def test_a_finished_run_is_not_trained_further(tmp_path):
    path = tmp_path / "last.ckpt"
    whole, _ = train(rows(), path)
    again, history = train(rows(), path, resume=True)
    assert len(history) == 6
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_a_run_that_stopped_early_is_not_trained_further(tmp_path):
    path = tmp_path / "last.ckpt"
    settings = {"patience": 2, "max_epochs": 60, "learning_rate": 0.3, "schedule": None}
    whole, history = train(rows(), path, **settings)
    again, resumed = train(rows(), path, resume=True, **settings)
    assert history.stopped_early
    assert (resumed.rows, resumed.best_epoch, resumed.stopped_early) == (history.rows, history.best_epoch, True)
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_numbers_of_numpy_are_those_of_python(tmp_path):
    settings = {"learning_rate": 0.01, "gradient_clip": 0.5}
    whole, _ = train(rows(), None, objectives.contractive(0.1), **settings)
    path, settings = tmp_path / "last.ckpt", {name: np.float64(value) for name, value in settings.items()}
    train(rows(), path, objectives.contractive(np.float64(0.1)), **settings)
    again, _ = train(rows(), path, objectives.contractive(0.1), resume=True, **settings)
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_other_settings_are_not_the_same_run(tmp_path):
    path = tmp_path / "last.ckpt"
    train(rows(), path)
    with pytest.raises(
        CheckpointError, match=r"resumed with the settings of its checkpoint, got batch_size 32 instead of 16"
    ):
        train(rows(), path, resume=True, batch_size=32)


@pytest.mark.parametrize(
    ("before", "after", "match"),
    [
        (
            objectives.denoising(0.1),
            objectives.denoising(3.0),
            r"corruption Gaussian\(sigma=3\) instead of Gaussian\(sigma=0.1\)",
        ),
        (
            objectives.sparse(target=0.05),
            objectives.sparse(target=0.5),
            r"penalties .*KLSparsity\(target=0.5\) of the encoder.* instead of .*KLSparsity\(target=0.05\)",
        ),
        (
            objectives.standard(),
            objectives.standard(loss=objectives.cross_entropy),
            r"loss cross_entropy instead of squared_error",
        ),
        (objectives.weight_decay(1e-4), objectives.weight_decay(10), r"weight_decay 10 instead of 0.0001"),
    ],
    ids=["corruption", "penalty", "loss", "weight decay"],
)
def test_another_objective_is_not_the_same_run(tmp_path, before, after, match):
    path = tmp_path / "last.ckpt"
    train(rows(), path, before, max_epochs=1)
    with pytest.raises(
        CheckpointError, match=f"A run must be resumed with the settings of its checkpoint, got {match}"
    ):
        train(rows(), path, after, max_epochs=1, resume=True)


def test_another_schedule_is_not_the_same_run(tmp_path):
    path = tmp_path / "last.ckpt"
    train(rows(), path, max_epochs=1)
    with pytest.raises(CheckpointError, match=r"got schedule constant instead of cosine"):
        train(rows(), path, max_epochs=1, schedule=None, resume=True)


def test_parts_of_ones_own_are_known_again_by_name(tmp_path):
    class Corruption(nn.Module):
        def forward(self, x, generator):
            return x / 2

    def objective():
        def loss(reconstruction, x):
            return (reconstruction - x).square().sum(1)

        term = objectives.Term("own", 0.1, lambda encode, x: (encode(x), x.sum(1)))
        return objectives.Objective("own", loss, Corruption(), (term,))

    path = tmp_path / "last.ckpt"
    train(rows(), path, objective(), max_epochs=1)
    _, history = train(rows(), path, objective(), max_epochs=1, resume=True)
    assert history.settings["loss"] == "loss"
    assert history.settings["corruption"] == "Corruption"


def test_a_checkpoint_with_fewer_settings_is_of_another_version(tmp_path):
    path = tmp_path / "last.ckpt"
    train(rows(), path, max_epochs=1)
    checkpoint = torch.load(path, weights_only=True)
    for name in ("loss", "corruption", "penalties", "weight_decay", "schedule"):
        del checkpoint["contractive"]["settings"][name]
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match="settings of its checkpoint, got loss squared_error instead of None"):
        train(rows(), path, max_epochs=1, resume=True)


def test_a_missing_checkpoint_is_said(tmp_path):
    with pytest.raises(CheckpointError, match=r"checkpoint must exist to resume from, got no file"):
        train(rows(), tmp_path / "last.ckpt", resume=True)
    with pytest.raises(ValueError, match=r"resume must come with a checkpoint, got none"):
        train(rows(), None, resume=True)


def spoiled(path, damage):
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "text": b"hello"}[damage])


@pytest.mark.parametrize("damage", ["empty", "cut", "text"])
def test_a_broken_checkpoint_is_one_line(tmp_path, damage):
    path = tmp_path / "last.ckpt"
    train(rows(), path)
    spoiled(path, damage)
    with pytest.raises(CheckpointError, match=r"checkpoint must be one that training wrote, got a broken"):
        train(rows(), path, resume=True)


class Hostile:
    def __reduce__(self):
        return (print, ("code was run",))


def test_a_checkpoint_runs_no_code(tmp_path, capsys):
    path = tmp_path / "last.ckpt"
    torch.save({"contractive": Hostile()}, path)
    with pytest.raises(CheckpointError, match=r"checkpoint must be one that training wrote"):
        train(rows(), path, resume=True)
    assert "code was run" not in capsys.readouterr().out


def test_a_foreign_checkpoint_is_refused(tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {}}, path)
    with pytest.raises(CheckpointError, match=r"checkpoint must be one that training wrote, got another file"):
        train(rows(), path, resume=True)


def test_streamed_rows_are_each_seen_once_and_shuffled():
    from contractive.training._rows import Blocks

    x = torch.arange(1000.0)[:, None].repeat(1, 2)
    blocks = Blocks(Slices(x, 64), 32, torch.Generator().manual_seed(0))
    batches = [batch.x for block in blocks for batch in block]
    seen = torch.cat(batches)[:, 0]
    assert len(list(blocks)) == len(blocks)
    assert torch.equal(seen.sort().values, x[:, 0])
    assert [len(batch) for batch in batches] == [32] * 31 + [8]
    assert float((seen[:32].diff() == 1).float().mean()) < 0.2


@pytest.mark.parametrize(("count", "sizes"), [(60, [60]), (200, [128, 72])], ids=["one small batch", "small lots"])
def test_streamed_lots_smaller_than_a_batch_make_no_empty_batch(monkeypatch, count, sizes):
    from contractive.training import _rows

    monkeypatch.setattr(_rows, "_BUFFER", 1)  # two slices to a lot
    x = torch.arange(float(count))[:, None].repeat(1, 2)
    blocks = _rows.Blocks(Slices(x, 7), 128, torch.Generator().manual_seed(0))
    batches = [batch.x for block in blocks for batch in block]
    assert [len(batch) for batch in batches] == sizes
    assert torch.equal(torch.cat(batches)[:, 0].sort().values, x[:, 0])


def test_ctrl_c_keeps_the_best_weights_and_says_so(tmp_path):
    import os
    import signal

    class PressCtrlC(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            if trainer.current_epoch == 3:
                os.kill(os.getpid(), signal.SIGINT)

    path = tmp_path / "last.ckpt"
    with pytest.raises(KeyboardInterrupt):
        train(rows(), path, patience=2, callbacks=[PressCtrlC()])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    whole, _ = train(rows(), patience=2)
    resumed, _ = train(rows(), path, patience=2, resume=True)
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_streamed_rows_have_no_weights():
    with pytest.raises(TypeError, match=r"sample_weight must come with data in memory, got rows read in slices"):
        train((rows(), 70), sample_weight=torch.ones(600))


class Faulty(Callback):
    """A callback of the caller's with a mistake in one of its hooks."""

    def __init__(self, hook):
        self.hook = hook
        setattr(self, hook, self.fail)

    def state_dict(self):
        return {"mine": 1}

    def fail(self, *arguments, **options):
        raise ValueError("my mistake")


@pytest.mark.parametrize(
    "hook", ["setup", "on_load_checkpoint", "load_state_dict", "on_fit_start", "on_train_start", "on_train_batch_start"]
)
def test_a_mistake_in_a_callback_is_not_blamed_on_the_checkpoint(tmp_path, hook):
    path = tmp_path / "last.ckpt"
    train(rows(), path, max_epochs=2, schedule=None, callbacks=[Faulty("on_exception")])
    with pytest.raises(ValueError, match=r"^my mistake$") as caught:
        train(rows(), path, max_epochs=3, schedule=None, callbacks=[Faulty(hook)], resume=True)
    assert type(caught.value) is ValueError


@pytest.mark.parametrize(
    ("optimizer", "error", "match"),
    [
        (lambda parameters: (torch.optim.Adam(parameters), None), InvalidType, "optimizer must make one optimiser"),
        (lambda parameters: torch.optim.Adam(parameters, rate=1), TypeError, "unexpected keyword argument 'rate'"),
        (
            lambda parameters: torch.optim.Adam([{"params": [each]} for each in parameters]),
            CheckpointError,
            r"checkpoint must be of this run, got .* of parameter groups\. Give network and optimiser as they were, or",
        ),
    ],
    ids=["two", "misspelt", "other groups"],
)
def test_a_wrong_optimizer_is_named_as_what_it_is(tmp_path, optimizer, error, match):
    path = tmp_path / "last.ckpt"
    train(rows(), path, max_epochs=1)
    with pytest.raises(error, match=match) as caught:
        train(rows(), path, max_epochs=1, optimizer=optimizer, resume=True)
    assert type(caught.value) is error


DAMAGES = {
    "version": lambda checkpoint: checkpoint.pop("pytorch-lightning_version"),
    "weights": lambda checkpoint: checkpoint["state_dict"].popitem(),
    "order": lambda checkpoint: checkpoint["contractive"].pop("order"),
    "schedule": lambda checkpoint: checkpoint["contractive"].pop("schedule"),
    "best weights": lambda checkpoint: checkpoint["callbacks"]["BestWeights"].pop("weights"),
    "loops": lambda checkpoint: checkpoint["loops"].pop("fit_loop"),
    "optimiser": lambda checkpoint: checkpoint.pop("optimizer_states"),
    "groups": lambda checkpoint: checkpoint["optimizer_states"][0].pop("param_groups"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_checkpoint_without_a_part_is_damaged(tmp_path, name):
    path, options = tmp_path / "last.ckpt", {"max_epochs": 2, "patience": 2}
    with pytest.raises(Broken):
        train(rows(), path, callbacks=[BreakOff(1)], **options)
    checkpoint = torch.load(path, weights_only=True)
    DAMAGES[name](checkpoint)
    torch.save(checkpoint, path)
    with pytest.raises(CheckpointError, match="checkpoint must be of this run, got one of another or a damaged one"):
        train(rows(), path, resume=True, **options)


def test_a_checkpoint_whose_callbacks_are_no_table_is_another_file(tmp_path):
    path = tmp_path / "last.ckpt"
    train(rows(), path, max_epochs=1)
    torch.save(torch.load(path, weights_only=True) | {"callbacks": 7}, path)
    with pytest.raises(CheckpointError, match="checkpoint must be one that training wrote, got another file"):
        train(rows(), path, max_epochs=1, resume=True)
