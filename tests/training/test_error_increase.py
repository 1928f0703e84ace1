"""The weight that is found costs what was allowed."""

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

import contractive as ct
from contractive import objectives
from contractive.core.errors import ContractiveError

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def rows(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.rand(4, 12, generator=torch.Generator().manual_seed(7))
    return torch.rand(count, 4, generator=generator) @ mixing / 4


EPOCHS = 30
SETTINGS = {"max_epochs": EPOCHS, "batch_size": 25, "learning_rate": 0.01, "schedule": "cosine", "progress": False}


def autoencoder(seed=0):
    torch.manual_seed(seed)
    return ct.mlp(12, hidden=(16,), code=8)


def fitted(max_error_increase=0.2, weight=0.1, count=200, **settings):
    model = autoencoder()
    settings = SETTINGS | {"validation": rows(300, 1)} | settings
    return model, ct.fit_with_max_error_increase(
        model, rows(count), objectives.contractive(weight), max_error_increase=max_error_increase, **settings
    )


@pytest.fixture(scope="module")
def searched():
    """A search in the whole budget, for an increase of 0.3."""
    return fitted(0.3, count=400)


@pytest.fixture(scope="module")
def standard():
    model = autoencoder()
    ct.fit(model, rows(400), objectives.standard(), validation=rows(300, 1), **SETTINGS)
    return model


@pytest.mark.parametrize("allowed", [0.1, 0.3])
def test_the_error_increase_is_the_allowed_one(allowed, searched, standard):
    """Measured by hand: against a standard autoencoder of the same seed and budget."""
    model, history = searched if allowed == 0.3 else fitted(allowed, count=400)
    x = rows(300, 1)
    errors = [float((m(x) - x).square().sum(1).mean().detach()) for m in (model, standard)]
    assert errors[0] / errors[1] - 1 == pytest.approx(allowed, abs=0.03)
    assert history["error_increase"][-1] == pytest.approx(errors[0] / errors[1] - 1, abs=1e-4)
    assert history.reference[-1]["val_reconstruction"] == pytest.approx(errors[1], rel=1e-5)


def test_every_check_is_held_against_the_references_of_the_same_step(monkeypatch):
    for module in ("_module", "_error_increase"):
        monkeypatch.setattr(f"contractive.training.{module}.STEPS_PER_BLOCK", 1)
    # 103 steps an epoch, a check at every second one: 51 of 103 checks lie in the shared first half
    settings = {"max_epochs": 2, "batch_size": 8, "validation": rows(50, 1), "learning_rate": 0.01}
    history = ct.fit_with_max_error_increase(
        autoencoder(), rows(824), objectives.contractive(), progress=False, **settings
    )
    paid = history["val_reconstruction"][-1] / history.reference[-1]["val_reconstruction"] - 1
    assert history["error_increase"][-1] == pytest.approx(paid, rel=1e-4)


def test_the_code_moves_less_than_the_references(searched):
    history, half = searched[1], EPOCHS // 2
    assert history["val_squared_norm"][-1] < 0.8 * history.reference[-1]["val_squared_norm"]
    assert history["weight"][:half] == [0.0] * half
    assert all(weight > 0 for weight in history["weight"][half:])
    assert history["val_reconstruction"][:half] == [row["val_reconstruction"] for row in history.reference[:half]]


def test_the_size_of_the_weight_given_does_not_matter():
    runs = []
    for weight in (1e-3, 10.0):
        model = autoencoder()
        settings = SETTINGS | {"validation": rows(300, 1), "max_epochs": 5}
        runs.append(ct.fit_with_max_error_increase(model, rows(300), objectives.contractive(weight), **settings))
    assert runs[0]["weight"] == pytest.approx(runs[1]["weight"], rel=1e-3)
    assert runs[0]["weight"][-1] > 0


def test_numbers_of_numpy_are_those_of_python(tmp_path):
    settings = {"max_epochs": 4, "checkpoint": tmp_path / "last.ckpt", "checkpoint_seconds": 0}
    _, history = fitted(np.float64(0.2), np.float64(0.1), **settings)
    _, again = fitted(0.2, 0.1, resume=True, **settings)
    assert again["weight"] == history["weight"]


class BreakOff(Callback):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 4:
            raise RuntimeError("power cut")


def break_off(checks, step, own):
    if step.current_epoch == 4:
        raise RuntimeError("power cut")


@pytest.mark.parametrize("phase", ["reference", "penalised"])
def test_it_resumes_bit_for_bit(tmp_path, monkeypatch, phase):
    settings = {"max_epochs": 6, "checkpoint_seconds": 0}
    whole, history = fitted(**settings)
    path = tmp_path / "last.ckpt"
    if phase == "reference":
        monkeypatch.setattr(ct.fit_with_max_error_increase.__globals__["Checks"], "checked", break_off)
        with pytest.raises(RuntimeError, match="power cut"):
            fitted(checkpoint=path, **settings)
        monkeypatch.undo()
    else:
        with pytest.raises(RuntimeError, match="power cut"):
            fitted(checkpoint=path, callbacks=[BreakOff()], **settings)
    again, resumed = fitted(checkpoint=path, resume=True, **settings)
    assert resumed["weight"] == history["weight"]
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"max_error_increase": 0.0}, r"max_error_increase must be above 0 and finite, got 0.0"),
        ({"max_error_increase": float("inf")}, r"max_error_increase must be above 0 and finite, got inf"),
        ({"max_epochs": 1}, r"max_epochs must be at least 2 with `max_error_increase`, got 1. Train longer."),
        ({"devices": 2}, r"checkpoint must be given with several processes, got none"),
        ({"patience": 3}, r"patience must be left out with `max_error_increase`, got 3"),
    ],
)
def test_misuse_is_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        fitted(**settings)


@pytest.mark.parametrize("objective", [objectives.standard(), objectives.contractive(0.0)], ids=["none", "zero"])
def test_an_objective_without_penalty_has_no_weight_to_find(objective):
    with pytest.raises(ValueError, match=r"objective must have a penalty with a weight above 0, got"):
        ct.fit_with_max_error_increase(autoencoder(), rows(50), objective, validation=rows(20), **SETTINGS)


def test_a_search_whose_reference_learned_nothing_is_refused():
    match = r"without penalty, held-out rows are .* no better than their mean's [0-9.]+\. Train longer or at another"
    with pytest.raises(ContractiveError, match=match):
        fitted(learning_rate=1e-9, batch_size=8, max_epochs=9)
