"""Ended before some of its writes: the same command, with --resume where a run has begun, ends well.

benchmarks/kills.py --writes goes through every write of every command.
"""

import shutil

import kills
import pytest

STEPS = {"encode": 1, "explore": 1, "score": 1, "train": 12, "compare": 10, "sweep": 60}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return kills.small_data(tmp_path_factory.mktemp("data"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", list(STEPS))
def test_a_command_that_was_ended_at_a_write_ends_well_when_it_is_given_again(name, data, tmp_path):
    found = kills.at_every_write(name, data, tmp_path, STEPS[name])
    assert found["bad"] == []
    assert found["writes"] > 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "step"), [("encode", 1), ("explore", 2), ("score", 2), ("drift", 4)])
def test_a_command_that_a_signal_stops_at_a_write_ends_well_when_it_is_given_again(name, step, data, tmp_path):
    found = kills.at_every_write(name, data, tmp_path, step, kills.SIGNALS)
    assert found["bad"] == []
    assert found["writes"] > 0


def test_the_empty_folder_that_a_signal_at_the_very_end_leaves_is_removed(data, tmp_path):
    shutil.copytree(data / "detector", tmp_path / "run")
    (tmp_path / "run" / "checkpoints").mkdir()
    assert kills.contractive(["detect", "--resume", "--out", str(tmp_path / "run")]) == 0
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_a_run_that_was_to_be_replaced_is_replaced_by_the_same_command(data, tmp_path):
    command = kills.WRITING["train"].format(data=data, out=tmp_path / "run")
    assert kills.contractive(command.split()) == 0
    assert kills.ended(f"{command} --seed 1 --force", 0) == 137
    assert kills.contractive(f"{command} --seed 1".split()) == 2
    assert kills.contractive(f"{command} --seed 1 --force".split()) == 0
