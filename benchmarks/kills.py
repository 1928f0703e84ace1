"""Kill training and encoding at random moments; nothing may be unreadable, and resuming must lead to the same weights.

    python benchmarks/kills.py --kills 50 --out benchmarks/results/kills.json

Each trial forks a process that trains or encodes, kills it with SIGKILL after a random time, reads every file that is
there, and finishes the work with `--resume`. It passes if the model is, byte for byte, that of a run never killed.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TRAIN = ["train", "digits", "--max-epochs", "12", "--checkpoint-seconds", "0", "--seed", "3", "--device", "cpu"]
KINDS = {"training": ["--weight", "0.1"], "training, weight found": ["--weight", "auto"]}


def contractive(arguments: list[str]) -> int:
    """Run the command in this process; its exit code."""
    from typer.testing import CliRunner

    from contractive.cli._commands import app

    return CliRunner().invoke(app, arguments).exit_code


def in_child(arguments: list[str]) -> multiprocessing.Process:
    """The command in a forked process, which has everything imported already."""
    child = multiprocessing.get_context("fork").Process(target=_quietly, args=(arguments,))
    child.start()
    return child


def _quietly(arguments: list[str]) -> None:
    import torch

    torch.set_num_threads(1)
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        code = contractive(arguments)
    os._exit(code)


def timed(arguments: list[str]) -> float:
    """Seconds the command takes when nobody kills it."""
    began = time.perf_counter()
    child = in_child(arguments)
    child.join()
    assert child.exitcode == 0, f"{arguments} failed with {child.exitcode}"
    return time.perf_counter() - began


def kill_after(arguments: list[str], seconds: float) -> bool:
    """Start, wait, kill; whether it was killed before it had finished."""
    child = in_child(arguments)
    child.join(seconds)
    alive = child.is_alive()
    if alive:
        os.kill(child.pid, signal.SIGKILL)
    child.join()
    return alive


def unreadable(folder: Path) -> list[str]:
    """Names of the files of a run that cannot be read."""
    from safetensors.torch import load_file

    from contractive.training import read_checkpoint

    readers = {
        ".json": lambda path: json.loads(path.read_text()),
        ".safetensors": load_file,
        ".ckpt": read_checkpoint,
        ".npz": lambda path: np.load(path, allow_pickle=False)["parts"],
        ".csv": lambda path: np.genfromtxt(path, delimiter=",", names=True),
        ".npy": lambda path: np.load(path, allow_pickle=False),
    }
    bad = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.name.startswith(".") and path.suffix in readers:
            try:
                readers[path.suffix](path)
            except Exception as error:  # whatever it is, the file is bad
                bad.append(f"{path.name}: {error}")
    return bad


def trial(kind: str, whole: Path, seconds: float, folder: Path, draw: random.Random) -> dict:
    """One run, killed up to three times."""
    arguments = [*TRAIN, *KINDS[kind], "--out", str(folder)]
    bad, kills = [], 0
    for _ in range(3):
        begun = (folder / "config.json").exists()
        resume = ["train", "--resume", "--out", str(folder), "--checkpoint-seconds", "0"]
        kills += kill_after(resume if begun else arguments, draw.uniform(0, seconds))
        bad += unreadable(folder)
    finish = ["train", "--resume", "--out", str(folder)] if (folder / "config.json").exists() else arguments
    code = contractive(finish)
    same = code == 0 and all(
        (folder / name).read_bytes() == (whole / name).read_bytes() for name in ("model.safetensors", "split.npz")
    )
    return {"kind": kind, "kills": kills, "unreadable": bad, "exit_code": code, "same": same}


def encoding(whole: Path, seconds: float, folder: Path, draw: random.Random) -> dict:
    """Encoding over an existing file, killed: the file is the old or the new one."""
    data, codes = folder / "rows.npy", folder / "codes.npy"
    folder.mkdir()
    np.save(data, np.random.default_rng(0).uniform(0, 16, (200_000, 64)).astype(np.float32))
    np.save(codes, np.zeros((1, 1), np.float32))
    arguments = ["encode", str(whole), str(data), "-o", str(codes), "--force"]
    killed = kill_after(arguments, draw.uniform(0, seconds))
    shape = np.load(codes, allow_pickle=False).shape
    code = contractive(arguments)
    return {
        "kind": "encoding",
        "kills": int(killed),
        "unreadable": unreadable(folder),
        "exit_code": code,
        "same": shape in ((1, 1), (200_000, 32)) and np.load(codes).shape == (200_000, 32),
    }


def campaign(kills: int, seed: int) -> list[dict]:
    """Trials until so many kills were made."""
    draw, results = random.Random(seed), []
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        wholes = {kind: place / kind.replace(", ", "-").replace(" ", "-") for kind in KINDS}
        for kind, folder in wholes.items():
            contractive([*TRAIN, *KINDS[kind], "--out", str(folder)])
        seconds = {kind: timed([*TRAIN, *KINDS[kind], "--out", str(place / f"time {kind}")]) for kind in KINDS}
        for number in range(10 * kills):
            if sum(result["kills"] for result in results) >= kills:
                break
            kind = [*KINDS, "encoding"][number % 3]
            folder = place / f"trial{number}"
            if kind == "encoding":
                results.append(encoding(wholes["training"], 1.5, folder, draw))
            else:
                results.append(trial(kind, wholes[kind], seconds[kind], folder, draw))
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = campaign(options.kills, options.seed)
    good = sum(result["same"] and not result["unreadable"] for result in results)
    summary = {
        "kills": sum(result["kills"] for result in results),
        "trials": len(results),
        "good": good,
        "seed": options.seed,
        "results": results,
    }
    if options.out:
        options.out.write_text(json.dumps(summary, indent=1) + "\n")
    print(f"{summary['kills']} kills in {len(results)} trials, {good} of {len(results)} good")
    sys.exit(good < len(results))
