"""Lightning's own callbacks and loggers work in `fit` as in any trainer."""

import copy

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.logger import Logger

import contractive as ct

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
X = torch.rand(70, 8, generator=torch.Generator().manual_seed(0))
OBJECTIVE = ct.objectives.contractive(0.01)
SETTINGS = {"max_epochs": 4, "batch_size": 16, "learning_rate": 0.02, "progress": False}
STEPS = 5  # per epoch


def net():
    torch.manual_seed(0)
    return ct.mlp(8, code=3)


def flat(module):
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


class Watch(Callback):
    """The weights after every step."""

    def __init__(self):
        self.weights, self.steps, self.hyperparameters = [], [], None

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.weights.append(flat(pl_module.autoencoder))
        self.steps.append(trainer.global_step)


def test_callbacks_see_every_step_of_the_optimiser():
    watch, autoencoder, alone = Watch(), net(), net()
    ct.fit(autoencoder, X, OBJECTIVE, callbacks=[watch], **SETTINGS)
    ct.fit(alone, X, OBJECTIVE, **SETTINGS)
    assert watch.steps == list(range(1, 4 * STEPS + 1))
    assert torch.equal(flat(autoencoder), flat(alone))
    assert torch.equal(watch.weights[-1], flat(autoencoder))


@pytest.mark.parametrize("validation", [None, X[:30]], ids=["alone", "validated"])
def test_averaged_weights_are_the_average_of_the_steps(validation):
    watch, autoencoder = Watch(), net()
    callbacks = [EMAWeightAveraging(decay=0.8), watch]
    history = ct.fit(autoencoder, X, OBJECTIVE, validation=validation, callbacks=callbacks, **SETTINGS)
    average = watch.weights[0]
    for weights in watch.weights[1:]:
        average = 0.8 * average + 0.2 * weights
    torch.testing.assert_close(flat(autoencoder), average)
    if validation is not None:  # the last row is that of the averaged weights
        errors = (autoencoder(validation) - validation).square().sum(1)
        assert history["val_reconstruction"][-1] == pytest.approx(float(errors.mean().detach()), rel=1e-6)


def test_patience_keeps_the_averaged_weights_of_the_best_epoch():
    autoencoder = net()
    settings = SETTINGS | {"max_epochs": 40, "learning_rate": 0.5, "patience": 2}
    callbacks = [EMAWeightAveraging(decay=0.5)]
    history = ct.fit(autoencoder, X, OBJECTIVE, validation=X[:30], callbacks=callbacks, **settings)
    errors = (autoencoder(X[:30]) - X[:30]).square().sum(1)
    assert history.best["val_reconstruction"] == pytest.approx(float(errors.mean().detach()), rel=1e-5)


def test_the_rows_are_not_copied_with_the_module():
    seen = []

    class Copy(Callback):
        def on_fit_start(self, trainer, pl_module):
            seen.append(copy.deepcopy(pl_module)._data is pl_module._data)

    ct.fit(net(), X, OBJECTIVE, callbacks=[Copy()], **SETTINGS)
    assert seen == [True]


@pytest.mark.parametrize("monitor", ["val_total", "train_reconstruction"])
def test_checkpoints_of_the_best_epoch_are_written(tmp_path, monitor):
    keeper = ModelCheckpoint(tmp_path, monitor=monitor)
    history = ct.fit(net(), X, OBJECTIVE, validation=X[:30], callbacks=[keeper], **SETTINGS)
    assert float(keeper.best_model_score) == pytest.approx(min(history[monitor]), rel=1e-6)
    stored = torch.load(keeper.best_model_path, weights_only=True)
    assert stored["global_step"] == STEPS * (1 + history[monitor].index(min(history[monitor])))


@pytest.mark.parametrize("validation", [None, X[:30]], ids=["alone", "validated"])
def test_training_goes_on_from_a_checkpoint_of_lightnings(tmp_path, validation):
    settings = SETTINGS | {"validation": validation}
    whole, resumed = net(), net()
    keeper = ModelCheckpoint(tmp_path, filename="{epoch}", save_top_k=-1)
    history = ct.fit(whole, X, OBJECTIVE, callbacks=[keeper], **settings)
    again = ct.fit(resumed, X, OBJECTIVE, checkpoint=tmp_path / "epoch=1.ckpt", resume=True, **settings)
    assert torch.equal(flat(whole), flat(resumed))
    assert again["train_total"] == history["train_total"]
    assert again["epoch"] == [1, 2, 3, 4]


def test_early_stopping_sees_the_row_of_the_epoch():
    stop = EarlyStopping(monitor="val_total", patience=2, min_delta=1e9)
    history = ct.fit(net(), X, OBJECTIVE, validation=X[:30], callbacks=[stop], **SETTINGS | {"max_epochs": 10})
    assert len(history) == 3
    stop = EarlyStopping(monitor="train_total", patience=2, min_delta=1e9, check_on_train_epoch_end=True)
    assert len(ct.fit(net(), X, OBJECTIVE, callbacks=[stop], **SETTINGS | {"max_epochs": 10})) == 3


@pytest.mark.parametrize("validation", [None, X[:30]], ids=["alone", "validated"])
def test_an_epoch_that_a_callback_ends_early_has_its_row(validation):
    class Stop(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            trainer.should_stop = trainer.global_step == STEPS + 2

    history = ct.fit(net(), X, OBJECTIVE, validation=validation, callbacks=[Stop()], **SETTINGS)
    assert history["epoch"] == [1, 2]


class Recorder(Logger):
    name, version = "recorder", "0"

    def __init__(self):
        super().__init__()
        self.rows, self.settings = [], {}

    def log_metrics(self, metrics, step=None):
        self.rows.append((step, metrics))

    def log_hyperparams(self, params, *args, **kwargs):
        self.settings = params


def test_loggers_get_each_row_and_the_settings():
    recorder = Recorder()
    history = ct.fit(net(), X, OBJECTIVE, validation=X[:30], loggers=[recorder], **SETTINGS)
    assert [dict(row) for _, row in recorder.rows] == list(history.rows)
    assert [step for step, _ in recorder.rows] == [STEPS, 2 * STEPS, 3 * STEPS, 4 * STEPS]
    assert recorder.settings == dict(history.settings)


def test_a_csv_logger_writes_one_line_per_epoch(tmp_path):
    ct.fit(net(), X, OBJECTIVE, validation=X[:30], loggers=[CSVLogger(tmp_path, version="a")], **SETTINGS)
    (path,) = tmp_path.rglob("metrics.csv")
    lines = path.read_text().splitlines()
    assert len(lines) == 5
    assert {"learning_rate", "val_total", "train_total"} <= set(lines[0].split(","))


def test_a_progress_bar_of_lightning():
    bar = TQDMProgressBar(refresh_rate=0)
    ct.fit(net(), X, OBJECTIVE, callbacks=[bar], **SETTINGS | {"max_epochs": 1})
    assert bar.total_train_batches == STEPS


def test_several_optimisers_are_refused():
    def two(parameters):
        return torch.optim.SGD(parameters), None

    with pytest.raises(TypeError, match=r"optimizer must make one optimiser of torch, got tuple\. Give groups"):
        ct.fit(net(), X, OBJECTIVE, optimizer=two, **SETTINGS)
