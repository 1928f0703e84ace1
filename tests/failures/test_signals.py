"""SIGINT, SIGTERM and SIGHUP end every command with 128 + their number, after the checkpoint is written."""

import os
import signal
import time

import numpy as np
import pytest

import processes
from contractive.core.signals import Stopped, exit_code
from failures import places


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_stopped_training_has_its_checkpoint_and_its_exit_code(number, tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32))
    out = tmp_path / "run"
    network = "--start random --weight 0.1 --hidden 4 --code 2"
    train = f"train {tmp_path}/rows.npy --out {out} {network} --max-epochs 100000 --checkpoint-seconds 0"
    process = processes.contractive(train, errors=tmp_path / "errors")
    while not (out / "checkpoints" / "last.ckpt").exists() and process.is_alive():
        time.sleep(0.02)
    os.kill(process.pid, number)
    process.join()
    words = (tmp_path / "errors").read_text()
    assert process.exitcode == 128 + number, words
    assert "Resume with: contractive train --resume" in words
    assert (out / "checkpoints" / "last.ckpt").exists()
    assert (out / "model.safetensors").exists()
    assert not (out / "metrics.json").exists()
    epochs = len((out / "history.csv").read_text().splitlines()) - 1
    assert f"after {epochs} epochs" in words
    assert places.contractive(f"info {out}").exit_code == 0


def test_the_code_is_that_of_a_shell():
    assert [exit_code(Stopped(number)) for number in (1, 2, 15)] == [129, 130, 143]
    assert exit_code(KeyboardInterrupt()) == 130
