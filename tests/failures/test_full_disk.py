"""A disk that is full, or a file that may not grow: one line, exit code 2, old files whole, and on afterwards."""

import multiprocessing
import resource
import signal

import numpy as np
import pytest
import torch

from failures import places

NETWORK = "--objective contractive --hidden 64 --code 8 --weight 0.1"
TRAIN = f"{NETWORK} --max-epochs 4 --batch-size 512 --seed 2 --device cpu --checkpoint-seconds 0 --quiet"
UNLIMITED = resource.RLIM_INFINITY

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="needs a limit on the size of files")


def contractive(command, limit=UNLIMITED):
    """Exit code, standard output and standard error of the command in a process whose files may not grow further."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=_limited, args=(command, limit, there))
    child.start()
    there.close()
    answer = here.recv()
    child.join()
    return answer


def _limited(command, limit, answer):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that writing fails, as on a full disk, and does not kill
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    result = places.contractive(command)
    answer.send(
        (result.exit_code, result.stdout, result.stderr + (repr(result.exception) if result.exit_code == 1 else ""))
    )


def refused(answer):
    code, out, err = answer
    assert code == 2, err
    assert "Traceback" not in out + err
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("Error: ")
    return lines[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that had all the room it wanted."""
    place = tmp_path_factory.mktemp("disk")
    np.save(place / "rows.npy", np.random.default_rng(0).normal(size=(3000, 32)).astype(np.float32))
    result = places.contractive(f"train {place}/rows.npy --out {place}/run {TRAIN}")  # here: imports once for all
    assert result.exit_code == 0, result.output
    return place


@pytest.mark.parametrize(
    ("limit", "begun"),
    [(1, False), (2_000, False), (20_000, True), (60_000, True)],
    ids=["nothing", "no config", "no checkpoint", "no second checkpoint"],
)
def test_training_goes_on_when_there_is_room_again(limit, begun, whole, tmp_path):
    out, data = tmp_path / "run", whole / "rows.npy"
    line = refused(contractive(f"train {data} --out {out} {TRAIN}", limit))
    assert "File too large" in line
    assert (out / "config.json").exists() == begun
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".writing")]
    again = f"train --resume --out {out} --quiet" if begun else f"train {data} --out {out} {TRAIN}"
    code, _, words = contractive(again)
    assert code == 0, words
    assert (out / "model.safetensors").read_bytes() == (whole / "run" / "model.safetensors").read_bytes()
    assert (out / "split.npz").read_bytes() == (whole / "run" / "split.npz").read_bytes()


@pytest.mark.parametrize("ending", ["npy", "csv", "parquet"])
@pytest.mark.parametrize("command", ["encode", "reconstruct"])
def test_an_old_file_stays_where_the_new_one_has_no_room(command, ending, whole, tmp_path):
    out = tmp_path / f"codes.{ending}"
    out.write_text("old")
    before = places.hashes(whole)
    line = refused(contractive(f"{command} {whole}/run {whole}/rows.npy -o {out} --force", 5_000))
    assert "File too large" in line
    assert "lift the limit" in line or "make room" in line
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == [out.name]
    assert places.hashes(whole) == before
