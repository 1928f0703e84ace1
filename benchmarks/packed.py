"""Small files that unpack to gigabytes: what is read of them, and the most memory that takes.

    python benchmarks/packed.py --out benchmarks/results/packed.json

Each file is read in a forked process whose memory for data is limited; the peak is its `ru_maxrss`, to be seen beside
that of an ordinary small table.
"""

import argparse
import gzip
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

from contractive.data import DataError, Options, load

LIMIT = 2 * 2**30  # bytes of data
_MIB = 2**20


def _text() -> pa.Table:
    """20,000 rows with a text of 1 MB, which is stored once."""
    texts = pa.DictionaryArray.from_arrays(pa.array(np.zeros(20_000, np.int32)), pa.array(["x" * 10**6]))
    return pa.table({"note": texts, "a": np.arange(20_000) % 11, "b": np.arange(20_000.0) % 7})


def _numbers(path: Path) -> None:
    """50 million rows of four columns, each of which has one value."""
    rows = pa.table({name: np.full(_MIB, 1.5) for name in "abcd"})
    with pq.ParquetWriter(path, rows.schema) as file:
        for _ in range(48):
            file.write_table(rows)


def _array(path: Path) -> None:
    """An array of 3 GB of zeros."""
    shape = (3 * 2**10 * 256, 1024)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as file:
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(3 * 2**10):
                file.write(bytes(_MIB))


def _lines(path: Path) -> None:
    """1 GB of rows of a text table."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(b"a,b\n")
        for _ in range(2**10):
            file.write(b"1.5,2.25\n" * (_MIB // 9))


def _sheet(path: Path) -> None:
    """A sheet with 1 GB of blanks after its end."""
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["a", "b"], *([i % 7, i % 11] for i in range(40))):
        book.active.append(row)
    book.save(path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in entries.items():
            with archive.open(name, "w") as file:
                file.write(content)
                for _ in range(2**10 if name.endswith("sheet1.xml") else 0):
                    file.write(b" " * _MIB)


def _cells(path: Path) -> None:
    """A matrix of 3 GB of zeros, of which no chunk was written."""
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("X", (3 * 2**18, 1024), "f4", chunks=(256, 1024), compression="gzip")
        for name, size in (("obs", 3 * 2**18), ("var", 1024)):
            file[f"{name}/_index"] = np.arange(size)
            file[name].attrs["_index"] = "_index"


FILES: dict[str, tuple[Callable[[Path], object], int, dict[str, Options]]] = {  # what writes it, bytes in it, how read
    "small.csv": (lambda path: path.write_text("a,b\n" + "1,2\n3,5\n" * 20), 200, {"whole": Options()}),
    "text.parquet": (
        lambda path: pq.write_table(_text(), path), 20 * 10**9,
        {"the text dropped": Options(drop=("note",)), "the text encoded": Options(one_hot=("note",))},
    ),
    "text.feather": (
        lambda path: feather.write_feather(_text(), str(path), compression="zstd"), 20 * 10**9,
        {"the text dropped": Options(drop=("note",)), "the text encoded": Options(one_hot=("note",))},
    ),
    "numbers.parquet": (_numbers, 48 * _MIB * 4 * 8, {"in memory": Options(stream=False)}),
    "array.npz": (_array, 3 * 2**30, {"whole": Options()}),
    "table.csv.gz": (_lines, 2**30, {"whole": Options()}),
    "sheet.xlsx": (_sheet, 2**30, {"whole": Options()}),
    "cells.h5ad": (_cells, 3 * 2**30, {"whole": Options()}),
}  # fmt: skip


def in_process(work: Callable[[], dict]) -> dict:
    """Do work in a forked process; its result and the peak of its memory."""
    here, there = multiprocessing.Pipe(duplex=False)

    def run() -> None:
        found = work()
        there.send({**found, "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024})

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    there.close()
    try:
        return here.recv()
    except EOFError:
        process.join()
        return {"outcome": f"ended with exit code {process.exitcode}", "good": False}


def read(path: Path, options: Options) -> dict:
    """Load a file with little memory."""
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    try:
        return {"outcome": f"read {len(load(path, options=options).parts):,} rows", "good": True}
    except DataError as error:
        return {"outcome": "refused", "message": str(error).replace(str(path), path.name), "good": True}


def campaign() -> dict:
    """All files, each read in each way."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (write, unpacked, ways) in FILES.items():
            path = Path(folder) / name
            in_process(lambda write=write, path=path: {"written": bool(write(path))})
            for way, options in ways.items():
                found = in_process(lambda path=path, options=options: read(path, options))
                size = path.stat().st_size
                results.append({"file": name, "bytes": size, "unpacked_bytes": unpacked, "read": way, **found})
                print(json.dumps(results[-1]), file=sys.stderr, flush=True)
            os.unlink(path)
    return {
        "date": time.strftime("%Y-%m-%d"),
        "version": version("contractive"),
        "limit_bytes": LIMIT,
        "results": results,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    summary = campaign()
    if given.out:
        given.out.write_text(json.dumps(summary, indent=1) + "\n")
    sys.exit(not all(each["good"] for each in summary["results"]))
