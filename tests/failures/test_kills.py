"""A small part of the campaign of benchmarks/kills.py."""

import random

import kills
import numpy as np
import pytest


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    np.save(folder / "rows.npy", np.random.default_rng(0).normal(size=(120, 5)).astype(np.float32))
    assert kills.contractive(kills.training("training", folder / "rows.npy", folder / "whole")) == 0
    return folder, kills.timed(kills.training("training", folder / "rows.npy", folder / "timed"))


@pytest.mark.timeout(600)
def test_a_killed_training_ends_with_the_same_weights(whole, tmp_path):
    folder, seconds = whole
    result = kills.trial("training", folder / "rows.npy", folder / "whole", seconds, tmp_path / "run", random.Random(1))
    assert result["unreadable"] == []
    assert result["same"], result


@pytest.mark.timeout(600)
def test_a_killed_encoding_leaves_the_old_file_or_the_new_one(whole, tmp_path):
    result = kills.encoding(whole[0] / "whole", 0.3, tmp_path / "place", random.Random(1))
    assert result["unreadable"] == []
    assert result["same"], result
