"""Settings of training: one declaration, one rule for defaults, one check."""

from dataclasses import fields
from typing import get_type_hints

import numpy as np
import pytest
import torch

import contractive as ct
from contractive.core.errors import InvalidType, InvalidValue
from contractive.training import (
    DEVICES,
    MACHINE,
    PRECISIONS,
    SCHEDULES,
    FitOptions,
    TrainingOptions,
    TrainingSettings,
    WarmCosine,
    budget,
    check_device,
    fine_tune,
    fit,
    fit_with_max_error_increase,
    pretrain,
)

pytestmark = pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")


def test_options_are_the_fields_of_the_settings():
    settings, options = get_type_hints(TrainingSettings), get_type_hints(TrainingOptions)
    assert list(options) == [entry.name for entry in fields(TrainingSettings)]
    for name, type_ in settings.items():
        assert type_ == options[name] or name == "schedule"  # which may be a function in a call
    assert set(options) < set(get_type_hints(FitOptions))
    assert TrainingSettings().options() == {entry.name: entry.default for entry in fields(TrainingSettings)}


def test_every_setting_has_its_help():
    for entry in fields(TrainingSettings):
        assert entry.metadata["help"].endswith(".")
        assert (entry.default is None) == bool(entry.metadata["default"])


def test_settings_that_only_the_machine_decides():
    assert MACHINE == {"device", "precision", "devices", "num_nodes", "strategy", "threads"}


@pytest.mark.parametrize(
    ("rows", "batch", "epochs"),
    [(1, 1, 600), (80, 80, 600), (200, 128, 300), (1_797, 128, 40), (3_500, 128, 22), (100_000, 500, 5)],
)
def test_the_budget_is_about_600_steps(rows, batch, epochs):
    """By hand: 1 / 1, 80 / 80, 200 / 128 and so on are 1, 1, 2, 15, 28 and 200 steps a pass."""
    at_most = {600: 300, 22: 21}.get(epochs, epochs)  # 600 / 28 = 21.4
    assert (budget(rows), budget(rows, most_epochs=300)) == ((batch, epochs), (batch, at_most))
    assert WarmCosine.of(rows) == WarmCosine(epochs, batch, 0.01)
    assert WarmCosine.of(rows, 10**6, 7, 0.1) == WarmCosine(7, rows, 0.1)
    assert budget(rows, 10**6) == (rows, 600)


@pytest.mark.parametrize(
    ("rows", "features", "wanted"),
    [
        (5000, 784, (40, 32, 3e-3)),
        (5001, 255, (40, 128, 1e-3)),
        (5001, 256, (10, 128, 1e-3)),
    ],
)
def test_defaults_follow_the_size_of_the_data(rows, features, wanted):
    found = TrainingSettings().completed(rows, features)
    assert (found.max_epochs, found.batch_size, found.learning_rate) == wanted
    given = TrainingSettings(max_epochs=3, batch_size=7, learning_rate=0.5)
    assert given.completed(rows, features) == given


def test_numbers_of_numpy_become_those_of_python():
    found = TrainingSettings(max_epochs=np.int64(3), learning_rate=np.float64(0.1), gradient_clip=1)
    assert [type(value) for value in (found.max_epochs, found.learning_rate, found.gradient_clip)] == [
        int,
        float,
        float,
    ]


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"max_epochs": 0}, InvalidValue, "max_epochs must be at least 1, got 0"),
        ({"max_epochs": "3"}, InvalidType, "max_epochs must be a whole number, got '3'"),
        ({"batch_size": True}, InvalidType, "batch_size must be a whole number, got True"),
        ({"learning_rate": float("nan")}, InvalidValue, "learning_rate must be above 0 and finite, got nan"),
        ({"gradient_clip": "much"}, InvalidType, "gradient_clip must be a number, got 'much'"),
        ({"schedule": "linear"}, InvalidValue, f"schedule must be one of {', '.join(SCHEDULES)}, got 'linear'"),
        ({"device": "tpu"}, InvalidValue, f"device must be one of {', '.join(DEVICES)}, got 'tpu'"),
        ({"precision": "8"}, InvalidValue, f"precision must be one of {', '.join(PRECISIONS)}, got '8'"),
        ({"seed": -1}, InvalidValue, "seed must be a whole number from 0 to 4294967294, got -1"),
        ({"seed": 0.5}, (InvalidType, InvalidValue), r"seed must be a whole number.*, got 0\.5"),
        ({"devices": 0}, InvalidValue, "devices must be at least 1, got 0"),
        ({"strategy": None}, InvalidType, "strategy must be a text, got None"),
    ],
)
def test_misuse_is_refused(settings, error, match):
    with pytest.raises(error, match=match):
        TrainingSettings(**settings)


def test_a_device_that_torch_does_not_see_is_refused_where_it_is_used(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert TrainingSettings(device="cuda").device == "cuda"  # settings of another machine can be read
    with pytest.raises(InvalidValue, match="device must be available to torch, got 'cuda'"):
        check_device("cuda")


X = torch.rand(40, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda **o: fit(net(), X, ct.objectives.standard(), **o), "fit takes no argument"),
        (
            lambda **o: fit_with_max_error_increase(net(), X, ct.objectives.contractive(), validation=X, **o),
            "fit_with_max_error_increase takes no argument",
        ),
        (lambda **o: pretrain([net()], X, ct.objectives.standard(), **o), "pretrain takes no argument"),
        (lambda **o: fine_tune(classifier(), X, Y, **o), "fine_tune takes no argument"),
    ],
    ids=["fit", "fit_with_max_error_increase", "pretrain", "fine_tune"],
)
def test_an_unknown_option_suggests_the_nearest_name(call, match):
    with pytest.raises(TypeError, match=rf"{match} 'max_epoch'. Did you mean 'max_epochs'\?"):
        call(max_epoch=3)


def test_the_nearest_name_may_be_a_parameter():
    with pytest.raises(TypeError, match=r"fit takes no argument 'valdation'. Did you mean 'validation'\?"):
        fit(net(), X, ct.objectives.standard(), valdation=X)


def test_none_is_for_the_default_by_the_data():
    history = fit(net(), X, ct.objectives.standard(), max_epochs=None, batch_size=None, progress=False)
    assert (len(history), history.settings["batch_size"]) == (40, "32")
    assert history.settings["learning_rate"] == "0.001"  # the default of `fit`


@pytest.mark.parametrize(
    "option", [{"schedule": "cosine"}, {"precision": "bf16"}, {"devices": 2}, {"gradient_clip": 1.0}]
)
def test_fine_tuning_refuses_settings_that_it_does_not_have(option):
    (name,) = option
    with pytest.raises(InvalidValue, match=rf"{name} must be one of .* Fine-tuning has no other"):
        fine_tune(classifier(), X, Y, **option)


Y = (X[:, 0] > 0.5).long()


def net():
    return ct.mlp(4, code=2)


def classifier():
    return ct.models.Classifier(ct.models.encoder(ct.models.stack(4, (3,))), 3, 2)
