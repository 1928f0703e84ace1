"""A small part of the fuzzing of benchmarks/fuzz.py: the same damaged files every time, however fast the machine is."""

import fuzz
import pytest

pytest.importorskip("openpyxl", reason="needs the extra formats")
pytest.importorskip("h5py", reason="needs the extra formats")

CASES = 9  # of every reader


@pytest.mark.timeout(600)
def test_damaged_files_are_read_or_refused_in_one_line():
    found = fuzz.campaign(0, cases_each=CASES)
    assert found["failed"] == []
    assert set(found["readers"]) >= {"csv", "npy", "npz", "parquet", "png", "config.json", "safetensors", "checkpoint"}
    assert all(counts["read"] + counts["refused"] == CASES for counts in found["readers"].values())
