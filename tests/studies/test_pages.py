"""What pages show: pictures with something to see."""

import numpy as np
import pytest

from contractive.studies.pages import described, shown, shows_something
from contractive.studies.runs import AutoencoderSettings

RAMP = np.add.outer(np.arange(8.0), np.arange(8.0)).ravel()


@pytest.mark.parametrize(
    ("pictures", "image", "shown"),
    [
        (np.random.default_rng(0).normal(size=(64, 64)), (8, 8), False),
        (np.random.default_rng(0).normal(size=(64, 64)), None, True),
        (np.stack([RAMP, -RAMP]), (8, 8), True),
        (np.ones((2, 64)), (8, 8), False),
        (np.random.default_rng(0).normal(size=(64, 64)) + 0.2 * RAMP, (8, 8), True),
        (np.random.default_rng(0).normal(size=(3, 4)), (1, 4), False),
    ],
    ids=["noise", "noise that is no image", "smooth", "constant", "smooth under noise", "one row of pixels"],
)
def test_noise_is_not_shown_as_pictures(pictures, image, shown):
    assert shows_something(pictures, image) is shown


def test_infinite_numbers_have_a_sign():
    assert [shown(value) for value in (float("inf"), -float("inf"), float("nan"), None)] == ["∞", "−∞", "–", "–"]


def test_settings_are_described_without_what_only_the_machine_decides():
    settings = AutoencoderSettings.of(max_epochs=3, weight=0.1, threads=2, precision="bf16", strategy="ddp")
    found = described(settings)
    assert (found["max epochs"], found["weight"]) == ("3", "0.1")
    assert not {"device", "devices", "num nodes", "strategy", "precision", "threads"} & found.keys()
