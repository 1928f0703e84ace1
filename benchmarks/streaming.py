"""What does a file larger than the memory allowed cost: peak memory, rows per second, share of the raw forward speed?

    python benchmarks/streaming.py [--gigabytes 5] [--place FOLDER] [--out benchmarks/results/streaming.json]
    python benchmarks/streaming.py --part speed   # the share alone; the rest of the results stays as it is

Float32 files of 784 features, .npy and .parquet, are written into a temporary folder and deleted after it.
`contractive train` and `contractive encode` run as processes of their own under RLIMIT_DATA (private memory that may be
written; mapped files do not count). Peak memory is the kernel's `ru_maxrss` of that process, mapped files included.
The share of the raw forward speed compares `runs.encode` of a million rows with the same encoder on a block in memory,
in turns in one process; nothing else should run meanwhile.
"""

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WIDTH = 784
LIMIT = 2 * 2**30
BLOCK = 8192
SPEED_ROWS = 1_000_000
NET = ["--hidden", "256,128", "--code", "64"]
QUICK = [
    "--max-epochs",
    "1",
    "--weight",
    "0.1",
    "--hidden",
    "64",
    "--code",
    "16",
    "--batch-size",
    "1024",
    "--device",
    "cpu",
]
SPEED = """
import sys, time, torch
from contractive import runs

torch.set_num_threads(1)
model, data, out = sys.argv[1:]
run = runs.open_run(model)
encoder, x = run.model().encoder, torch.randn(8192, 784)


def forward():
    with torch.no_grad():
        encoder(x)
        began = time.perf_counter()
        for _ in range(40):
            encoder(x)
    return 40 * len(x) / (time.perf_counter() - began)


def encode():
    began = time.perf_counter()
    return runs.encode(run, data, out, overwrite=True) / (time.perf_counter() - began)


speeds = []
for _ in range(3):
    before = forward()
    encoded = encode()
    speeds.append((encoded, (before + forward()) / 2))
speeds.sort(key=lambda pair: pair[0] / pair[1])
print(*speeds[1])
"""


def write_blocks(path, shape, blocks):
    """Write float32 rows that come in blocks: making the file needs no more memory than reading it."""
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, "<f4").data)


def write_npy(path, num_rows):
    """Gaussian rows, written in blocks; a block comes again with another shift, for drawing 5 GB would take minutes."""
    block = np.random.default_rng(0).normal(size=(BLOCK, WIDTH)).astype(np.float32)
    starts = range(0, num_rows, BLOCK)
    shifted = (np.roll(block, start // BLOCK, axis=1)[: num_rows - start] for start in starts)
    write_blocks(path, (num_rows, WIDTH), shifted)


def write_parquet(path, num_rows):
    """The same rows, in groups of one block."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    block = np.random.default_rng(0).normal(size=(BLOCK, WIDTH)).astype(np.float32)
    schema = pa.schema([(f"c{i}", pa.float32()) for i in range(WIDTH)])
    with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
        for start in range(0, num_rows, BLOCK):
            rows = np.roll(block, start // BLOCK, axis=1)[: num_rows - start]
            writer.write_table(pa.table(list(np.ascontiguousarray(rows.T)), schema=schema))


def limited():
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))


def measured(arguments):
    """Seconds and peak memory of a command of its own."""
    # Arrow's own pool reserves addresses that it never uses, which this limit counts
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    began = time.perf_counter()
    command = [sys.executable, "-m", "contractive", *map(str, arguments)]
    child = subprocess.Popen(command, preexec_fn=limited, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"the command must end well, got {child.returncode}: {' '.join(command)}")
    found = {"seconds": time.perf_counter() - began, "peak_bytes": 1024 * usage.ru_maxrss}
    print(arguments[0], arguments[1], found, file=sys.stderr, flush=True)
    return found


def speeds(model, data, out):
    """Rows per second of encoding a file and of the bare encoder, in turns in one process; the middle of three."""
    command = [sys.executable, "-c", SPEED, *map(str, (model, data, out))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment, preexec_fn=limited, text=True)
    encoded, forward = map(float, done.stdout.split())
    return {"encode_rows_per_second": encoded, "forward_rows_per_second": forward, "share": encoded / forward}


def one_file(path, num_rows, place):
    """Time and peak memory of training on a file and of encoding it."""
    run, codes = place / "run", place / "codes.npy"
    found = {
        "rows": num_rows,
        "file_bytes": path.stat().st_size,
        "train": measured(["train", path, "--out", run, "--stream", *QUICK, "--quiet"]),
        "encode": measured(["encode", run, path, "-o", codes, "--quiet"]),
    }
    for work in ("train", "encode"):
        found[work]["rows_per_second"] = num_rows / found[work]["seconds"]
    shutil.rmtree(run)
    codes.unlink()
    path.unlink()
    return found


def memory(place, num_rows, endings):
    """Files of the size asked for and of a third of it: the peaks should be the same."""
    files = {}
    for ending in endings:
        write = {"npy": write_npy, "parquet": write_parquet}[ending]
        for name, count in ((f"{ending}, a third", num_rows // 3), (ending, num_rows)):
            path = place / f"rows.{ending}"
            write(path, count)
            files[name] = one_file(path, count, place)
    return files


def speed(place):
    few, rows = place / "few.npy", place / "rows.npy"
    write_npy(few, 3000)
    measured(["train", few, "--out", place / "model", "--max-epochs", "1", "--weight", "0.1", *NET, "--quiet"])
    write_npy(rows, SPEED_ROWS)
    found = speeds(place / "model", rows, place / "codes.npy")
    return {"speed": {"rows": SPEED_ROWS, "encoder": [WIDTH, 256, 128, 64], **found, "load": os.getloadavg()[0]}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=5)
    parser.add_argument("--part", choices=("npy", "parquet", "speed"), help="that part alone")
    parser.add_argument("--place", type=Path, help="where the files are written, for an hour or so")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "streaming.json")
    options = parser.parse_args()
    room = shutil.disk_usage(options.place or tempfile.gettempdir()).free
    if room < 1.5e9 * options.gigabytes:
        sys.exit(f"--place must have room for {1.5 * options.gigabytes:.0f} GB, got {room / 1e9:.0f} GB. Take another.")
    found = json.loads(options.out.read_text()) if options.out.exists() else {}
    with tempfile.TemporaryDirectory(dir=options.place) as folder:
        if options.part in (None, "speed"):
            found |= speed(Path(folder))
    endings = [ending for ending in ("npy", "parquet") if options.part in (None, ending)]
    with tempfile.TemporaryDirectory(dir=options.place) as folder:
        files = memory(Path(folder), int(options.gigabytes * 1e9 / 4 / WIDTH), endings)
    found |= {"limit_bytes": LIMIT, "limit": "RLIMIT_DATA", "peak": "ru_maxrss of the process"}
    found["files"] = found.get("files", {}) | files
    machine = {"processors": os.cpu_count(), "threads": 1, "python": platform.python_version()}
    options.out.write_text(json.dumps(found | {"machine": machine}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
