"""Killed at each write in turn: the same command with --resume, or as it was, ends with the same weights."""

import multiprocessing
import os

import numpy as np
import pytest
import torch

from failures import places

SMALL = "--device cpu --quiet"
COMMANDS = {
    "train, weight found": f"train {{data}}/rows.npy --out {{out}} --max-epochs 2 --hidden 6 --code 2 {SMALL}",
    "classify": f"classify {{data}}/rows.npz --label y --out {{out}} --hidden 6,4 --pretraining-epochs 1 --max-epochs 1"
    f" --tangents 2 {SMALL}",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    x = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    np.save(folder / "rows.npy", x)
    np.savez(folder / "rows.npz", x=x, y=(x[:, 0] > 0).astype(int))
    return folder


def killed(command, at):
    """Exit code of the command in a process that is gone, as if killed, before it puts file number `at` in place."""
    child = multiprocessing.get_context("fork").Process(target=_killed, args=(command, at))
    child.start()
    child.join()
    return child.exitcode


def _killed(command, at):
    torch.set_num_threads(1)
    replace, count = os.replace, iter(range(1000))

    def gone(*names):
        if next(count) == at:
            os._exit(137)
        replace(*names)

    os.replace = gone
    os._exit(places.contractive(command).exit_code)


def names(folder):
    """All files and folders of a run, the logs apart, whose names hold the time."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if "tfevents" not in path.name)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_run_killed_at_any_write_is_finished(name, data, tmp_path):
    whole = COMMANDS[name].format(data=data, out=tmp_path / "whole")
    assert places.contractive(whole).exit_code == 0
    for at in range(100):
        out = tmp_path / f"run{at}"
        command = COMMANDS[name].format(data=data, out=out)
        if (code := killed(command, at)) == 0:
            break
        assert code == 137
        resume = f"{command.split()[0]} --resume --out {out} --quiet"
        result = places.contractive(resume if (out / "config.json").exists() else command)
        assert result.exit_code == 0, (at, result.output)
        model = (out / "model.safetensors").read_bytes()
        assert model == (tmp_path / "whole" / "model.safetensors").read_bytes(), at
        assert names(out) == names(tmp_path / "whole"), at
    assert at > 5


def test_a_run_that_was_to_be_replaced_is_replaced_by_the_same_command(data, tmp_path):
    command = f"train {data}/rows.npy --out {tmp_path}/run --max-epochs 1 --hidden 6 --code 2 --weight 0.1 {SMALL}"
    assert places.contractive(command).exit_code == 0
    assert killed(f"{command} --seed 1 --force", 0) == 137
    assert places.contractive(f"{command} --seed 1").exit_code == 2
    assert places.contractive(f"{command} --seed 1 --force").exit_code == 0
