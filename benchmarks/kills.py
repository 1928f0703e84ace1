"""Kill training and encoding at random moments; nothing may be unreadable, and resuming must lead to the same weights.

    python benchmarks/kills.py --kills 50 --out benchmarks/results/kills.json
    python benchmarks/kills.py --writes --out benchmarks/results/writes.json

Each trial forks a process that trains or encodes, kills it with SIGKILL after a random time, reads every file that is
there, and finishes the work with `--resume`. It passes if the model is, byte for byte, that of a run never killed.

With `--writes` every command that writes is ended before each change of a file or folder in turn: putting it in place,
renaming, making or removing it. It is then given again, with `--resume` where a run has begun; it passes if that ends
well, with the same files as a command that was never ended and the same models and codes.
"""

import argparse
import contextlib
import io
import itertools
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TRAIN = ["train", "digits", "--max-epochs", "12", "--checkpoint-seconds", "0", "--seed", "3", "--device", "cpu"]
KINDS = {"training": ["--weight", "0.1"], "training, weight found": ["--weight", "auto"]}


_SMALL = "--device cpu --quiet"
_NET = f"--max-epochs 1 --hidden 4 --code 2 {_SMALL}"
_PENALTY = "--objective contractive"  # from random weights, with checkpoints
WRITING = {
    "train": f"train {{data}}/rows.npy --out {{out}} {_PENALTY} --weight 0.1 --checkpoint-seconds 0 {_NET}",
    "train, weight found": f"train {{data}}/rows.npy --out {{out}} {_PENALTY} --max-epochs 2 --hidden 6 --code 2"
    f" {_SMALL}",
    "classify": f"classify {{data}}/rows.npz --label y --out {{out}} --hidden 6,4 --pretraining-epochs 1 --max-epochs 1"
    f" --tangents 2 {_SMALL}",
    "compare": "compare {data}/rows.npy --out {out} --objectives standard,contractive --weight 0.1 --seeds 1 --jobs 1 "
    + _NET,
    "sweep": f"sweep {{data}}/rows.npy --out {{out}} --objective contractive --weights 0.1 --jobs 1 {_NET}",
    "analyze": "analyze {data}/run {data}/rows.npy --out {out} --no-umap --quiet",
    "explore": "explore {data}/run {data}/rows.npy --out {out}.html --quiet",
    "encode": "encode {data}/run {data}/rows.npy --out {out}.npy --quiet",
    "detect": "detect {data}/rows.npy --out {out} --max-epochs 1 --code 2 --quiet",
    "score": "score {data}/detector {data}/rows.npy --out {out}.csv --quiet",
}
_THINNED = {"classify": 3, "sweep": 3, "detect": 3}  # commands of which every third write is tried: they have many
_CHANGES = ("replace", "rename", "mkdir", "unlink", "rmdir")


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


def small_data(folder: Path) -> Path:
    """Write rows, a run and a detector of them for the commands in `WRITING`, and return the folder."""
    x = np.random.default_rng(0).normal(size=(120, 5)).astype(np.float32)
    np.save(folder / "rows.npy", x)
    np.savez(folder / "rows.npz", x=x, y=(x[:, 0] > 0).astype(int))
    for name, out in (("train", "run"), ("detect", "detector")):
        assert contractive(WRITING[name].format(data=folder, out=folder / out).split()) == 0
    return folder


def ended(command: str, at: int) -> int | None:
    """Exit code of a command in a process that is gone, as if killed, before its change of files number `at`."""
    child = multiprocessing.get_context("fork").Process(target=_ended, args=(command, at))
    child.start()
    child.join()
    return child.exitcode


def _ended(command: str, at: int) -> None:
    count = iter(range(100_000))

    def before(change):
        def counted(*names, **options):
            if next(count) == at:
                os._exit(137)
            return change(*names, **options)

        return counted

    for name in _CHANGES:
        setattr(os, name, before(getattr(os, name)))
    _quietly(command.split())


def contents(folder: Path) -> dict[str, bytes]:
    """Names of all files and folders, without logs, whose names hold the time; the bytes of models and codes.

    Trials of a sweep are numbered anew: one that was given up leaves its number out.
    """
    trials = {path: path.with_name(str(number)) for number, path in enumerate(sorted(folder.glob("out/trials/*")))}
    found = {}
    for path in folder.rglob("*"):
        trial = next((each for each in trials if path.is_relative_to(each)), None)
        name = path if trial is None else trials[trial] / path.relative_to(trial)
        if "tfevents" not in path.name:
            found[str(name.relative_to(folder))] = path.read_bytes() if path.suffix in (".safetensors", ".npy") else b""
    return found


def at_every_write(name: str, data: Path, place: Path, step: int = 1) -> dict:
    """End a command before each change of a file in turn, or before every `step`-th, and give it again."""
    (place / "whole").mkdir()
    assert contractive(WRITING[name].format(data=data, out=place / "whole" / "out").split()) == 0
    whole, bad = contents(place / "whole"), []
    for at in itertools.count(0, step):
        folder = place / str(at)
        folder.mkdir()
        command = WRITING[name].format(data=data, out=folder / "out")
        if (code := ended(command, at)) == 0:
            break
        assert code == 137, f"{command} ended with {code}"
        done = contents(folder) == whole  # all was written
        begun = name.startswith(("train", "classify", "detect")) and (folder / "out" / "config.json").exists()
        again = contractive(
            f"{command.split()[0]} --resume --out {folder / 'out'} --quiet".split() if begun else command.split()
        )
        if not done and (again or contents(folder) != whole):
            bad.append({"write": at, "exit_code": again, "files": sorted(contents(folder).keys() ^ whole.keys())})
        shutil.rmtree(folder)
    return {"command": name, "writes": at // step, "bad": bad}


def campaign_of_writes() -> list[dict]:
    """All commands, ended at every write."""
    results = []
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "data").mkdir()
        data = small_data(place / "data")
        for name in WRITING:
            (place / name).mkdir()
            results.append(at_every_write(name, data, place / name, _THINNED.get(name, 1)))
            print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    return results


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
    parser.add_argument("--writes", action="store_true")
    options = parser.parse_args()
    if options.writes:
        found = campaign_of_writes()
        if options.out:
            options.out.write_text(json.dumps(found, indent=1) + "\n")
        print(f"{sum(each['writes'] for each in found)} ends at a write, {sum(len(each['bad']) for each in found)} bad")
        sys.exit(any(each["bad"] for each in found))
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
