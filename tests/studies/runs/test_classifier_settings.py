"""Defaults that suit the data, and what is refused."""

import json

import numpy as np
import pytest

from contractive.core.artifacts import Artifact
from contractive.data import DataError, load
from contractive.objectives import OBJECTIVES
from contractive.studies.runs import ClassifierSettings

DIGITS = load("digits")


def completed(split=DIGITS, **settings):
    return ClassifierSettings(**settings).completed(split)


def table(tmp_path, rows=60):
    x = np.random.default_rng(0).normal(size=(rows, 3))
    lines = [f"{a},{b},{c},{'no' if a > 0 else 'yes'}" for a, b, c in x.tolist()]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,class", *lines]))
    from contractive.data import Options

    return load(tmp_path / "t.csv", options=Options(label="class"))


def test_defaults_make_enough_steps():
    made = completed()
    assert made.hidden == (256, 256)
    assert (made.weight, made.decoder, made.output) == (0.03, "sigmoid", "softmax")
    assert made.max_epochs == 47  # 1,077 rows are 54 steps of 20; 46 epochs would be 2,484 steps
    assert made.pretraining_epochs == 30  # 34 steps of 32
    assert made.decay == pytest.approx(0.2 ** (1 / 47))
    few = completed(labels_used=100)
    assert few.max_epochs == 500
    assert few.pretraining_epochs == 30


@pytest.mark.parametrize(
    ("settings", "name", "wanted"),
    [
        ({"tangents": 5}, "output", "sigmoid"),
        ({"tangents": 5, "output": "softmax"}, "output", "softmax"),
        ({"objective": "none"}, "pretraining_epochs", 0),
        ({"objective": "none", "pretraining_epochs": 9}, "pretraining_epochs", 0),
        ({"pretraining_epochs": 0}, "pretraining_epochs", 0),
        ({"objective": "denoising"}, "weight", 0.3),
        ({"weight": 0.0}, "weight", 0.0),
        ({"max_epochs": 3}, "max_epochs", 3),
        ({"batch_size": 1}, "max_epochs", 20),
    ],
)
def test_what_is_said_is_kept_and_what_follows_follows(settings, name, wanted):
    assert getattr(completed(**settings), name) == wanted


def test_numbers_of_any_sign_get_a_linear_decoder(tmp_path):
    assert completed(table(tmp_path)).decoder == "linear"
    with pytest.raises(DataError, match="data must lie between 0 and 1 for the loss cross_entropy, got -"):
        completed(table(tmp_path), loss="cross_entropy")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_name_has_an_objective(objective):
    assert completed(objective=objective).make_objective().name


def test_settings_survive_json():
    made = completed(tangents=3, labels_used=40)
    stored = json.loads(json.dumps(Artifact.of("settings", made).document))
    assert Artifact("settings", stored).to(ClassifierSettings) == made


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"objective": "magic"}, "objective must be one of standard, .*none, got 'magic'"),
        ({"activation": "step"}, "activation must be one of .*, got 'step'"),
        ({"output": "tanh"}, "output must be one of softmax, sigmoid, got 'tanh'"),
        ({"loss": "hinge"}, "loss must be one of .*, got 'hinge'"),
        ({"device": "tpu"}, "device must be one of .*, got 'tpu'"),
        ({"max_epochs": 0}, "max_epochs must be at least 1, got 0"),
        ({"labels_used": 0}, "labels_used must be at least 1, got 0"),
        (
            {"center": True, "pretraining_epochs": 0},
            "center must come with pretraining, which sets the means, got none",
        ),
        ({"center": True, "objective": "none"}, "center must come with pretraining"),
        ({"tangents": -1}, "tangents must be at least 0, got -1"),
        ({"pretraining_epochs": -1}, "pretraining_epochs must be at least 0, got -1"),
        ({"learning_rate": 0.0}, "learning_rate must be above 0 and finite, got 0.0"),
        ({"output_rate": float("inf")}, "output_rate must be above 0 and finite, got inf"),
        ({"weight": -1.0}, "weight must be at least 0, got -1.0"),
        ({"tangent_weight": float("nan")}, "tangent_weight must be at least 0, got nan"),
        ({"tangents_per_step": 3}, "tangents must be at least 1 for settings of their term, got 0"),
        ({"tangent_weight": 1.0}, "tangents must be at least 1 for settings of their term, got 0"),
        ({"decay": 1.5}, "decay must be at most 1, got 1.5"),
        ({"hidden": ()}, r"hidden must be widths of at least 1, got \(\)"),
        ({"hidden": (5, 0)}, r"hidden must be widths of at least 1, got \(5, 0\)"),
        ({"seed": -1}, "seed must be a whole number from 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, match):
    with pytest.raises(ValueError, match=match):
        ClassifierSettings(**settings)


def test_a_setting_of_another_type_is_refused():
    with pytest.raises(TypeError, match="max_epochs must be a whole number, got '3'"):
        ClassifierSettings(max_epochs="3")  # type: ignore[arg-type]


def test_what_does_not_fit_the_data_is_refused():
    with pytest.raises(
        ValueError, match="tangents must be at most 20, the smallest number of features or units, got 21"
    ):
        completed(hidden=(30, 20), tangents=21)
    with pytest.raises(
        ValueError, match="activation must be sigmoid for more than one layer with the loss cross_entropy, got"
    ):
        completed(hidden=(30, 20), loss="cross_entropy", activation="relu")
    assert completed(hidden=(30,), loss="cross_entropy", activation="relu").activation == "relu"
    with pytest.raises(DataError, match="the network must fit into memory"):
        completed(hidden=(10**8, 10**8))
