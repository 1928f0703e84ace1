"""Kill training and encoding at random moments; nothing may be unreadable, and resuming must lead to the same weights.

    python benchmarks/kills.py --kills 50 --out benchmarks/results/kills.json
    python benchmarks/kills.py --writes --out benchmarks/results/writes.json
    python benchmarks/kills.py --signals --out benchmarks/results/signals.json

Each campaign writes what it has as it goes. Given again it goes on from there; delete its file to begin anew.

Each trial forks a process that trains or encodes, kills it with SIGKILL after a random time, reads every file that is
there, and finishes the work with `--resume`. It passes if the model is, byte for byte, that of a run never killed.

With `--writes` every command that writes is ended before each change of a file or folder in turn: putting it in place,
renaming, making or removing it. It is then given again, with `--resume` where a run has begun; it passes if that ends
well, with the same files as a command that was never ended and the same models and codes. With `--signals` it gets
SIGTERM, SIGINT or SIGHUP there in turn, and must also end with the exit code of the signal and print no traceback.
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
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np

TRAIN = "--objective contractive --hidden 8 --code 3 --max-epochs 10 --checkpoint-seconds 0 --device cpu".split()
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
    "drift": "drift {data}/detector {data}/rows.npy --out {out} --quiet",
}
THINNED = {"classify": 3, "sweep": 9, "detect": 3}  # commands with so many writes that only some of them are tried
SIGNALS = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
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


def training(kind: str, data: Path, out: Path) -> list[str]:
    """The command that trains a run of a kind."""
    return ["train", str(data), *TRAIN, *KINDS[kind], "--out", str(out)]


def trial(kind: str, data: Path, whole: Path, seconds: float, folder: Path, draw: random.Random) -> dict:
    """One run, killed up to three times."""
    arguments = training(kind, data, folder)
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


_ROWS = 400_000  # to encode


def encoding(whole: Path, seconds: float, folder: Path, draw: random.Random) -> dict:
    """Encoding over an existing file, killed: the file is the old or the new one."""
    data, codes = folder / "rows.npy", folder / "codes.npy"
    folder.mkdir()
    np.save(data, np.random.default_rng(0).normal(size=(_ROWS, 5)).astype(np.float32))
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
        "same": shape in ((1, 1), (_ROWS, 3)) and np.load(codes).shape == (_ROWS, 3),
    }


def small_data(folder: Path) -> Path:
    """Write rows, a run and a detector of them for the commands in `WRITING`, and return the folder."""
    x = np.random.default_rng(0).normal(size=(120, 5)).astype(np.float32)
    np.save(folder / "rows.npy", x)
    np.savez(folder / "rows.npz", x=x, y=(x[:, 0] > 0).astype(int))
    for name, out in (("train", "run"), ("detect", "detector")):
        assert contractive(WRITING[name].format(data=folder, out=folder / out).split()) == 0
    return folder


def ended(command: str, at: int, number: int = signal.SIGKILL, errors: Path | str = os.devnull) -> int | None:
    """Exit code of a command that gets a signal before its change of files number `at`; 128 + 9 if it is killed."""
    child = multiprocessing.get_context("fork").Process(target=_ended, args=(command, at, number, str(errors)))
    child.start()
    child.join()
    return child.exitcode


def _ended(command: str, at: int, number: int, errors: str) -> None:
    import torch

    from contractive.cli import main

    torch.set_num_threads(1)
    count, reached = iter(range(100_000)), []
    for stream, path in ((1, os.devnull), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    sys.stdout, sys.stderr = (open(stream, "w", closefd=False) for stream in (1, 2))
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    for each in SIGNALS:  # as in a process of its own
        signal.signal(each, signal.default_int_handler if each == signal.SIGINT else signal.SIG_DFL)

    def before(change):
        def counted(*names, **options):
            if next(count) == at:
                reached.append(at)
                os._exit(137) if number == signal.SIGKILL else os.kill(os.getpid(), number)
            return change(*names, **options)

        return counted

    for name in _CHANGES:
        setattr(os, name, before(getattr(os, name)))
    sys.argv = ["contractive", *command.split()]
    try:
        main()
        code = 0
    except SystemExit as error:
        code = error.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stderr.flush()
    os._exit(99 if reached and not code else code)  # a signal that changed nothing


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


def at_every_write(name: str, data: Path, place: Path, step: int = 1, signals: tuple[int, ...] = ()) -> dict:
    """End a command before each change of a file in turn, or before every `step`-th, and give it again.

    It is killed, or stopped by one of the signals in turn.
    """
    (place / "whole").mkdir()
    assert contractive(WRITING[name].format(data=data, out=place / "whole" / "out").split()) == 0
    whole, bad = contents(place / "whole"), []
    for at in itertools.count(0, step):
        folder = place / str(at)
        folder.mkdir()
        command = WRITING[name].format(data=data, out=folder / "out")
        number = signals[at // step % len(signals)] if signals else signal.SIGKILL
        if (code := ended(command, at, number, place / "errors")) == 0:
            break
        words = (place / "errors").read_text()
        if code != 128 + number or "Traceback" in words:
            bad.append({"write": at, "stopped_with": code, "words": words[-2000:]})
        done = contents(folder) == whole  # all was written
        begun = name.startswith(("train", "classify", "detect")) and (folder / "out" / "config.json").exists()
        again = contractive(
            f"{command.split()[0]} --resume --out {folder / 'out'} --quiet".split() if begun else command.split()
        )
        if not done and (again or contents(folder) != whole):
            bad.append({"write": at, "exit_code": again, "files": sorted(contents(folder).keys() ^ whole.keys())})
        shutil.rmtree(folder)
    return {"command": name, "step": step, "writes": at // step, "bad": bad}


def campaign_of_writes(signals: tuple[int, ...], out: Path | None) -> list[dict]:
    """All commands, ended at every write, but for those that the file already has."""
    results = kept(out, [])
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "data").mkdir()
        data = small_data(place / "data")
        for name in WRITING:
            if any(each["command"] == name for each in results):
                continue
            folder = place / str(len(results))  # no blank: commands are split at blanks
            folder.mkdir()
            results.append(at_every_write(name, data, folder, THINNED.get(name, 1), signals))
            keep(out, results)
    return results


def campaign(kills: int, seed: int, out: Path | None) -> dict:
    """Trials until so many kills were made, those that the file already has among them."""
    results = kept(out, {"results": []})["results"]
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        data = place / "rows.npy"
        np.save(data, np.random.default_rng(0).normal(size=(120, 5)).astype(np.float32))
        wholes = {kind: place / kind.replace(", ", "-").replace(" ", "-") for kind in KINDS}
        for kind, folder in wholes.items():  # here, so that the forked processes have everything imported
            assert contractive(training(kind, data, folder)) == 0
        seconds = {kind: timed(training(kind, data, place / f"timed{kind[-5:]}")) for kind in KINDS}
        for number in range(len(results), 10 * kills):
            if sum(result["kills"] for result in results) >= kills:
                break
            draw, folder = random.Random(f"{seed} {number}"), place / f"trial{number}"
            kind = [*KINDS, "encoding"][number % 3]
            if kind == "encoding":
                results.append(encoding(wholes["training"], 0.5, folder, draw))
            else:
                results.append(trial(kind, data, wholes[kind], seconds[kind], folder, draw))
            shutil.rmtree(folder)
            good = sum(result["same"] and not result["unreadable"] for result in results)
            done = sum(result["kills"] for result in results)
            summary = {"kills": done, "trials": len(results), "good": good, "seed": seed, "results": results}
            keep(out, summary)
    return summary


def kept(out: Path | None, empty: Any) -> Any:
    """What a file has of the results of a campaign."""
    return json.loads(out.read_text()) if out is not None and out.exists() else empty


def keep(out: Path | None, results: Any) -> None:
    """Write what a campaign has so far, and print the newest."""
    print(json.dumps((results if isinstance(results, list) else results["results"])[-1]), file=sys.stderr, flush=True)
    if out is not None:
        out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--writes", action="store_true")
    parser.add_argument("--signals", action="store_true")
    options = parser.parse_args()
    if options.writes or options.signals:
        found = campaign_of_writes(SIGNALS if options.signals else (), options.out)
        print(f"{sum(each['writes'] for each in found)} ends at a write, {sum(len(each['bad']) for each in found)} bad")
        sys.exit(any(each["bad"] for each in found))
    found = campaign(options.kills, options.seed, options.out)
    print(f"{found['kills']} kills in {found['trials']} trials, {found['good']} of {found['trials']} good")
    sys.exit(found["good"] < found["trials"])
