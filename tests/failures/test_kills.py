"""A small slice of the campaign of kills, whose results are in results/kills.json."""

import json
import random
import time
from pathlib import Path

import pytest

from failures import kills

RESULTS = Path(__file__).parent / "results" / "kills.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills") / "whole"
    began = time.perf_counter()
    assert kills.contractive([*kills.TRAIN, *kills.KINDS["training"], "--out", str(folder)]) == 0
    return folder, time.perf_counter() - began


@pytest.mark.timeout(180)
def test_a_killed_training_ends_with_the_same_weights(whole, tmp_path):
    folder, seconds = whole
    result = kills.trial("training", folder, seconds, tmp_path / "run", random.Random(1))
    assert result["unreadable"] == []
    assert result["same"], result


@pytest.mark.timeout(180)
def test_a_killed_encoding_leaves_the_old_file_or_the_new_one(whole, tmp_path):
    result = kills.encoding(whole[0], 1.0, tmp_path / "place", random.Random(1))
    assert result["unreadable"] == []
    assert result["same"], result


def test_the_campaign_found_nothing():
    found = json.loads(RESULTS.read_text())
    assert found["kills"] >= 50
    assert found["good"] == found["trials"] == len(found["results"])
    assert all(result["same"] and not result["unreadable"] for result in found["results"])
