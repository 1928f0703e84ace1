"""A few seconds of the fuzzing, whose results are in results/fuzz.json."""

import json
from pathlib import Path

import pytest

from failures import fuzz

RESULTS = Path(__file__).parent / "results" / "fuzz.json"


@pytest.mark.timeout(180)
def test_nothing_else_comes_out_of_damaged_files():
    found = fuzz.campaign(5)
    assert found["failed"] == []
    assert all(counts["read"] + counts["refused"] > 0 for counts in found["readers"].values())


def test_the_campaign_found_nothing():
    found = json.loads(RESULTS.read_text())
    assert found["failures"] == 0
    assert found["cases"] >= 20_000
    assert set(found["readers"]) >= {"csv", "npy", "npz", "parquet", "png", "config.json", "safetensors", "checkpoint"}
    for counts in found["readers"].values():
        assert min(counts["read"], counts["refused"]) > 0
