"""A small part of the campaign of benchmarks/kills.py."""

import random
import time

import kills
import pytest


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills") / "whole"
    began = time.perf_counter()
    assert kills.contractive([*kills.TRAIN, *kills.KINDS["training"], "--out", str(folder)]) == 0
    return folder, time.perf_counter() - began


@pytest.mark.timeout(600)
def test_a_killed_training_ends_with_the_same_weights(whole, tmp_path):
    folder, seconds = whole
    result = kills.trial("training", folder, seconds, tmp_path / "run", random.Random(1))
    assert result["unreadable"] == []
    assert result["same"], result


@pytest.mark.timeout(600)
def test_a_killed_encoding_leaves_the_old_file_or_the_new_one(whole, tmp_path):
    result = kills.encoding(whole[0], 1.0, tmp_path / "place", random.Random(1))
    assert result["unreadable"] == []
    assert result["same"], result
