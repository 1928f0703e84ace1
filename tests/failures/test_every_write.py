"""Ended before some of its writes: the same command, with --resume where a run has begun, ends well.

benchmarks/kills.py --writes goes through every write of every command.
"""

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


def test_a_run_that_was_to_be_replaced_is_replaced_by_the_same_command(data, tmp_path):
    command = kills.WRITING["train"].format(data=data, out=tmp_path / "run")
    assert kills.contractive(command.split()) == 0
    assert kills.ended(f"{command} --seed 1 --force", 0) == 137
    assert kills.contractive(f"{command} --seed 1".split()) == 2
    assert kills.contractive(f"{command} --seed 1 --force".split()) == 0
