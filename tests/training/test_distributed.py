"""Two processes with batch 16 take the steps of one with batch 32: noise and probes included."""

import socket

import distributed_run
import numpy as np
import pytest
import torch
from distributed_run import OBJECTIVES, train, train_with_callback

import processes


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """What each of the two processes found."""
    out = tmp_path_factory.mktemp("distributed") / "weights"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ranks = [processes.start(distributed_run.main, out, rank, port, errors=f"{out}.{rank}.txt") for rank in (0, 1)]
    for rank, process in enumerate(ranks):
        process.join(300)
        assert process.exitcode == 0, out.with_name(f"{out.name}.{rank}.txt").read_text()
    return [torch.load(f"{out}.{rank}", weights_only=True) for rank in (0, 1)]


@pytest.mark.filterwarnings("ignore::contractive.CollapseWarning")
@pytest.mark.parametrize("name", OBJECTIVES)
def test_two_processes_equal_one_with_the_doubled_batch(name, shared):
    alone, history = train(name, 1, 32)
    for found in shared:
        for key, weight in alone.state_dict().items():
            torch.testing.assert_close(found[name]["weights"][key], weight, rtol=1e-6, atol=1e-9)
        assert found[name]["loss"] == pytest.approx(history["train_total"], rel=1e-9)


@pytest.mark.filterwarnings("ignore")  # Lightning on small loaders and a deprecated class of torch
def test_the_callback_adds_the_penalty_of_all_processes(shared):
    alone = train_with_callback(1, 20)
    for found in shared:
        torch.testing.assert_close(found["callback"], alone)


def test_the_command_trains_in_two_processes_without_a_word_of_the_machinery(tmp_path):
    out, said, errors = (tmp_path / name for name in ("run", "said", "errors"))
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32))
    command = f"train {tmp_path}/rows.npy --out {out} --weight 0.1 --max-epochs 1 --hidden 8 --code 4"
    command += " --device cpu --devices 2 --strategy ddp"
    first = processes.start(processes.installed, command.split(), out=said, errors=errors)
    first.join(300)
    assert first.exitcode == 0, errors.read_text()
    assert all(line.startswith("Note: ") for line in errors.read_text().splitlines())
    assert said.read_text().count("Run: ") == 1
    assert (out / "metrics.json").exists()
