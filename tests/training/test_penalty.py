"""The callback adds exactly the penalty's gradient to what the module's own loss gives."""

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.plugins import MixedPrecision
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import contractive as ct
from contractive.training import JacobianPenalty


class Plain(LightningModule):
    """Somebody's own autoencoder."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.encoder = nn.Sequential(nn.Linear(6, 4), nn.Sigmoid())
        self.decoder = nn.Linear(4, 6)

    def training_step(self, batch, index):
        (x,) = batch
        return (self.decoder(self.encoder(x)) - x).square().sum(1).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class Nested(Plain):
    """The same, known by a longer name too."""

    def __init__(self):
        super().__init__()
        self.model = nn.ModuleDict({"encoder": self.encoder})


X = torch.rand(20, 6, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def quiet(recwarn):
    """Lightning warns of small logs, few workers and a deprecated class of torch."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def train(callback, make=Plain, **settings):
    module = make()
    trainer = Trainer(
        max_epochs=1,
        callbacks=[callback],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        **settings,
    )
    trainer.fit(module, DataLoader(TensorDataset(X), batch_size=settings.pop("size", 20)))
    return module


@pytest.mark.usefixtures("quiet")
def test_one_step_is_the_step_by_hand():
    by_hand = Plain()
    x = X
    code, norm = ct.value_and_squared_norm(by_hand.encoder, x, method="exact")
    ((by_hand.decoder(code) - x).square().sum(1) + 0.3 * norm).mean().backward()
    torch.optim.SGD(by_hand.parameters(), 0.1).step()
    trained = train(JacobianPenalty(0.3, method="exact"))
    for a, b in zip(trained.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.usefixtures("quiet")
def test_the_penalty_counts_as_much_where_gradients_are_scaled_up():
    half = MixedPrecision("16-mixed", "cpu", scaler=torch.amp.GradScaler("cpu", init_scale=1024.0))
    seen, truth = train(JacobianPenalty(0.3, method="exact"), plugins=[half]), train(JacobianPenalty(0.3))
    for a, b in zip(seen.parameters(), truth.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)


@pytest.mark.usefixtures("quiet")
def test_an_unknown_encoder_is_refused():
    with pytest.raises(ValueError, match=r"encoder must name an attribute of Plain .*, got 'encode_it'"):
        train(JacobianPenalty(0.3, encoder="encode_it"))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"weight": -1.0}, r"weight must be a finite number of at least 0, got -1.0"),
        ({"weight": 0.1, "method": "magic"}, r"method must be one of auto, .*, got 'magic'"),
    ],
)
def test_misuse_is_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        JacobianPenalty(**settings)


@pytest.mark.usefixtures("quiet")
def test_the_name_of_an_encoder_may_have_dots():
    deep, plain = train(JacobianPenalty(0.5, encoder="model.encoder"), make=Nested), train(JacobianPenalty(0.5))
    for a, b in zip(deep.encoder.parameters(), plain.encoder.parameters(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match=r"encoder must name an attribute of Nested .*, got 'model\.coder'"):
        train(JacobianPenalty(0.5, encoder="model.coder"), make=Nested)


class Manual(Plain):
    """Goes back in two parts."""

    def __init__(self, times=2):
        super().__init__()
        self.automatic_optimization, self.times = False, times

    def training_step(self, batch, index):
        optimizer = self.optimizers()
        optimizer.zero_grad()
        for _ in range(self.times):
            self.manual_backward(super().training_step(batch, index) / self.times)
        optimizer.step()


@pytest.mark.usefixtures("quiet")
def test_a_step_that_goes_back_twice_is_refused():
    once, plain = train(JacobianPenalty(0.3), make=lambda: Manual(1)), train(JacobianPenalty(0.3))
    torch.testing.assert_close(dict(once.state_dict()), dict(plain.state_dict()))
    with pytest.raises(
        RuntimeError, match="adds its gradient once per batch, and this training step calls manual_backw"
    ):
        train(JacobianPenalty(0.3), make=Manual)
