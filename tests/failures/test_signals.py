"""SIGINT, SIGTERM and SIGHUP end every command with 128 + their number, after the checkpoint is written."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from contractive.core.signals import Stopped, exit_code
from failures import places


def start(command, **options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, "-m", "contractive", *command.split()]
    return subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_stopped_training_has_its_checkpoint_and_its_exit_code(number, tmp_path):
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32))
    out = tmp_path / "run"
    network = "--weight 0.1 --hidden 4 --code 2"
    process = start(f"train {tmp_path}/rows.npy --out {out} {network} --max-epochs 3000 --checkpoint-seconds 0")
    while not (out / "history.csv").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    _, words = process.communicate()
    assert process.returncode == 128 + number, words
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
