"""What does scoring rows by a detector cost: processor time per row and peak memory, for more and more rows?

    python benchmarks/scoring.py [--rows 16384,131072,1000000] [--out benchmarks/results/scoring.json]

A detector learns from 10,000 rows of 30 features of 5 causes, and `runs.score` streams .npy files of new ones to a
.parquet file, at a false-alarm rate so small that hardly a row is flagged and explained. One thread; processor time
does not depend on what else runs, but for caches. Peak memory is the kernel's `ru_maxrss` of the process so far.
Results are written after each file; those that are there are kept.
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from streaming import write_blocks

from contractive.data import load
from contractive.studies.runs import DetectorRun, DetectorSettings, open_run, score, train

TRAINED, FEATURES, CAUSES = 10_000, 30, 5
BLOCK = 16_384


def rows(random, number):
    """Rows of a few causes with a little noise, float32."""
    mixing = np.random.RandomState(0).standard_normal((CAUSES, FEATURES))
    noise = 0.1 * random.standard_normal((number, FEATURES))
    return (random.standard_normal((number, CAUSES)) @ mixing + noise).astype(np.float32)


def measure(run, folder, number):
    """Processor seconds and peak memory of scoring so many rows."""
    random = np.random.default_rng(number)
    blocks = (rows(random, min(BLOCK, number - start)) for start in range(0, number, BLOCK))
    write_blocks(folder / "new.npy", (number, FEATURES), blocks)
    began = time.process_time()
    found = score(run, folder / "new.npy", folder / "out.parquet", overwrite=True)
    seconds = time.process_time() - began
    return {
        "rows": found.rows,
        "flagged": found.flagged,
        "cpu_seconds": round(seconds, 1),
        "cpu_seconds_per_million": round(1e6 * seconds / number),
        "peak_megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="16384,131072,1000000")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "scoring.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        np.save(folder / "old.npy", rows(np.random.default_rng(0), TRAINED))
        train(load(folder / "old.npy"), DetectorSettings(false_alarm_rate=2e-4), folder / "run", progress=False)
        run = open_run(folder / "run", DetectorRun)
        for number in sorted(map(int, arguments.rows.split(","))):
            found[str(number)] = measure(run, folder, number)
            print(found[str(number)], flush=True)
            arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
