"""How long `fit` takes beside other work: alone, and beside two processes that multiply matrices all the time.

    python benchmarks/busy.py --data-dir DATA   # on a machine that does nothing else

By the rule of `fit` for the number of threads, and with two of them. Seconds on the wall, the median of some rounds.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import torch

import contractive as ct
from contractive.data import load

RESULTS = Path(__file__).parent / "results" / "busy.json"
BUSY = "import torch; torch.set_num_threads(1); a = torch.rand(512, 512)\nwhile True: a @ a"
CASES = {
    "digits 64-128-64-32": ("digits", (64, 128, 64, 32), 10),
    "MNIST 784-256-128-64": ("mnist", (784, 256, 128, 64), 1),
}


def seconds(rows, sizes, epochs, threads):
    model = ct.mlp(sizes[0], hidden=sizes[1:-1], code=sizes[-1])
    began = time.perf_counter()
    ct.fit(model, rows, ct.objectives.contractive(0.1), max_epochs=epochs, seed=0, threads=threads, progress=False)
    return time.perf_counter() - began


def measured(rows, sizes, epochs, rounds, others):
    """Median seconds by number of threads, with so many busy processes beside."""
    with ExitStack() as stack:
        for _ in range(others):
            process = stack.enter_context(subprocess.Popen([sys.executable, "-c", BUSY]))
            stack.callback(process.kill)
        time.sleep(5 if others else 0)  # until they have imported torch
        times = {"by the rule": [], "2": []}
        for _ in range(rounds):
            for name, found in times.items():
                found.append(seconds(rows, sizes, epochs, None if name == "by the rule" else int(name)))
    return {name: statistics.median(found) for name, found in times.items()}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", default=",".join(CASES))
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    found = {"torch": torch.__version__, "processor": platform.machine(), "load before": os.getloadavg()[0]}
    for case in arguments.cases.split(","):
        data, sizes, epochs = CASES[case]
        rows = torch.from_numpy(load(data, data_dir=arguments.data_dir).in_memory().train[:20_000])
        seconds(rows[:500], sizes, 1, None)  # imports
        found[case] = {others: measured(rows, sizes, epochs, arguments.rounds, others) for others in (0, 2)}
        print(case, found[case], flush=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
